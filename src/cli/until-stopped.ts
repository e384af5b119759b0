import type { CliContext } from './context.ts';

/** Resolves when the operator asks to stop. */
export function untilStopped({ stopRequested }: Pick<CliContext, 'stopRequested'>): Promise<null> {
  return new Promise((resolve) => {
    if (stopRequested.aborted) resolve(null);
    stopRequested.addEventListener('abort', () => {
      resolve(null);
    });
  });
}
