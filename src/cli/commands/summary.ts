import { reachedText } from '../../policy/resources.ts';
import type { SessionResult } from './session.ts';

/** What happened, and what to do with the work (UX "After it"). */
export function summary(result: SessionResult, name: string = result.slug): string {
  const { allow, deny } = result.decisions;
  const lines = [
    `${name} ended (exit ${String(result.exit.exitCode)}) after ${duration(result.elapsedMs)} · ` +
      `${plural(allow, 'request')} allowed, ${String(deny)} refused`,
  ];
  lines.push(...limitLines(result), ...workLines(result));
  return lines.join('\n');
}

/** Why something in the bottle was ended or refused that the agent may not know the reason of. */
export function limitLines({ exit }: Pick<SessionResult, 'exit'>): readonly string[] {
  return exit.reached.map((reached) => `  ${reachedText(reached)}`);
}

/** REFERENCE 4: `{slug, exitCode, preserved, branches, decisions, proposals}`, the last line of stdout. */
export function jsonResult(result: SessionResult): Record<string, unknown> {
  const preserved = result.settlement.kind === 'kept';
  return {
    slug: result.slug,
    exitCode: result.exit.exitCode,
    preserved,
    branches: [],
    decisions: result.decisions,
    proposals: [],
    limitsReached: result.exit.reached.map((reached) => ({ ...reached, text: reachedText(reached) })),
    runsOnOpen: result.settlement.kind === 'unchanged' ? [] : result.settlement.runsOnOpen,
    stateDirectory: preserved ? result.stateDirectory : null,
  };
}

/** What is to be done with the work, as commands. */
function workLines({ settlement, slug }: SessionResult): readonly string[] {
  if (settlement.kind === 'unchanged') return [];
  const opened = settlement.runsOnOpen;
  const shown = [...opened.slice(0, 3), ...(opened.length > 3 ? [`${String(opened.length - 3)} more`] : [])].join(', ');
  const unasked =
    opened.length === 0
      ? []
      : [`  files that tools run unasked, changed: ${shown}  (bot-bottle diff ${slug} --runs-on-open)`];
  if (settlement.kind === 'delivered') return unasked;
  const resume = `bot-bottle resume ${slug}`;
  if (settlement.changes === 0) return [...unasked, `  nothing was changed; go on with it:  ${resume}`];
  const count =
    settlement.changes === null ? 'could not be looked at' : `differs (${plural(settlement.changes, 'change')})`;
  return [...unasked, `  workspace ${count} and was not delivered:  bot-bottle deliver ${slug}   or   ${resume}`];
}

function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${String(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${String(minutes)} min` : `${String(Math.round(minutes / 60))} h`;
}
