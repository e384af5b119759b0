import { holdsAt, type Program } from './program.ts';

export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the groups of a pattern lie in a text that it matches from end to end, by the pattern's own order of preference
 * (Pike's virtual machine): one pass, every step at most once per byte. Null for a group that took no part. `bytes` may
 * go on beyond the match on both sides, so that edges see what stands there.
 */
export function groupSpans(program: Program, bytes: Uint8Array, match: Span): readonly (Span | null)[] {
  const slots = (program.groups + 1) * 2;
  let threads = new Map<number, readonly number[]>();
  follow(program, threads, program.start, new Array<number>(slots).fill(-1), bytes, match.start);
  for (let at = match.start; at < match.end; at += 1) {
    const following = new Map<number, readonly number[]>();
    for (const [index, saved] of threads) {
      const step = program.steps[index];
      if (step?.kind === 'byte' && step.set[bytes[at] ?? 0] === 1) {
        follow(program, following, step.next, saved, bytes, at + 1);
      }
    }
    threads = following;
  }
  const saved = threads.get(END) ?? [];
  return Array.from({ length: program.groups + 1 }, (_, group) => {
    if (group === 0) return match;
    const [start = -1, end = -1] = saved.slice(group * 2, group * 2 + 2);
    return start === -1 || end === -1 ? null : { start, end };
  });
}

/** `buildProgram` puts it there. */
const END = 0;

/** Adds the steps that `from` leads to, the preferred ones first; one that is there already was preferred. */
function follow(
  program: Program,
  threads: Map<number, readonly number[]>,
  from: number,
  saved: readonly number[],
  bytes: Uint8Array,
  at: number,
): void {
  const place = { before: bytes[at - 1] ?? -1, after: bytes[at] ?? -1 };
  const visited = new Set<number>();
  const open: { readonly index: number; readonly saved: readonly number[] }[] = [{ index: from, saved }];
  for (let thread = open.pop(); thread !== undefined; thread = open.pop()) {
    const { index } = thread;
    const step = program.steps[index];
    if (step === undefined || visited.has(index)) continue;
    visited.add(index);
    if (step.kind === 'fork') {
      for (const next of step.next.toReversed()) open.push({ index: next, saved: thread.saved });
    } else if (step.kind === 'save') {
      open.push({ index: step.next, saved: thread.saved.with(step.slot, at) });
    } else if (step.kind === 'edge') {
      if (holdsAt(step.edge, place)) open.push({ index: step.next, saved: thread.saved });
    } else if (!threads.has(index)) threads.set(index, thread.saved);
  }
}
