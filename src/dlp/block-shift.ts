/**
 * A multi-pattern matcher after Wu and Manber (1994): it looks at three bytes at a time and, by a table, skips as far as
 * no pattern could have ended. Its memory is the patterns and one table, its speed hardly depends on their number.
 * It works on one contiguous buffer; `view.ts` makes a stream of it by keeping what `openSuffix` says.
 */
export interface Pattern {
  readonly bytes: Uint8Array;
  /** Bytes are lower-case hex and also match their upper case. */
  readonly foldCase: boolean;
}

export interface Matcher {
  readonly patterns: readonly Pattern[];
  readonly longest: number;
  readonly blocks: BlockTables | null;
  /** Indexes of the patterns shorter than a block: looked for one by one. */
  readonly short: readonly number[];
  /** Which first blocks there are, by hash: most places in a text begin no pattern at all. */
  readonly openings: Uint8Array;
  /** Distinct patterns in byte order, for the question "does any begin with this?" */
  readonly sortedExact: readonly Uint8Array[];
  readonly sortedFolded: readonly Uint8Array[];
}

interface BlockTables {
  /** Every pattern is found by a part of it, this long: its window. */
  readonly window: number;
  /** How far the hash is shifted down to be an index. */
  readonly hashShift: number;
  /** By hash of the last three bytes: how far the window may move on without passing a match; 0 = look closer. */
  readonly shifts: Uint8Array;
  /** By hash: index into the chain of patterns whose window ends with such a block, or -1. */
  readonly heads: Int32Array;
  readonly chainPattern: readonly number[];
  readonly chainNext: readonly number[];
  /** By pattern: where its window begins in it. */
  readonly offsets: Int32Array;
}

const BLOCK = 3;
const OPENING_BITS = 16;
const TABLE_BITS = { least: 12, most: 18 } as const;
/** Candidates for a pattern's window; enough to get past the armour that keys of one kind share. */
const WINDOW_CANDIDATES = 256;
const LARGEST_SHIFT = 255;

export function buildMatcher(patterns: readonly Pattern[]): Matcher {
  const indexes = patterns.map((_, index) => index);
  const sized = indexes.filter((index) => lengthOf(patterns, index) >= BLOCK);
  return {
    patterns,
    longest: patterns.reduce((most, { bytes }) => Math.max(most, bytes.length), 0),
    blocks: sized.length === 0 ? null : buildTables(patterns, sized),
    short: indexes.filter((index) => lengthOf(patterns, index) < BLOCK),
    openings: buildOpenings(patterns),
    sortedExact: sortPatterns(patterns.filter(({ foldCase }) => !foldCase)),
    sortedFolded: sortPatterns(patterns.filter(({ foldCase }) => foldCase)),
  };
}

const lengthOf = (patterns: readonly Pattern[], index: number): number => patterns[index]?.bytes.length ?? 0;

/** A multiplicative hash: its upper bits depend on all three bytes. */
const hashBlock = (first: number, second: number, third: number): number =>
  Math.imul(first | (second << 8) | (third << 16), 0x9e3779b1);

/** The hashes of the block that begins at `at`: one, or one for each way to write its letters. */
function blockHashes({ bytes, foldCase }: Pattern, at: number): readonly number[] {
  const spellings = [0, 1, 2].map((step) => {
    const byte = bytes[at + step] ?? 0;
    return foldCase && isLowerHexLetter(byte) ? [byte, byte - 32] : [byte];
  });
  const [firsts = [], seconds = [], thirds = []] = spellings;
  return firsts.flatMap((first) => seconds.flatMap((second) => thirds.map((third) => hashBlock(first, second, third))));
}

function buildTables(patterns: readonly Pattern[], sized: readonly number[]): BlockTables {
  const window = Math.min(...sized.map((index) => lengthOf(patterns, index)), LARGEST_SHIFT + BLOCK - 1);
  const wantedBits = Math.ceil(Math.log2(sized.length * (window - BLOCK + 1) * 8));
  const hashShift = 32 - Math.min(TABLE_BITS.most, Math.max(TABLE_BITS.least, wantedBits));
  const size = 2 ** (32 - hashShift);
  const heads = new Int32Array(size).fill(-1);
  const shifts = new Uint8Array(size).fill(window - BLOCK + 1);
  const chainPattern: number[] = [];
  const chainNext: number[] = [];
  const offsets = new Int32Array(patterns.length);
  const usage = countWindowEnds(patterns, window, hashShift);
  for (const index of sized) {
    const pattern = patterns[index];
    if (pattern === undefined) continue;
    const offset = chooseWindow(pattern, window, (hash) => usage[hash >>> hashShift] ?? 0);
    offsets[index] = offset;
    for (let at = 0; at + BLOCK <= window; at += 1) {
      const shift = window - BLOCK - at;
      for (const hash of blockHashes(pattern, offset + at)) {
        const slot = hash >>> hashShift;
        shifts[slot] = Math.min(shifts[slot] ?? 0, shift);
        const alreadyIn = chainPattern[heads[slot] ?? -1] === index;
        if (shift > 0 || alreadyIn) continue;
        chainNext.push(heads[slot] ?? -1);
        heads[slot] = chainPattern.push(index) - 1;
      }
    }
  }
  return { window, hashShift, shifts, heads, chainPattern, chainNext, offsets };
}

/** By hash: in how many places of all patterns a window could end with such a block. */
function countWindowEnds(patterns: readonly Pattern[], window: number, hashShift: number): Uint32Array {
  const usage = new Uint32Array(2 ** (32 - hashShift));
  for (const pattern of patterns) {
    for (let offset = 0; offset <= lastOffset(pattern, window); offset += 1) {
      for (const hash of blockHashes(pattern, offset + window - BLOCK)) {
        usage[hash >>> hashShift] = (usage[hash >>> hashShift] ?? 0) + 1;
      }
    }
  }
  return usage;
}

const lastOffset = ({ bytes }: Pattern, window: number): number => Math.min(bytes.length - window, WINDOW_CANDIDATES);

/**
 * The part of the pattern that ends with its rarest block, the last such: what keys have in common, and everybody
 * knows, stands at their beginning and finds none of them.
 */
function chooseWindow(pattern: Pattern, window: number, usageOf: (hash: number) => number): number {
  let best = 0;
  let rarest = Number.POSITIVE_INFINITY;
  for (let offset = 0; offset <= lastOffset(pattern, window); offset += 1) {
    const usage = blockHashes(pattern, offset + window - BLOCK).reduce((sum, hash) => sum + usageOf(hash), 0);
    if (usage <= rarest) {
      rarest = usage;
      best = offset;
    }
  }
  return best;
}

function buildOpenings(patterns: readonly Pattern[]): Uint8Array {
  const openings = new Uint8Array(2 ** OPENING_BITS);
  for (const pattern of patterns) {
    if (pattern.bytes.length <= BLOCK) continue;
    for (const hash of blockHashes(pattern, 0)) openings[hash >>> (32 - OPENING_BITS)] = 1;
  }
  return openings;
}

function sortPatterns(patterns: readonly Pattern[]): readonly Uint8Array[] {
  return patterns.map(({ bytes }) => bytes).sort(compareBytes);
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export type OnMatch = (pattern: number, start: number, end: number) => void;

/** Every occurrence of every pattern that lies in `bytes` and ends after `after`, in no promised order. */
export function findMatches(matcher: Matcher, bytes: Uint8Array, after: number, onMatch: OnMatch): void {
  for (const index of matcher.short) findShort(matcher, index, bytes, after, onMatch);
  if (matcher.blocks === null) return;
  // Locals, because the engine keeps those in registers.
  const { window, hashShift, shifts } = matcher.blocks;
  const length = bytes.length;
  for (let at = window - 1; at < length;) {
    const block = (bytes[at - 2] ?? 0) | ((bytes[at - 1] ?? 0) << 8) | ((bytes[at] ?? 0) << 16);
    const slot = Math.imul(block, 0x9e3779b1) >>> hashShift;
    const shift = shifts[slot] ?? 0;
    if (shift === 0) {
      verify(matcher, matcher.blocks, slot, bytes, at, after, onMatch);
      at += 1;
    } else {
      at += shift;
    }
  }
}

/** A window ends at `at` with a block that some patterns' windows end with: which of them really stand there? */
function verify(
  { patterns }: Matcher,
  { window, heads, chainPattern, chainNext, offsets }: BlockTables,
  slot: number,
  bytes: Uint8Array,
  at: number,
  after: number,
  onMatch: OnMatch,
): void {
  for (let link = heads[slot] ?? -1; link !== -1; link = chainNext[link] ?? -1) {
    const index = chainPattern[link] ?? 0;
    const pattern = patterns[index];
    if (pattern === undefined) continue;
    const start = at - window + 1 - (offsets[index] ?? 0);
    const end = start + pattern.bytes.length;
    if (start >= 0 && end > after && end <= bytes.length && standsAt(pattern, bytes, start)) onMatch(index, start, end);
  }
}

function standsAt({ bytes: wanted, foldCase }: Pattern, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < wanted.length; index += 1) {
    const byte = bytes[start + index] ?? 0;
    if ((foldCase ? lowerHex(byte) : byte) !== wanted[index]) return false;
  }
  return true;
}

function findShort(matcher: Matcher, index: number, bytes: Uint8Array, after: number, onMatch: OnMatch): void {
  const pattern = matcher.patterns[index];
  if (pattern === undefined || pattern.bytes.length === 0) return;
  const { length } = pattern.bytes;
  for (let start = Math.max(0, after - length + 1); start + length <= bytes.length; start += 1) {
    if (standsAt(pattern, bytes, start)) onMatch(index, start, start + length);
  }
}

/** How many of the last bytes may be the beginning of a match that is not complete yet. */
export function openSuffix(matcher: Matcher, bytes: Uint8Array): number {
  const { length } = bytes;
  for (let from = Math.max(0, length - matcher.longest + 1); from < length; from += 1) {
    if (from + BLOCK <= length) {
      const hash = hashBlock(bytes[from] ?? 0, bytes[from + 1] ?? 0, bytes[from + 2] ?? 0);
      if (matcher.openings[hash >>> (32 - OPENING_BITS)] === 0) continue;
    }
    if (anyContinues(matcher.sortedExact, bytes, from, false)) return length - from;
    if (anyContinues(matcher.sortedFolded, bytes, from, true)) return length - from;
  }
  return 0;
}

/** Whether any of the sorted patterns begins with all bytes after `from` and goes on after them. */
function anyContinues(sorted: readonly Uint8Array[], bytes: Uint8Array, from: number, foldCase: boolean): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const candidate = sorted[middle];
    if (candidate === undefined || compareWithEnding(candidate, bytes, from, foldCase) <= 0) low = middle + 1;
    else high = middle;
  }
  // The first pattern that comes after the ending itself: those that continue it come before all others.
  const next = sorted[low];
  return next !== undefined && compareWithEnding(next, bytes, from, foldCase) === CONTINUES;
}

const CONTINUES = 1000;

/** Negative, 0 or positive as the pattern stands before, at or after the ending in byte order. */
function compareWithEnding(pattern: Uint8Array, bytes: Uint8Array, from: number, foldCase: boolean): number {
  const ending = bytes.length - from;
  const shared = Math.min(pattern.length, ending);
  for (let index = 0; index < shared; index += 1) {
    const byte = bytes[from + index] ?? 0;
    const difference = (pattern[index] ?? 0) - (foldCase ? lowerHex(byte) : byte);
    if (difference !== 0) return difference;
  }
  if (pattern.length > ending) return CONTINUES;
  return pattern.length - ending;
}

const isLowerHexLetter = (byte: number): boolean => byte >= 97 && byte <= 102;
const lowerHex = (byte: number): number => (byte >= 65 && byte <= 70 ? byte + 32 : byte);
