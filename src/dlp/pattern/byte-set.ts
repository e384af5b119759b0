/** Sets of bytes, as the classes of a rule's pattern name them: one 0 or 1 per byte. */
export type ByteSet = Uint8Array;

const BYTES = 256;

/** From pairs of characters, both ends included: `setOf('azAZ09')`. */
export function setOf(pairs: string): ByteSet {
  const set = new Uint8Array(BYTES);
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    set.fill(1, pairs.charCodeAt(index), pairs.charCodeAt(index + 1) + 1);
  }
  return set;
}

/** RE2's classes, which are ASCII's whatever the text: https://github.com/google/re2/wiki/Syntax */
export const DIGITS = setOf('09');
export const WORDS = setOf('09AZ__az');
export const SPACES = setOf('\t\n\f\r  ');
export const POSIX: Readonly<Record<string, ByteSet>> = {
  alnum: setOf('09AZaz'),
  alpha: setOf('AZaz'),
  ascii: setOf('\0\x7f'),
  blank: setOf('\t\t  '),
  cntrl: setOf('\0\x1f\x7f\x7f'),
  digit: DIGITS,
  graph: setOf('!~'),
  lower: setOf('az'),
  print: setOf(' ~'),
  punct: setOf('!/:@[`{~'),
  space: setOf('\t\r  '),
  upper: setOf('AZ'),
  word: WORDS,
  xdigit: setOf('09AFaf'),
};

export const isWordByte = (byte: number): boolean => WORDS[byte] === 1;

export function complement(set: ByteSet): ByteSet {
  return set.map((inside) => 1 - inside);
}

export function union(sets: readonly ByteSet[]): ByteSet {
  const all = new Uint8Array(BYTES);
  for (const set of sets) for (let byte = 0; byte < BYTES; byte += 1) if (set[byte] === 1) all[byte] = 1;
  return all;
}

/** With every letter in both cases. */
export function foldCase(set: ByteSet): ByteSet {
  const folded = set.slice();
  for (let upper = 65; upper <= 90; upper += 1) {
    const inside = set[upper] === 1 || set[upper + 32] === 1 ? 1 : 0;
    folded[upper] = inside;
    folded[upper + 32] = inside;
  }
  return folded;
}

const members = new WeakMap<ByteSet, readonly number[]>();

/** Sets never change once they are made, so their members are counted once. */
export function membersOf(set: ByteSet): readonly number[] {
  const known = members.get(set);
  if (known !== undefined) return known;
  const found: number[] = [];
  for (let byte = 0; byte < BYTES; byte += 1) if (set[byte] === 1) found.push(byte);
  members.set(set, found);
  return found;
}
