/** Limits of a bottle: what a machine can hold, and what was reached. */
export const RESOURCES = ['memory', 'pids', 'cpus', 'disk'] as const;
export type ResourceName = (typeof RESOURCES)[number];

/** How a machine holds each limit, found out before anything starts. */
export interface LimitSupport {
  readonly memory: 'cgroup2' | 'cgroup1' | 'watchdog';
  readonly pids: 'cgroup2' | 'cgroup1' | 'rlimit';
  readonly cpus: 'cgroup2' | 'cgroup1' | 'none';
  readonly disk: 'watchdog' | 'none';
}

/** A limit that a bottle ran into. `limit` is in bytes for memory and disk, a count for processes. */
export interface ReachedLimit {
  readonly resource: 'memory' | 'pids' | 'disk';
  readonly limit: number;
}
