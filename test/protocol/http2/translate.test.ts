import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseRequestHead } from '../../../src/protocol/http1/head.ts';
import { streamFields, translateAnswer, translateTrailers } from '../../../src/protocol/http2/fields.ts';
import { translateRequest } from '../../../src/protocol/http2/request.ts';
import type { Header } from '../../../src/schema/header.ts';
import { STREAM_ANSWERS } from '../vectors/http2-answers.ts';
import { STREAM_REQUESTS } from '../vectors/http2-requests.ts';

describe('S23: HTTP/2 requests in the words of HTTP/1.1', () => {
  test('the table has at least sixty vectors', () => {
    expect(STREAM_REQUESTS.length).toBeGreaterThanOrEqual(60);
  });

  it.each(STREAM_REQUESTS)('$why', ({ fields, ended = true, becomes }) => {
    const translated = translateRequest(fields, ended);
    const { method, target, headers } = translated.ok ? translated.value : { method: '', target: '', headers: [] };
    expect(translated.ok ? `${method} ${target} ${headers[0]?.[1] ?? ''}` : null).toBe(becomes);
  });

  it('joins the crumbs of a cookie', () => {
    const fields: readonly Header[] = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':authority', 'a.example'],
      [':path', '/'],
      ['cookie', 'a=b'],
      ['x-a', 'y'],
      ['cookie', 'c=d'],
    ];
    expect(translateRequest(fields, true)).toMatchObject({
      value: {
        headers: [
          ['host', 'a.example'],
          ['x-a', 'y'],
          ['cookie', 'a=b; c=d'],
        ],
      },
    });
  });

  it('whatever it lets through is one request to the strict parser, with the same fields', () => {
    const text = fc.string({ unit: 'binary-ascii', maxLength: 12 });
    const name = fc.oneof(fc.constantFrom('x-a', 'host', 'cookie', 'te', 'content-length', ':path'), text);
    fc.assert(
      fc.property(text, text, fc.array(fc.tuple(name, text), { maxLength: 5 }), (path, authority, more) => {
        const translated = translateRequest(
          [[':method', 'GET'], [':scheme', 'https'], [':authority', authority], [':path', `/${path}`], ...more],
          true,
        );
        if (!translated.ok) return;
        const { method, target, headers } = translated.value;
        const lines = headers.map(([field, value]) => `${field}: ${value}\r\n`).join('');
        const bytes = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
        const parsed = parseRequestHead(bytes);
        // The parser may refuse what this leaves to it, but never reads another request than was meant.
        if (parsed.kind !== 'head') return;
        expect(parsed.consumed).toBe(bytes.length);
        expect(parsed.head.headers).toEqual(headers);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('S23: answers over HTTP/2', () => {
  it.each(STREAM_ANSWERS)('$why', ({ fields, fine }) => {
    expect(translateAnswer(fields).ok).toBe(fine);
  });

  it.each<{ why: string; fields: readonly Header[]; fine: boolean }>([
    {
      why: 'gRPC',
      fields: [
        ['grpc-status', '0'],
        ['grpc-message', 'a%20b'],
      ],
      fine: true,
    },
    { why: 'a pseudo-header', fields: [[':status', '200']], fine: false },
    { why: 'capitals', fields: [['X-A', 'b']], fine: false },
    { why: 'a line break', fields: [['x-a', 'b\r\n\r\nGET / HTTP/1.1']], fine: false },
    { why: 'transfer-encoding', fields: [['transfer-encoding', 'chunked']], fine: false },
  ])('trailers: $why', ({ fields, fine }) => {
    expect(translateTrailers(fields).ok).toBe(fine);
  });

  it('what we send has lower-case names and nothing of a connection', () => {
    const headers: readonly Header[] = [
      ['Host', 'a.example'],
      ['X-A', 'B'],
      ['Connection', 'close'],
      ['Transfer-Encoding', 'chunked'],
      ['Keep-Alive', 'timeout=5'],
      ['TE', 'gzip'],
    ];
    expect(streamFields(headers)).toEqual([['x-a', 'B']]);
  });
});
