import os from 'node:os';
import type { AgentExit } from '../../ports/backend.ts';

const SIGNAL_BASE = 128;

/** bubblewrap passes an exit code on, and a signal as 128 and its number, as shells do. */
export function agentExit({
  code,
  signal,
}: {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}): Omit<AgentExit, 'reached'> {
  if (signal !== null) return { exitCode: SIGNAL_BASE + os.constants.signals[signal], signal };
  const exitCode = code ?? 1;
  const byNumber = Object.entries(os.constants.signals).find(([, number]) => number === exitCode - SIGNAL_BASE);
  return { exitCode, signal: byNumber?.[0] ?? null };
}
