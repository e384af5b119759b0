import { assertNever } from '../../kernel/assert-never.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { membersOf } from './byte-set.ts';
import { commonnessOf, LEAST_COMMON } from './common-blocks.ts';
import { buildProgram, type Program, type Step } from './program.ts';
import type { ParsedPattern, PatternNode } from './syntax.ts';

/**
 * Where the search for a rule begins: four bytes in a row that every match has near its beginning. They are read off the
 * pattern itself, so no match can lie beside them.
 */
export interface Anchor {
  /** Each is four bytes, the first one the highest. */
  readonly blocks: readonly number[];
  /** How many bytes before the block a match may begin. */
  readonly leads: readonly number[];
}

export const BLOCK_BYTES = 4;
export const LEAD_MAX_BYTES = 64;
const BLOCKS_MAX = 8192;
/** SECURITY S17: no more than 11 characters of a match may leave, and a block's first three are among them. */
export const LEAD_FREE_BYTES = 8;

/** The place in the pattern whose four bytes are the rarest; one that comes late only when there is no earlier one. */
export function deriveAnchor({ root }: ParsedPattern): Result<Anchor, string> {
  const parts = flatten(root);
  let best: { readonly anchor: Anchor; readonly cost: number } | null = null;
  for (let from = 0; from < parts.length; from += 1) {
    const lead = parts.slice(0, from);
    const reach = lengthOf({ kind: 'sequence', parts: lead }).max;
    if (reach > (best === null ? LEAD_MAX_BYTES : LEAD_FREE_BYTES)) break;
    const most = best === null ? BLOCKS_MAX : Math.min(BLOCKS_MAX, best.cost / LEAST_COMMON);
    const blocks = blocksOf({ kind: 'sequence', parts: beginningOf(parts.slice(from)) }, most);
    if (blocks === null) continue;
    const anchor = { blocks, leads: leadsOf(lead) };
    const cost = blocks.reduce((sum, block) => sum + commonnessOf(block), 0) * anchor.leads.length;
    if (best === null || cost < best.cost) best = { anchor, cost };
  }
  return best === null
    ? err(`no ${String(BLOCK_BYTES)} characters in a row near its beginning say enough; begin it with a literal`)
    : ok(best.anchor);
}

/** As many of the parts as decide the first four bytes. */
function beginningOf(parts: readonly PatternNode[]): readonly PatternNode[] {
  const beginning: PatternNode[] = [];
  let bytes = 0;
  for (const part of parts) {
    if (bytes >= BLOCK_BYTES) break;
    bytes += lengthOf(part).min;
    beginning.push(shortened(part));
  }
  return beginning;
}

/** More repetitions than a block has bytes say nothing about it. */
function shortened(part: PatternNode): PatternNode {
  const least = part.kind === 'repeat' ? lengthOf(part.body).min : 0;
  if (part.kind !== 'repeat' || least === 0) return part;
  const enough = Math.ceil(BLOCK_BYTES / least);
  return { ...part, min: Math.min(part.min, enough), max: Math.min(part.max, enough) };
}

/** The pattern's parts in a row; groups are opened, because only places matter here. */
function flatten(node: PatternNode): readonly PatternNode[] {
  switch (node.kind) {
    case 'sequence':
      return node.parts.flatMap(flatten);
    case 'group':
      return flatten(node.body);
    case 'repeat':
      // `{2,}` is two of them and then as many as come: each may be where it begins.
      return [node];
    default:
      return [node];
  }
}

/**
 * With one class before the block and nothing before that, the shortest beginning is as good as any other: the match
 * that begins there lies in the longer one.
 */
function leadsOf(lead: readonly PatternNode[]): readonly number[] {
  const { min, max } = lengthOf({ kind: 'sequence', parts: lead });
  const [only] = lead;
  const plain = lead.length === 1 && only?.kind === 'repeat' && only.body.kind === 'byte';
  if (plain) return [min];
  return Array.from({ length: max - min + 1 }, (_, more) => min + more);
}

export function lengthOf(node: PatternNode): { readonly min: number; readonly max: number } {
  switch (node.kind) {
    case 'byte':
      return { min: 1, max: 1 };
    case 'edge':
      return { min: 0, max: 0 };
    case 'group':
      return lengthOf(node.body);
    case 'sequence': {
      const lengths = node.parts.map(lengthOf);
      return {
        min: lengths.reduce((sum, { min }) => sum + min, 0),
        max: lengths.reduce((sum, { max }) => sum + max, 0),
      };
    }
    case 'either': {
      const lengths = node.branches.map(lengthOf);
      return {
        min: Math.min(...lengths.map(({ min }) => min)),
        max: Math.max(...lengths.map(({ max }) => max)),
      };
    }
    case 'repeat': {
      const { min, max } = lengthOf(node.body);
      return { min: min * node.min, max: max === 0 || node.max === 0 ? 0 : max * node.max };
    }
    default:
      return assertNever(node);
  }
}

/** Every way to begin, or null when there are too many, or a match can be shorter than a block. */
function blocksOf(node: PatternNode, most: number): readonly number[] | null {
  if (lengthOf(node).min < BLOCK_BYTES) return null;
  const program = buildProgram({ root: node, groups: 0 });
  if (!program.ok) return null;
  return enumerate(program.value, most);
}

/** Beginnings that all go on from the same steps. */
interface Frontier {
  readonly steps: readonly number[];
  beginnings: readonly number[];
}

/** What a match can begin with, a byte at a time; null when there is too much of it. Edges are taken as they come. */
function enumerate(program: Program, most: number): readonly number[] | null {
  let frontiers: readonly Frontier[] = [{ steps: [program.start], beginnings: [0] }];
  for (let length = 0; length < BLOCK_BYTES; length += 1) {
    const following = new Map<string, Frontier>();
    for (const frontier of frontiers) if (!advance(program, frontier, following, most)) return null;
    frontiers = [...following.values()];
  }
  const blocks = new Set(frontiers.flatMap(({ beginnings }) => beginnings.map((block) => block >>> 0)));
  return blocks.size > most ? null : [...blocks];
}

/** False when there are too many beginnings. */
function advance(
  program: Program,
  { steps, beginnings }: Frontier,
  following: Map<string, Frontier>,
  most: number,
): boolean {
  const byNext = new Map<string, { readonly next: readonly number[]; readonly bytes: number[] }>();
  const nexts = new Map<number, number[]>();
  for (const { set, next } of takers(program, steps)) {
    for (const byte of membersOf(set)) {
      const known = nexts.get(byte);
      if (known === undefined) nexts.set(byte, [next]);
      else if (!known.includes(next)) known.push(next);
    }
  }
  for (const [byte, next] of nexts) {
    const key = next.join();
    const known = byNext.get(key);
    if (known === undefined) byNext.set(key, { next, bytes: [byte] });
    else known.bytes.push(byte);
  }
  for (const [key, { next, bytes }] of byNext) {
    if (beginnings.length * bytes.length > most) return false;
    const longer = beginnings.flatMap((block) => bytes.map((byte) => (block << 8) | byte));
    const known = following.get(key);
    if (known === undefined) following.set(key, { steps: next, beginnings: longer });
    else known.beginnings = [...known.beginnings, ...longer];
  }
  return true;
}

type ByteStep = Extract<Step, { readonly kind: 'byte' }>;

function takers({ steps }: Program, from: readonly number[]): readonly ByteStep[] {
  const seen = new Set<number>();
  const found: ByteStep[] = [];
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const step = steps[index];
    if (step === undefined || seen.has(index)) continue;
    seen.add(index);
    if (step.kind === 'byte') found.push(step);
    else if (step.kind === 'fork') open.push(...step.next);
    else if (step.kind !== 'end') open.push(step.next);
  }
  return found;
}
