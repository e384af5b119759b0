import { KiB } from '../kernel/limits.ts';

/** Every bound of the supervise service, with its unit in the name. */
export const SUPERVISE_LIMITS = {
  /** How long a tool call waits for the operator; then it answers that it is pending. */
  waitMs: 30_000,
  pollMs: 100,
  progressMs: 5_000,
  /** Calls that wait at one time; a further one is answered at once. */
  waiting: 32,
  requestBytes: 256 * KiB,
  headerBytes: 16 * KiB,
  connections: 64,
  headersTimeoutMs: 10_000,
  /** Requests to the server. */
  requests: { burst: 120, perMinute: 240 },
  /** Proposals that were not there before. */
  proposals: { burst: 20, perMinute: 2 },
  pending: 100,
  reports: { burst: 10, perMinute: 2 },
  reportsBytes: 128 * KiB,
} as const;
