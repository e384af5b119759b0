import type { Scope } from '../kernel/scope.ts';
import { BottleError } from '../kernel/errors.ts';

/**
 * The launch as a list (HOTSPOTS H5): every step has a name, says what it is about to create, does it, and registers
 * its undo in the scope. Nothing else creates or destroys resources.
 */
export interface Step<Context> {
  readonly name: string;
  /** Journaled and synced before `run`: whatever is needed to find the resource again after a crash. */
  readonly announce: (context: Context) => Readonly<Record<string, string | number>>;
  readonly run: (context: Context, scope: Scope) => Promise<void>;
}

export interface StepObserver {
  readonly journal: (entry: {
    readonly step: string;
    readonly detail: Readonly<Record<string, string | number>>;
  }) => void;
  readonly onDone: (step: string) => void;
}

/**
 * Runs the steps in order. A failure or an abort between steps throws; the caller disposes the scope, which undoes
 * what was done in reverse.
 */
export async function runSteps<Context>(
  steps: readonly Step<Context>[],
  context: Context,
  scope: Scope,
  observer: StepObserver,
  signal: AbortSignal,
): Promise<void> {
  for (const step of steps) {
    if (signal.aborted) throw new BottleError('launch_failed', { message: `stopped before step "${step.name}"` });
    observer.journal({ step: step.name, detail: step.announce(context) });
    await step.run(context, scope);
    observer.onDone(step.name);
  }
  if (signal.aborted) throw new BottleError('launch_failed', { message: 'stopped before the agent was let in' });
}
