import { entropyToMnemonic, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeedPhrases } from '../../src/dlp/seed-phrase.ts';

/** The phrases in a text that comes in these pieces, and what was let go before the first of them was found. */
function found(pieces: readonly string[]): { readonly texts: readonly string[]; readonly heldFrom: number | null } {
  const phrases = new SeedPhrases();
  const texts: string[] = [];
  let heldFrom: number | null = null;
  for (const piece of pieces) {
    phrases.push(Buffer.from(piece), ({ secret }) => texts.push(Buffer.from(secret).toString()));
    heldFrom = phrases.heldFrom;
  }
  phrases.end(({ secret }) => texts.push(Buffer.from(secret).toString()));
  return { texts, heldFrom };
}

const entropy = fc
  .constantFrom(16, 20, 24, 28, 32)
  .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
const phrase = entropy
  .map((bytes) => entropyToMnemonic(bytes, wordlist))
  .filter((text) => new Set(text.split(' ')).size > 8);

describe('the words of a wallet', () => {
  it('are found wherever they stand, and whatever stands between them', () => {
    fc.assert(
      fc.property(
        phrase,
        fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
        fc.constantFrom(' ', '\n', ', ', '","', '\\n', '. 7. ', ' | '),
        (text, before, between) => {
          const written = text.replaceAll(' ', between);
          const { texts } = found([`${before}. ${written}. ${before}`]);
          expect(texts.some((one) => one.includes(written) || written.includes(one))).toBe(true);
          expect(texts).toContain(written);
        },
      ),
    );
  });

  it('are words of the list whose checksum is right, as the library of the standard has it', () => {
    const words = fc.array(fc.constantFrom(...wordlist), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(words, (some) => {
        fc.pre(new Set(some).size > 8);
        expect(found([some.join(' ')]).texts.length).toBe(validateMnemonic(some.join(' '), wordlist) ? 1 : 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('S17 are found in any split, and held from their beginning on', () => {
    fc.assert(
      fc.property(phrase, fc.array(fc.nat(400), { maxLength: 8 }), (text, cuts) => {
        const whole = `It went like this: ${text}, and so on`;
        const places = [0, ...cuts.map((cut) => cut % whole.length), whole.length].sort((a, b) => a - b);
        const pieces = places.slice(1).map((to, index) => whole.slice(places[index], to));
        expect(found(pieces).texts.toSorted()).toEqual(found([whole]).texts.toSorted());
      }),
    );
    const text = entropyToMnemonic(new Uint8Array(16).fill(77), wordlist);
    for (let length = 12; length < text.length; length += 1) {
      expect(found([`so: ${text.slice(0, length)}`]).heldFrom, text.slice(0, length)).toBe(4);
    }
  });

  it.each([
    { text: wordlist.join('\n'), why: 'the list itself' },
    { text: `${'abandon '.repeat(11)}about`, why: 'the example of every tutorial' },
    {
      text: 'LEGAL winner thank year wave sausage worth useful legal winner thank yellow',
      why: 'eleven and a capital one',
    },
  ])('are not $why', ({ text }) => {
    expect(found([text]).texts).toEqual([]);
  });
});
