/** Sets of code points, as the classes of a pattern name them; both ends belong to a range. */
export type CodeRange = readonly [low: number, high: number];

const LAST = 0x10ffff;

/** ECMA-262 section 22.2.2.9, without the case folding that nobody asks for. */
export const DIGITS: readonly CodeRange[] = [[0x30, 0x39]];
export const WORDS: readonly CodeRange[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
export const SPACES: readonly CodeRange[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];

export function complement(ranges: readonly CodeRange[]): readonly CodeRange[] {
  const result: CodeRange[] = [];
  let free = 0;
  for (const [low, high] of ranges.toSorted((left, right) => left[0] - right[0])) {
    if (low > free) result.push([free, low - 1]);
    free = Math.max(free, high + 1);
  }
  if (free <= LAST) result.push([free, LAST]);
  return result;
}

export function inRanges(ranges: readonly CodeRange[], code: number): boolean {
  return ranges.some(([low, high]) => code >= low && code <= high);
}
