import type { Clock } from '../ports/clock.ts';

/** How often something may be done: so many at once, and then so many a minute. Nobody waits in it. */
export class Allowance {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perMs: number;
  #left: number;
  #at: number;

  constructor(clock: Clock, { burst, perMinute }: { readonly burst: number; readonly perMinute: number }) {
    this.#clock = clock;
    this.#burst = burst;
    this.#perMs = perMinute / 60_000;
    this.#left = burst;
    this.#at = clock.monotonic();
  }

  take(): boolean {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
