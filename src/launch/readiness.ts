import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';

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

/** For what the scope takes down anyway: whoever stops the launch need not wait for its deadline. */
export async function unlessStopped<Value>(awaited: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => {
    reject(new BottleError('launch_failed', { message: 'stopped before the agent was let in' }));
  };
  awaited.catch(ignoreUnlessAwaited);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([awaited, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
