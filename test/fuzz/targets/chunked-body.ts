import assert from 'node:assert/strict';
import { createBodyDecoder } from '../../../src/protocol/http1/body.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

interface Outcome {
  readonly data: string;
  readonly consumed: number | null;
  readonly ends: 'done' | 'open' | 'error';
}

function decode(pieces: readonly Uint8Array[]): Outcome {
  const decoder = createBodyDecoder({ kind: 'chunked' });
  let data = '';
  let consumed = 0;
  for (const piece of pieces) {
    const step = decoder.push(piece);
    assert.ok(step.consumed <= piece.length);
    assert.ok(!(step.done && step.error !== null), 'done and wrong at once');
    data += step.data.map((block) => Buffer.from(block).toString('latin1')).join('');
    consumed += step.consumed;
    if (step.error !== null) return { data, consumed: null, ends: 'error' };
    if (step.done) return { data, consumed, ends: 'done' };
  }
  return { data, consumed, ends: 'open' };
}

/** The whole body by an expression; null when it is not complete and right. Trailers: none or harmless ones. */
function slowly(text: string): { readonly data: string; readonly consumed: number } | null {
  let data = '';
  let at = 0;
  for (;;) {
    const [line, digits = ''] = /^([0-9A-Fa-f]{1,13})\r\n/.exec(text.slice(at, at + 20)) ?? [];
    if (line === undefined) return null;
    at += line.length;
    const size = Number.parseInt(digits, 16);
    if (size === 0) break;
    data += text.slice(at, at + size);
    at += size;
    if (text.slice(at, at + 2) !== '\r\n') return null;
    at += 2;
  }
  const [trailers] = /^(?:X-[A-Z]+:[\t -~]*\r\n)*\r\n/.exec(text.slice(at)) ?? [];
  return trailers === undefined ? null : { data, consumed: at + trailers.length };
}

export const chunkedBody: FuzzTarget = {
  name: 'chunked-body',
  corpus: [
    '0\r\n\r\n',
    '3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n',
    'a\r\n0123456789\r\n1F\r\n0123456789012345678901234567890\r\n0\r\n\r\n',
    '1\r\na\r\n0\r\nX-SUM: 1\r\nX-B: \t2\r\n\r\n',
    '0003\r\n\r\n\r\r\n000\r\n\r\n',
  ],
  dictionary: [
    '\r\n',
    '\n',
    '\r',
    '0',
    '0\r\n\r\n',
    ';a=b',
    '+',
    '0x',
    ' ',
    'fffffffffffff',
    '20000000000000',
    'X-A: b\r\n',
    'Host: b\r\n',
  ],
  iterations: 6000,
  check(input, random) {
    const whole = decode([input]);
    assert.deepEqual(decode(cutInto(input, randomCuts(input.length, random))), whole, 'a split changes the outcome');
    const expected = slowly(Buffer.from(input).toString('latin1'));
    if (expected !== null) assert.deepEqual(whole, { ...expected, ends: 'done' });
    else if (whole.ends === 'done')
      assert.match(Buffer.from(input).toString('latin1'), /0\r\n[^\r\n]*:/, 'accepted what is not right');
  },
};
