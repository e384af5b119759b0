import assert from 'node:assert/strict';
import { PercentDecoder } from '../../../src/dlp/percent-decoder.ts';
import { endsOf, segmentOf } from '../../../src/dlp/segment.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

/** Decoding once: as an expression does it, whatever the split, and each byte knows where in the input it ends. */
export const percentEscapes: FuzzTarget = {
  name: 'percent-escapes',
  corpus: ['plain', 'a%41b%4', '%25%34%31', '%%41', '%zz%4g%', '%e4%f6%FC+%2B'],
  dictionary: ['%', '%4', '%41', '%25', '%2', '%%', '%g', 'F', '0'],
  iterations: 4000,
  check(input, random) {
    const whole = decode([input]);
    assert.deepEqual(decode(cutInto(input, randomCuts(input.length, random))), whole, 'a split changes the outcome');
    const text = Buffer.from(input).toString('latin1');
    assert.equal(
      whole.text,
      text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    );
    assert.equal(whole.ends.at(-1) ?? 0, input.length);
  },
};

function decode(blocks: readonly Uint8Array[]): { readonly text: string; readonly ends: readonly number[] } {
  const decoder = new PercentDecoder();
  let at = 0;
  let text = '';
  const ends: number[] = [];
  const segments = blocks.map((block) => {
    at += block.length;
    return decoder.push(segmentOf(block, at - block.length));
  });
  for (const segment of [...segments, decoder.flush()]) {
    text += Buffer.from(segment.bytes).toString('latin1');
    ends.push(...endsOf(segment));
  }
  return { text, ends };
}
