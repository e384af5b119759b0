import type { Clock } from '../ports/clock.ts';

let lastMs = 0;
let lastText = new Date(0).toISOString();

/** Many records are written in one millisecond; its text is made once. */
function timestamp(): string {
  const now = Date.now();
  if (now !== lastMs) {
    lastMs = now;
    lastText = new Date(now).toISOString();
  }
  return lastText;
}

/** The system's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timestamp,
};
