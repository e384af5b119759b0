import { assertNever } from '../kernel/assert-never.ts';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { inRanges, type CodeRange } from './code-ranges.ts';
import { parsePattern, type PatternNode } from './regex-syntax.ts';

/**
 * Patterns of the manifest match the whole text, in time linear in it (SECURITY S22): they become an automaton with a
 * bounded number of states, and all of its states go through the text at once (Thompson 1968). There is nothing to
 * backtrack to, so no text of the agent's can make a decision slow.
 */
export interface Pattern {
  test(text: string): boolean;
}

export function compilePattern(source: string): Result<Pattern, string> {
  const parsed = parsePattern(source);
  if (!parsed.ok) return parsed;
  if (sizeOf(parsed.value) > LIMITS.patternStates) {
    return err(`a pattern of more than ${String(LIMITS.patternStates)} steps; use smaller counts`);
  }
  const automaton = build(parsed.value);
  return ok({ test: (text) => run(automaton, text) });
}

/** `fork` and `edge` consume nothing; `take` consumes one code point. */
type State =
  | { readonly kind: 'take'; readonly ranges: readonly CodeRange[]; readonly next: number }
  | { readonly kind: 'edge'; readonly edge: 'start' | 'end'; readonly next: number }
  | { readonly kind: 'fork'; readonly next: readonly number[] }
  | { readonly kind: 'end' };

interface Automaton {
  readonly states: readonly State[];
  readonly start: number;
}

/** At least the number of states that `build` makes, reckoned without making them: counts in counts multiply. */
function sizeOf(node: PatternNode): number {
  switch (node.kind) {
    case 'take':
    case 'edge':
      return 1;
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + sizeOf(part), 1);
    case 'either':
      return node.branches.reduce((sum, branch) => sum + sizeOf(branch), 1);
    case 'repeat': {
      const copies = node.max === Infinity ? node.min + 1 : node.max;
      return copies * (sizeOf(node.body) + 1) + 1;
    }
    default:
      return assertNever(node);
  }
}

function build(root: PatternNode): Automaton {
  const states: State[] = [{ kind: 'end' }];
  const add = (state: State): number => states.push(state) - 1;

  /** Makes the states of `node`, which go on to `next`; gives the first of them. */
  const make = (node: PatternNode, next: number): number => {
    switch (node.kind) {
      case 'take':
        return add({ kind: 'take', ranges: node.ranges, next });
      case 'edge':
        return add({ kind: 'edge', edge: node.edge, next });
      case 'sequence':
        return node.parts.reduceRight((following, part) => make(part, following), next);
      case 'either':
        return add({ kind: 'fork', next: node.branches.map((branch) => make(branch, next)) });
      case 'repeat':
        return makeRepeat(node, next);
      default:
        return assertNever(node);
    }
  };
  const makeRepeat = ({ body, min, max }: Extract<PatternNode, { kind: 'repeat' }>, next: number): number => {
    let first = next;
    if (max === Infinity) {
      const exits = [next];
      first = add({ kind: 'fork', next: exits });
      exits.unshift(make(body, first));
    } else {
      for (let copy = min; copy < max; copy += 1) first = add({ kind: 'fork', next: [make(body, first), next] });
    }
    for (let copy = 0; copy < min; copy += 1) first = make(body, first);
    return first;
  };
  const start = make(root, 0);
  return { states, start };
}

function run({ states, start }: Automaton, text: string): boolean {
  const seenAt = new Int32Array(states.length).fill(-1);
  /** Every consuming state that `from` leads to at this place of the text; each is visited once per place. */
  const reach = (from: readonly number[], place: number): readonly State[] => {
    const reached: State[] = [];
    const open = [...from];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const state = states[index];
      if (state === undefined || seenAt[index] === place) continue;
      seenAt[index] = place;
      if (state.kind === 'fork') open.push(...state.next);
      else if (state.kind !== 'edge') reached.push(state);
      else if (state.edge === 'start' ? place === 0 : place === text.length) open.push(state.next);
    }
    return reached;
  };
  let active = reach([start], 0);
  let place = 0;
  while (place < text.length && active.length > 0) {
    const code = text.codePointAt(place) ?? 0;
    place += code > 0xffff ? 2 : 1;
    const taken = active.flatMap((state) =>
      state.kind === 'take' && inRanges(state.ranges, code) ? [state.next] : [],
    );
    active = reach(taken, place);
  }
  return place === text.length && active.some(({ kind }) => kind === 'end');
}
