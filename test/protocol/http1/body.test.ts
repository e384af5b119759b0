import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { createBodyDecoder, encodeChunk, LAST_CHUNK } from '../../../src/protocol/http1/body.ts';
import type { Framing } from '../../../src/protocol/http1/framing.ts';
import type { Header } from '../../../src/protocol/http1/head.ts';
import { bytesOf, cutAt, textOf } from '../support/bytes.ts';

interface Decoded {
  readonly data: string;
  readonly rest: string;
  readonly done: boolean;
  readonly error: string | null;
  readonly trailers: readonly Header[];
}

/** Feeds the pieces as a driver does: stops at the end or at an error, and knows what was left over. */
function decode(framing: Framing, pieces: readonly Uint8Array[]): Decoded {
  const decoder = createBodyDecoder(framing);
  let data = '';
  let rest = '';
  let last: Omit<Decoded, 'data' | 'rest'> = { done: false, error: null, trailers: [] };
  for (const piece of pieces) {
    if (last.done || last.error !== null) {
      rest += textOf(piece);
      continue;
    }
    const step = decoder.push(piece);
    data += step.data.map(textOf).join('');
    rest += textOf(piece.subarray(step.consumed));
    last = { done: step.done, error: step.error, trailers: step.trailers };
  }
  return { data, rest: last.error === null ? rest : '', ...last };
}
const decodeText = (framing: Framing, text: string): Decoded => decode(framing, [bytesOf(text)]);

const CHUNKED: Framing = { kind: 'chunked' };

const good = [
  { text: '0\r\n\r\n', data: '', why: 'nothing' },
  { text: '3\r\nabc\r\n0\r\n\r\n', data: 'abc', why: 'one chunk' },
  { text: '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n', data: 'abcde', why: 'two chunks' },
  { text: 'a\r\n0123456789\r\n0\r\n\r\n', data: '0123456789', why: 'lower-case hex' },
  { text: 'A\r\n0123456789\r\n0\r\n\r\n', data: '0123456789', why: 'upper-case hex' },
  { text: '03\r\nabc\r\n000\r\n\r\n', data: 'abc', why: 'leading zeros, which some servers write' },
  { text: '4\r\n\r\n\r\n\r\n0\r\n\r\n', data: '\r\n\r\n', why: 'line ends are data inside a chunk' },
  { text: '5\r\n0\r\n\r\n\r\n0\r\n\r\n', data: '0\r\n\r\n', why: 'so is what looks like the end' },
  { text: '1\r\na\r\n0\r\nX-Sum: 1\r\nX-B:\r\n\r\n', data: 'a', why: 'trailers' },
];
const bad = [
  { text: '3;a=b\r\nabc\r\n0\r\n\r\n', why: 'an extension' },
  { text: '3;\r\nabc\r\n0\r\n\r\n', why: 'an empty extension' },
  { text: '+3\r\nabc\r\n0\r\n\r\n', why: 'a sign' },
  { text: '-3\r\nabc\r\n0\r\n\r\n', why: 'a negative size' },
  { text: '0x3\r\nabc\r\n0\r\n\r\n', why: 'a hex prefix' },
  { text: ' 3\r\nabc\r\n0\r\n\r\n', why: 'a space in front' },
  { text: '3 \r\nabc\r\n0\r\n\r\n', why: 'a space behind' },
  { text: '3\t\r\nabc\r\n0\r\n\r\n', why: 'a tab behind' },
  { text: '\r\n3\r\nabc\r\n0\r\n\r\n', why: 'no digits' },
  { text: 'g\r\n', why: 'no hex digit' },
  { text: '3_0\r\n', why: 'a separator' },
  { text: '20000000000000\r\n', why: '2^53' },
  { text: '10000000000000003\r\nabc\r\n', why: 'wraps to 3 in 64 bits' },
  { text: '00000000000000000003\r\nabc\r\n', why: 'more zeros than anybody writes' },
  { text: '3\nabc\r\n0\r\n\r\n', why: 'bare line feed after the size' },
  { text: '3\rabc\r\n0\r\n\r\n', why: 'carriage return alone after the size' },
  { text: '3\r\nabc\n0\r\n\r\n', why: 'bare line feed after the data' },
  { text: '3\r\nabc0\r\n\r\n', why: 'no line end after the data' },
  { text: '3\r\nabcd\r\n0\r\n\r\n', why: 'more data than the size' },
  { text: '3\r\nabc\r\n\r\n0\r\n\r\n', why: 'an empty line between chunks' },
  { text: '0\n\r\n', why: 'bare line feed after the last size' },
  { text: '0\r\n\n', why: 'bare line feed at the end' },
  { text: '0\r\nX: a\n\r\n', why: 'bare line feed in a trailer' },
  { text: '0\r\nX: a\r\n b\r\n\r\n', why: 'a folded trailer' },
  { text: '0\r\nX : a\r\n\r\n', why: 'a space before the colon' },
  { text: '0\r\nX\r\n\r\n', why: 'a trailer without a colon' },
  { text: '0\r\nX: \x01\r\n\r\n', why: 'a control character' },
  { text: '0\r\nContent-Length: 5\r\n\r\n', why: 'framing in a trailer' },
  { text: '0\r\ntransfer-encoding: chunked\r\n\r\n', why: 'framing in a trailer, whatever its case' },
  { text: '0\r\nHost: b.example\r\n\r\n', why: 'routing in a trailer' },
  { text: '0\r\nX-Forwarded-Host: b.example\r\n\r\n', why: 'routing by another name' },
  { text: '0\r\nAuthorization: Bearer x\r\n\r\n', why: 'a credential in a trailer' },
  { text: '0\r\nX-API-Key: x\r\n\r\n', why: 'another credential' },
  { text: '0\r\nCookie: a=b\r\n\r\n', why: 'a cookie' },
  { text: '0\r\nConnection: close\r\n\r\n', why: 'a hop’s own field' },
  { text: '0\r\nX-HTTP-Method-Override: PUT\r\n\r\n', why: 'another method, too late to judge' },
  { text: `${'0'.repeat(LIMITS.httpChunkLineBytes)}1`, why: 'a size line without an end' },
  { text: `0\r\n${'X: 1\r\n'.repeat(LIMITS.httpTrailerBytes / 6)}\r\n`, why: 'too many bytes of trailers' },
];

describe('S23 chunked bodies', () => {
  it.each(good)('reads $why: $text', ({ text, data }) => {
    expect(decodeText(CHUNKED, text)).toMatchObject({ data, rest: '', done: true, error: null });
  });
  it.each(bad)('refuses $why', ({ text }) => {
    const decoded = decodeText(CHUNKED, text);
    expect(decoded.error).not.toBeNull();
    expect(decoded.done).toBe(false);
  });

  it('gives trailers at the end, and leaves what follows', () => {
    expect(decodeText(CHUNKED, '0\r\nX-Sum: 1\r\n\r\nGET /')).toMatchObject({
      trailers: [['X-Sum', '1']],
      rest: 'GET /',
      done: true,
    });
  });

  it('an error is final', () => {
    const decoder = createBodyDecoder(CHUNKED);
    expect(decoder.push(bytesOf('x\r\n')).error).not.toBeNull();
    expect(decoder.push(bytesOf('0\r\n\r\n'))).toMatchObject({ done: false, consumed: 0, data: [] });
    expect(decoder.end()).toMatchObject({ done: false, error: expect.any(String) });
  });

  it('any split gives the same', () => {
    const texts = fc.constantFrom(...[...good, ...bad].map(({ text }) => text).filter((text) => text.length < 400));
    fc.assert(
      fc.property(
        texts,
        fc.constantFrom('', 'GET / HTTP/1.1'),
        fc.array(fc.nat(60), { maxLength: 8 }),
        (text, next, cuts) => {
          const whole = decodeText(CHUNKED, text + next);
          expect(decode(CHUNKED, cutAt(bytesOf(text + next), cuts))).toEqual(whole);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('what we write we read', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.array(fc.nat(200)), (blocks, cuts) => {
        const written = Buffer.concat([...blocks.map(encodeChunk), LAST_CHUNK]);
        const sent = textOf(Buffer.concat(blocks));
        expect(decode(CHUNKED, cutAt(written, cuts))).toMatchObject({ data: sent, rest: '', done: true });
      }),
    );
  });

  it('writes no chunk for no data: it would end the body', () => {
    expect(encodeChunk(new Uint8Array(0))).toHaveLength(0);
  });
});

describe('S23 other bodies', () => {
  it('takes exactly the length, in any split', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary-ascii', maxLength: 30 }),
        fc.nat(30),
        fc.array(fc.nat(30)),
        (text, length, cuts) => {
          const decoded = decode({ kind: 'length', length }, cutAt(bytesOf(text), cuts));
          const done = text.length >= length;
          expect(decoded).toMatchObject({ data: text.slice(0, length), rest: text.slice(length), done, error: null });
        },
      ),
    );
  });

  it('takes nothing where there is none', () => {
    expect(decodeText({ kind: 'none' }, 'next')).toMatchObject({ data: '', rest: 'next', done: true });
  });

  it('takes all until the close', () => {
    expect(decodeText({ kind: 'until-close' }, 'all')).toMatchObject({ data: 'all', rest: '', done: false });
  });

  it.each([
    { framing: { kind: 'none' }, pushed: '', ends: true },
    { framing: { kind: 'until-close' }, pushed: 'abc', ends: true },
    { framing: { kind: 'length', length: 3 }, pushed: 'abc', ends: true },
    { framing: { kind: 'length', length: 3 }, pushed: 'ab', ends: false },
    { framing: CHUNKED, pushed: '0\r\n\r\n', ends: true },
    { framing: CHUNKED, pushed: '0\r\n', ends: false },
    { framing: CHUNKED, pushed: '3\r\nabc\r\n', ends: false },
  ] satisfies readonly { framing: Framing; pushed: string; ends: boolean }[])(
    'the connection ends after $pushed of $framing: right is $ends',
    ({ framing, pushed, ends }) => {
      const decoder = createBodyDecoder(framing);
      decoder.push(bytesOf(pushed));
      expect(decoder.end().done).toBe(ends);
      expect(decoder.end().error === null).toBe(ends);
    },
  );
});
