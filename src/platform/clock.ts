import type { Clock } from '../ports/clock.ts';

/** The system's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timestamp: () => new Date().toISOString(),
};
