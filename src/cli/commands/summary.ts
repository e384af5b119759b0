import type { SessionResult } from './session.ts';

/** What happened, and what to do with the work (UX "After it"). */
export function summary(result: SessionResult, name: string = result.slug): string {
  const { allow, deny } = result.decisions;
  const lines = [
    `${name} ended (exit ${String(result.exit.exitCode)}) after ${duration(result.elapsedMs)} · ` +
      `${plural(allow, 'request')} allowed, ${String(deny)} refused`,
  ];
  if (result.settlement.kind === 'kept') {
    lines.push(`  its work is kept in ${result.stateDirectory}/workspace; treat it as somebody else's`);
  }
  return lines.join('\n');
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
    stateDirectory: preserved ? result.stateDirectory : null,
  };
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
