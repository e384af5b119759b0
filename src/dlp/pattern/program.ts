import { assertNever } from '../../kernel/assert-never.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { isWordByte, type ByteSet } from './byte-set.ts';
import type { Edge, ParsedPattern, PatternNode } from './syntax.ts';

/** One step of a pattern's automaton (Thompson 1968); numbers are indexes of steps. */
export type Step =
  | { readonly kind: 'byte'; readonly set: ByteSet; readonly next: number }
  | { readonly kind: 'edge'; readonly edge: Edge; readonly next: number }
  /** In order of preference. */
  | { readonly kind: 'fork'; readonly next: readonly number[] }
  | { readonly kind: 'save'; readonly slot: number; readonly next: number }
  | { readonly kind: 'end' };

export interface Program {
  readonly steps: readonly Step[];
  readonly start: number;
  readonly groups: number;
}

/** Whether a program may be built of it. */
export function checkSize(root: PatternNode): Result<PatternNode, string> {
  if (sizeOf(root) <= LIMITS.ruleSteps) return ok(root);
  return err(`a pattern of more than ${String(LIMITS.ruleSteps)} steps; use smaller counts`);
}

/** Step 0 is the end. */
export function buildProgram({ root, groups }: ParsedPattern): Result<Program, string> {
  const size = checkSize(root);
  if (!size.ok) return size;
  const builder = new Builder();
  const start = builder.make(root, 0);
  return ok({ steps: builder.steps, start, groups });
}

/** At least the number of steps that the builder makes, reckoned without making them: counts in counts multiply. */
function sizeOf(node: PatternNode): number {
  switch (node.kind) {
    case 'byte':
    case 'edge':
      return 1;
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + sizeOf(part), 0);
    case 'either':
      return node.branches.reduce((sum, branch) => sum + sizeOf(branch), 1);
    case 'repeat': {
      const copies = node.max === Infinity ? Math.max(1, node.min) : node.max;
      return copies * (sizeOf(node.body) + 1) + 1;
    }
    case 'group':
      return sizeOf(node.body) + 2;
    default:
      return assertNever(node);
  }
}

class Builder {
  readonly steps: Step[] = [{ kind: 'end' }];

  /** Makes the steps of `node`, which go on to `next`; gives the first of them. */
  make(node: PatternNode, next: number): number {
    switch (node.kind) {
      case 'byte':
        return this.#add({ kind: 'byte', set: node.set, next });
      case 'edge':
        return this.#add({ kind: 'edge', edge: node.edge, next });
      case 'sequence':
        return node.parts.reduceRight((following, part) => this.make(part, following), next);
      case 'either':
        return this.#add({ kind: 'fork', next: node.branches.map((branch) => this.make(branch, next)) });
      case 'repeat':
        return this.#makeRepeat(node, next);
      case 'group': {
        const closing = this.#add({ kind: 'save', slot: node.index * 2 + 1, next });
        return this.#add({ kind: 'save', slot: node.index * 2, next: this.make(node.body, closing) });
      }
      default:
        return assertNever(node);
    }
  }

  #makeRepeat({ body, min, max, greedy }: Extract<PatternNode, { readonly kind: 'repeat' }>, next: number): number {
    const ordered = (inner: number, exit: number): readonly number[] => (greedy ? [inner, exit] : [exit, inner]);
    let first = next;
    let copies = min;
    if (max === Infinity) {
      const ways: number[] = [];
      const again = this.#add({ kind: 'fork', next: ways });
      const last = this.make(body, again);
      ways.push(...ordered(last, next));
      // Of those that must be there the last one is the one that goes round.
      first = min === 0 ? again : last;
      copies = Math.max(0, min - 1);
    } else {
      for (let copy = min; copy < max; copy += 1) {
        first = this.#add({ kind: 'fork', next: ordered(this.make(body, first), next) });
      }
    }
    for (let copy = 0; copy < copies; copy += 1) first = this.make(body, first);
    return first;
  }

  #add(step: Step): number {
    return this.steps.push(step) - 1;
  }
}

/** What stands on both sides of a place in the text; -1 is its beginning or end. */
export interface Place {
  readonly before: number;
  readonly after: number;
}

export function holdsAt(edge: Edge, { before, after }: Place): boolean {
  switch (edge) {
    case 'start':
      return before === -1;
    case 'end':
      return after === -1;
    case 'word':
      return isWordByte(before) !== isWordByte(after);
    case 'inside':
      return isWordByte(before) === isWordByte(after);
    default:
      return assertNever(edge);
  }
}

/** Steps that take a byte, or end, to which `from` leads at a place without taking one. */
export function reach({ steps }: Program, from: readonly number[], place: Place): readonly number[] {
  const seen = new Set<number>();
  const reached: number[] = [];
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const step = steps[index];
    if (step === undefined || seen.has(index)) continue;
    seen.add(index);
    if (step.kind === 'fork') open.push(...step.next);
    else if (step.kind === 'save') open.push(step.next);
    else if (step.kind !== 'edge') reached.push(index);
    else if (holdsAt(step.edge, place)) open.push(step.next);
  }
  return reached;
}
