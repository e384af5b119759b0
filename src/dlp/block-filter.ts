/**
 * Which places of a text are worth a closer look: those where four bytes stand that some rule may begin with. One
 * look-up of one bit per byte answers "no" nearly always.
 */
export interface BlockFilter {
  /** One bit per hash: set where a block of the list has it. */
  readonly bits: Uint32Array;
  /** An open-addressed table from block to entry. */
  readonly keys: Int32Array;
  /** By slot of the table: index into `candidates`, or -1. */
  readonly entries: Int32Array;
  readonly candidates: readonly (readonly Candidate[])[];
}

/** A rule whose match may begin `lead` bytes before the block. */
export interface Candidate {
  readonly rule: number;
  readonly lead: number;
}

/** 256 KiB of bits: of the built-in rules' blocks about one in a hundred other blocks shares a bit. */
const BIT_SHIFT = 11;
const HASH = 0x9e3779b1;

export function buildFilter(pairs: Iterable<{ readonly block: number; readonly candidate: Candidate }>): BlockFilter {
  const byBlock = new Map<number, Candidate[]>();
  for (const { block, candidate } of pairs) {
    const candidates = byBlock.get(block | 0);
    if (candidates === undefined) byBlock.set(block | 0, [candidate]);
    else candidates.push(candidate);
  }
  const bits = new Uint32Array(2 ** (32 - BIT_SHIFT - 5));
  let size = 16;
  while (size < byBlock.size * 4) size *= 2;
  const keys = new Int32Array(size);
  const entries = new Int32Array(size).fill(-1);
  const candidates: Candidate[][] = [];
  for (const [block, some] of byBlock) {
    const hash = Math.imul(block, HASH);
    const word = hash >>> (BIT_SHIFT + 5);
    bits[word] = (bits[word] ?? 0) | (1 << ((hash >>> BIT_SHIFT) & 31));
    let slot = slotOf(block, size);
    while (entries[slot] !== -1) slot = (slot + 1) & (size - 1);
    keys[slot] = block;
    entries[slot] = candidates.push(some) - 1;
  }
  return { bits, keys, entries, candidates };
}

const slotOf = (block: number, size: number): number => (Math.imul(block, HASH) >>> 15) & (size - 1);

const NONE: readonly Candidate[] = [];

export function candidatesFor({ keys, entries, candidates }: BlockFilter, block: number): readonly Candidate[] {
  const last = keys.length - 1;
  for (let slot = slotOf(block, keys.length); ; slot = (slot + 1) & last) {
    const entry = entries[slot] ?? -1;
    if (entry === -1) return NONE;
    if (keys[slot] === block) return candidates[entry] ?? NONE;
  }
}

/** The block that ends before `end`; bytes before the text are zeros, which begin nothing. */
export function blockBefore(bytes: Uint8Array, end: number): number {
  let block = 0;
  for (let at = Math.max(0, end - 4); at < end; at += 1) block = (block << 8) | (bytes[at] ?? 0);
  return block;
}

/** Where the next block that may be in the list ends (its last byte), from `from` on; -1 when there is none. */
export function nextBlock({ bits }: BlockFilter, bytes: Uint8Array, from: number): number {
  const { length } = bytes;
  let block = blockBefore(bytes, from);
  for (let at = from; at < length; at += 1) {
    block = (block << 8) | (bytes[at] ?? 0);
    const hash = Math.imul(block, HASH);
    if ((((bits[hash >>> (BIT_SHIFT + 5)] ?? 0) >>> ((hash >>> BIT_SHIFT) & 31)) & 1) === 1) return at;
  }
  return -1;
}

/** Whether any rule may begin anywhere in a text. */
export function holdsCandidate(filter: BlockFilter, bytes: Uint8Array): boolean {
  for (let at = nextBlock(filter, bytes, 0); at !== -1; at = nextBlock(filter, bytes, at + 1)) {
    if (candidatesFor(filter, blockBefore(bytes, at + 1)).length > 0) return true;
  }
  return false;
}
