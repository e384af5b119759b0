import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildMatcher, findMatches, openSuffix, type Pattern } from '../../src/dlp/block-shift.ts';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const pattern = (text: string, foldCase = false): Pattern => ({ bytes: bytesOf(text), foldCase });
const folded = (text: string): string => text.replace(/[A-F]/g, (letter) => letter.toLowerCase());

function found(patterns: readonly Pattern[], text: string, after = 0): readonly string[] {
  const matches: string[] = [];
  findMatches(buildMatcher(patterns), bytesOf(text), after, (index, start, end) => {
    matches.push([index, start, end].join());
  });
  return matches.sort();
}

function slowlyFound(patterns: readonly Pattern[], text: string, after: number): readonly string[] {
  return patterns
    .flatMap(({ bytes, foldCase }, index) => {
      const wanted = Buffer.from(bytes).toString('latin1');
      const searched = foldCase ? folded(text) : text;
      return Array.from({ length: text.length }, (_, start) => ({ index, start, end: start + wanted.length })).filter(
        ({ start, end }) => end > after && searched.startsWith(wanted, start),
      );
    })
    .map(({ index, start, end }) => [index, start, end].join())
    .sort();
}

/** Few letters, so that patterns overlap, contain each other and nearly match all the time. */
const words = (alphabet: string, min: number, max: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...Array.from(alphabet)), { minLength: min, maxLength: max }).map((list) => list.join(''));
const patterns = fc.array(
  fc.oneof(
    words('ab', 1, 12).map((text) => pattern(text)),
    words('ab3', 1, 12).map((text) => pattern(text, true)),
    words('abcAB3', 3, 30).map((text) => pattern(text)),
  ),
  { minLength: 1, maxLength: 6 },
);

describe('the block-shift matcher', () => {
  it('finds what a search one by one finds', () => {
    fc.assert(
      fc.property(patterns, words('abABc3', 0, 80), fc.nat(20), (list, text, after) => {
        expect(found(list, text, after)).toEqual(slowlyFound(list, text, after));
      }),
      { numRuns: 3000 },
    );
  });

  it('finds patterns that are cut out of the text', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 40, maxLength: 400 }),
        fc.array(fc.nat(360), { minLength: 1 }),
        (bytes, cuts) => {
          const text = Buffer.from(bytes).toString('latin1');
          const list = cuts.map((at) =>
            pattern(text.slice(at % (text.length - 8), (at % (text.length - 8)) + 8 + (at % 40))),
          );
          expect(found(list, text)).toEqual(slowlyFound(list, text, 0));
        },
      ),
    );
  });

  it('holds the longest end that a pattern can continue, and no more', () => {
    fc.assert(
      fc.property(patterns, words('abABc3', 0, 40), (list, text) => {
        const lengths = Array.from({ length: text.length }, (_, index) => text.length - index);
        const open = lengths.find((length) =>
          list.some(({ bytes, foldCase }) => {
            const ending = text.slice(text.length - length);
            const wanted = Buffer.from(bytes).toString('latin1');
            return wanted.length > length && wanted.startsWith(foldCase ? folded(ending) : ending);
          }),
        );
        expect(openSuffix(buildMatcher(list), bytesOf(text))).toBe(open ?? 0);
      }),
      { numRuns: 3000 },
    );
  });

  it('looks for keys by what they do not share', () => {
    const armour = '-----BEGIN PRIVATE KEY-----';
    const keys = ['Zq83hd7Wm2pX', 'Tn9cVb7Kx2Lq', 'Rd1Yz6M8Ws5q'].map((key) => pattern(`${armour}${key}`));
    const { blocks } = buildMatcher([pattern('0123456789'), ...keys]);
    expect(blocks?.window).toBe(10);
    for (const offset of blocks?.offsets.slice(1) ?? []) expect(offset + 10).toBeGreaterThan(armour.length + 3);
  });

  it('without patterns finds nothing and holds nothing', () => {
    expect(found([], 'anything')).toEqual([]);
    expect(openSuffix(buildMatcher([]), bytesOf('anything'))).toBe(0);
  });
});
