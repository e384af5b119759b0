import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBodyDecoder } from '../../../src/protocol/http1/body.ts';
import { keepAlive, requestFraming, responseFraming, type Framing } from '../../../src/protocol/http1/framing.ts';
import { parseRequestHead, parseResponseHead } from '../../../src/protocol/http1/head.ts';
import { bytesOf, textOf } from '../support/bytes.ts';
import { LlhttpServer, readAnswer } from '../support/llhttp.ts';
import { REQUESTS } from '../vectors/requests.ts';
import { RESPONSES } from '../vectors/responses.ts';

/**
 * The parser behind us may be Node's. Whatever we accept it must accept too, and see the same message with the same end;
 * that we refuse more than it does is wanted.
 */
let server: LlhttpServer;
beforeAll(async () => {
  server = await LlhttpServer.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const NEXT = 'GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

function bodyFor(framing: Framing): { readonly sent: string; readonly body: string } {
  switch (framing.kind) {
    case 'none':
      return { sent: '', body: '' };
    case 'length':
      return { sent: 'x'.repeat(framing.length), body: 'x'.repeat(framing.length) };
    case 'chunked':
      return { sent: '3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n', body: 'abcd' };
    case 'until-close':
      return { sent: 'the rest', body: 'the rest' };
  }
}

interface Accepted {
  readonly head: string;
  readonly framing: Framing;
  readonly first: string;
  readonly carriesOn: boolean;
}

/** Our reading of a request, or null when we refuse it. */
function accept(text: string): Accepted | null {
  const parsed = parseRequestHead(bytesOf(text));
  if (parsed.kind !== 'head') return null;
  const { head, consumed } = parsed;
  const framing = requestFraming(head);
  if (!framing.ok || (framing.value.kind === 'length' && framing.value.length > 1000)) return null;
  // llhttp takes what follows a CONNECT or an upgrade for another protocol. The gateway never passes an upgrade on.
  const has = (name: string): boolean => head.headers.some(([field]) => field.toLowerCase() === name);
  const tunnel = head.method === 'CONNECT' || has('upgrade');
  return {
    head: text.slice(0, consumed),
    framing: framing.value,
    first: `${head.method} ${head.target}`,
    carriesOn: keepAlive(head) && !tunnel,
  };
}

async function expectSame({ head, framing, first, carriesOn }: Accepted): Promise<void> {
  const { sent, body } = bodyFor(framing);
  const reading = await server.read(bytesOf(head + sent + NEXT));
  expect(reading, `refused by llhttp: ${JSON.stringify(head)}`).not.toBeNull();
  expect(reading, JSON.stringify(head)).toMatchObject({ first, body });
  // Where we close after a message nobody reads on, whatever another parser would do.
  if (carriesOn) expect(reading, JSON.stringify(head)).toMatchObject({ next: '/next' });
}

const accepted = REQUESTS.flatMap(({ bytes, why }) => {
  const reading = accept(bytes);
  return reading === null ? [] : [{ why, reading }];
});

describe('S23 llhttp reads what we accept as we do', () => {
  it('has rows on both sides', () => {
    expect(accepted.length).toBeGreaterThan(20);
  });
  it.each(accepted)('request: $why', async ({ reading }) => {
    await expectSame(reading);
  });

  it('requests put together at random', async () => {
    const method = fc.constantFrom('GET', 'POST', 'OPTIONS', 'CONNECT', 'PUT', 'get', 'QUERY', 'FOO');
    const target = fc.constantFrom(
      '/',
      '/a?b',
      '*',
      'http://a/',
      'a:443',
      '//x',
      '/%zz',
      '/a\\b',
      'http://a:b/',
      '/~|^`',
      'a',
    );
    const version = fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.9', 'http/1.1');
    const field = fc.constantFrom(
      'Host: a', 'Host:', 'Content-Length: 3', 'Content-Length: 03', 'content-length:0', 'Transfer-Encoding: chunked',
      'Transfer-Encoding: Chunked ', 'Transfer-Encoding: gzip', 'Connection: close', 'Connection: keep-alive',
      'Connection: Upgrade', 'Upgrade: websocket', 'Expect: 100-continue', 'X: ', 'X : 1', ' X: 1', 'X: \t1\t', 'X:1;"q"',
      'Trailer: X', 'TE: trailers', 'Keep-Alive: timeout=1', 'Proxy-Connection: close',
    ); // prettier-ignore
    const end = fc.constantFrom('\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r');
    const request = fc
      .tuple(method, target, version, fc.array(fc.tuple(field, end), { maxLength: 5 }), end)
      .map(([verb, path, protocol, fields, last]) =>
        [`${verb} ${path} ${protocol}\r\nHost: h\r\n`, ...fields.map((pair) => pair.join('')), last].join(''),
      );
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(request, async (text) => {
        const reading = accept(text);
        if (reading === null) return;
        compared += 1;
        await expectSame(reading);
      }),
      { numRuns: 2000 },
    );
    expect(compared).toBeGreaterThan(30);
  });

  it.each(
    [
      '3\r\nabc\r\n0\r\n\r\n', '03\r\nabc\r\n0\r\n\r\n', '3\r\nabc\r\n0\r\nX: 1\r\n\r\n', 'a\r\n0123456789\r\n00\r\n\r\n',
      '1\r\na\r\n1\r\nb\r\n0\r\nX:\r\nY: \t2\r\n\r\n',
    ], // prettier-ignore
  )('chunked body %j', async (sent) => {
    const decoded = createBodyDecoder({ kind: 'chunked' }).push(bytesOf(sent));
    expect(decoded).toMatchObject({ done: true, error: null });
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await server.read(bytesOf(head + sent + NEXT))).toEqual({
      first: 'POST /',
      body: decoded.data.map(textOf).join(''),
      next: '/next',
    });
  });

  const answers = RESPONSES.flatMap(({ bytes, method = 'GET', why }) => {
    const parsed = parseResponseHead(bytesOf(bytes));
    if (parsed.kind !== 'head' || method === 'CONNECT' || parsed.head.status < 200) return [];
    const framing = responseFraming(parsed.head, method);
    return framing.ok
      ? [{ head: bytes.slice(0, parsed.consumed), method, status: parsed.head.status, framing: framing.value, why }]
      : [];
  });
  it.each(answers)('answer: $why', async ({ head, method, status, framing }) => {
    const { sent, body } = bodyFor(framing);
    expect(await readAnswer(bytesOf(head + sent), method)).toEqual({ status, body });
  });
});
