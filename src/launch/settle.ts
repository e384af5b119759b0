import type { AgentExit } from '../ports/backend.ts';
import type { BottlePlan } from '../schema/plan.ts';
import type { BottlePaths } from '../state/paths.ts';
import { hasChanged, lookAtWork } from './work.ts';

/** After the agent's end: was anything done that is not home yet (REFERENCE 4, settle)? */
export type Settlement =
  | { readonly kind: 'unchanged' }
  /** The work was done in the operator's own directory. */
  | { readonly kind: 'delivered'; readonly runsOnOpen: readonly string[] }
  | {
      readonly kind: 'kept';
      readonly reason: 'exit' | 'workspace' | 'unknown';
      /** Null when the workspace could not be looked at. */
      readonly changes: number | null;
      readonly runsOnOpen: readonly string[];
    };

export async function settle(
  exit: AgentExit,
  plan: Pick<BottlePlan, 'workspace'>,
  paths: BottlePaths,
): Promise<Settlement> {
  if (plan.workspace.mode === 'bind') {
    return exit.exitCode === 0 ? { kind: 'delivered', runsOnOpen: [] } : kept('exit', 0, []);
  }
  const changed = await hasChanged(paths);
  if (changed === null) return kept('unknown', null, []);
  if (!changed) return exit.exitCode === 0 ? { kind: 'unchanged' } : kept('exit', 0, []);
  const work = await lookAtWork(paths);
  const changes = work.changed.length + work.deleted.length;
  if (changes === 0 && exit.exitCode === 0) return { kind: 'unchanged' };
  return kept(exit.exitCode === 0 ? 'workspace' : 'exit', changes, work.runsOnOpen);
}

function kept(
  reason: 'exit' | 'workspace' | 'unknown',
  changes: number | null,
  runsOnOpen: readonly string[],
): Settlement {
  return { kind: 'kept', reason, changes, runsOnOpen };
}
