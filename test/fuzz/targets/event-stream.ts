import assert from 'node:assert/strict';
import { scanText } from '../../../src/dlp/known-values.ts';
import { BodyMasker, buildMask } from '../../../src/dlp/mask.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

const SECRET = 'Zq83hd7Wm2pXv91LtR5k';
const mask = buildMask([{ name: 'KEY', value: SECRET }]);
const ESCAPED = encodeURIComponent(SECRET.replace('Z', '+'));
const FORMS = [
  SECRET,
  ESCAPED,
  Buffer.from(SECRET).toString('base64'),
  Buffer.from(SECRET).toString('hex'),
  Array.from(SECRET, (character) => `%${character.charCodeAt(0).toString(16)}`).join(''),
];

/**
 * Events in which a credential may be echoed: any split gives the same, not a byte more or less, nothing of the value,
 * and an event that has ended is not kept back.
 */
export const eventStream: FuzzTarget = {
  name: 'event-stream',
  corpus: [
    'data: one\n\ndata: two\n\n',
    `id: 1\nevent: message\ndata: {"token":"${SECRET}"}\n\n:\n\n`,
    `data: ${SECRET.slice(0, 10)}\n\ndata: ${SECRET.slice(10)}\n\n`,
    `retry: 10\r\ndata: ${SECRET.slice(0, 7)}\r\n\r\n`,
    ...FORMS.map((form) => `data: ${form}\n\n`),
  ],
  dictionary: [
    '\n',
    '\n\n',
    '\r\n\r\n',
    '\r',
    'data:',
    'data: ',
    ':',
    '\xef\xbb\xbf',
    '%',
    SECRET.slice(3, 11),
    ...FORMS,
  ],
  iterations: 2000,
  check(input, random) {
    const whole = masked([input]);
    assert.ok(masked(cutInto(input, randomCuts(input.length, random))).equals(whole), 'a split changes the outcome');
    assert.equal(whole.length, input.length);
    assert.deepEqual(scanText(mask, whole.toString('latin1'), 'answer body'), [], 'something of the value is left');
    whole.forEach((byte, at) => {
      assert.ok(byte === input[at] || byte === 42, 'a byte that is neither the one that came nor a mask');
    });
    for (const end of eventEnds(input)) {
      const masker = new BodyMasker(mask);
      const given = masker.push(input.subarray(0, end)).reduce((sum, { length }) => sum + length, 0);
      assert.equal(given, end, 'an event is kept back after its end');
    }
  },
};

function masked(blocks: readonly Uint8Array[]): Buffer {
  const masker = new BodyMasker(mask);
  return Buffer.concat([...blocks.flatMap((block) => masker.push(block)), ...masker.end()]);
}

/** After each empty line (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). */
function eventEnds(input: Uint8Array): readonly number[] {
  return [
    ...Buffer.from(input)
      .toString('latin1')
      .matchAll(/\r\n\r\n|\n\n/g),
  ].map(({ index, 0: end }) => index + end.length);
}
