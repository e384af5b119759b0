import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';

/**
 * Polls with exponential back-off until `check` answers, or fails at the deadline saying what was awaited. Waiting is
 * always for a fact, never for a while (HOTSPOTS H5).
 */
export async function pollUntil<Value>(
  what: string,
  deadlineMs: number,
  check: () => Value | null | Promise<Value | null>,
): Promise<Value> {
  const end = performance.now() + deadlineMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const value = await check();
    if (value !== null) return value;
    const leftMs = end - performance.now();
    if (leftMs <= 0) {
      throw new BottleError('not_ready', { message: `${what} was not ready within ${String(deadlineMs / 1000)} s` });
    }
    await sleep(Math.min(pauseMs, leftMs));
  }
}
