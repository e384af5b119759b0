/** Time, given rather than taken. `now` is wall time, `monotonic` never goes back; both in milliseconds. */
export interface Clock {
  now(): number;
  monotonic(): number;
  /** RFC 3339 with milliseconds, UTC. */
  timestamp(): string;
}
