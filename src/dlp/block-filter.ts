/**
 * Which places of a text are worth a closer look: those where four bytes stand that some rule may begin with. One
 * look-up per byte answers "no" nearly always.
 */
export interface BlockFilter {
  /** How far the hash of a block is shifted down to be an index. */
  readonly shift: number;
  /** By hash: 1 where a block of the list has it. */
  readonly slots: Uint8Array;
  /** By hash: index into the chain, or -1. */
  readonly heads: Int32Array;
  readonly chain: readonly FilterLink[];
}

interface FilterLink {
  readonly block: number;
  readonly candidates: readonly Candidate[];
  readonly next: number;
}

/** A rule whose match may begin `lead` bytes before the block. */
export interface Candidate {
  readonly rule: number;
  readonly lead: number;
}

const SLOT_BITS = 18;
const HASH = 0x9e3779b1;

const hashBlock = (block: number): number => Math.imul(block, HASH);

export function buildFilter(entries: Iterable<{ readonly block: number; readonly candidate: Candidate }>): BlockFilter {
  const byBlock = new Map<number, Candidate[]>();
  for (const { block, candidate } of entries) {
    const candidates = byBlock.get(block | 0);
    if (candidates === undefined) byBlock.set(block | 0, [candidate]);
    else candidates.push(candidate);
  }
  const shift = 32 - SLOT_BITS;
  const slots = new Uint8Array(2 ** SLOT_BITS);
  const heads = new Int32Array(2 ** SLOT_BITS).fill(-1);
  const chain: FilterLink[] = [];
  for (const [block, candidates] of byBlock) {
    const slot = hashBlock(block) >>> shift;
    slots[slot] = 1;
    heads[slot] = chain.push({ block, candidates, next: heads[slot] ?? -1 }) - 1;
  }
  return { shift, slots, heads, chain };
}

const NONE: readonly Candidate[] = [];

export function candidatesFor({ shift, heads, chain }: BlockFilter, block: number): readonly Candidate[] {
  for (let link = chain[heads[hashBlock(block) >>> shift] ?? -1]; link !== undefined; link = chain[link.next]) {
    if (link.block === block) return link.candidates;
  }
  return NONE;
}

/** The block that ends before `end`; bytes before the text are zeros, which begin nothing. */
export function blockBefore(bytes: Uint8Array, end: number): number {
  let block = 0;
  for (let at = Math.max(0, end - 4); at < end; at += 1) block = (block << 8) | (bytes[at] ?? 0);
  return block;
}

/** Where the next block that may be in the list ends (its last byte), from `from` on; -1 when there is none. */
export function nextBlock({ slots, shift }: BlockFilter, bytes: Uint8Array, from: number): number {
  const { length } = bytes;
  let block = blockBefore(bytes, from);
  for (let at = from; at < length; at += 1) {
    block = (block << 8) | (bytes[at] ?? 0);
    if (slots[Math.imul(block, HASH) >>> shift] === 1) return at;
  }
  return -1;
}
