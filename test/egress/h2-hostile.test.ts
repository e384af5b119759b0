import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import { openTls } from './support/agent.ts';
import { block, END_HEADERS, END_STREAM, frame, listen, PREFACE, settings, TYPE } from './support/frames.ts';
import { answeringStream, ask, openH2, startH2Origin, type H2Origin } from './support/h2.ts';
import { startHarness, type Harness } from './support/harness.ts';

const HOST = 'api.example.com';
const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', HOST],
  [':path', '/'],
];

describe('hostile HTTP/2', () => {
  let origin: H2Origin;
  let harness: Harness;
  beforeAll(async () => {
    origin = await startH2Origin(answeringStream('ok'));
    harness = await startHarness({
      routes: [{ host: HOST }],
      origins: { [`${HOST}:443`]: origin },
      timeouts: { idleTimeoutMs: 1_000, discardMs: 200 },
    });
  });
  afterAll(async () => {
    await harness[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  const open = async (): Promise<TLSSocket> => {
    const socket = await openTls(harness, HOST, 'connect', { ALPNProtocols: ['h2'] });
    socket.write(Buffer.concat([PREFACE, settings()]));
    return socket;
  };

  /** Whatever was done to one connection, the gateway serves the next and nothing of ours broke. */
  const stillServes = async (): Promise<void> => {
    using agent = await openH2(harness, HOST);
    expect((await ask(agent, { ':path': '/' })).status).toBe(200);
    expect(harness.bugs).toEqual([]);
  };

  test.each<{ name: string; bytes: () => Buffer }>([
    {
      name: 'rapid reset: streams opened and reset at once',
      bytes: () =>
        Buffer.concat(
          Array.from({ length: 4 * LIMITS.http2ResetBurst }, (_, index) => [
            frame(TYPE.headers, END_STREAM | END_HEADERS, 2 * index + 1, block(GET)),
            frame(TYPE.reset, 0, 2 * index + 1, Buffer.from([0, 0, 0, 8])),
          ]).flat(),
        ),
    },
    {
      name: 'a CONTINUATION flood',
      bytes: () =>
        Buffer.concat([
          frame(TYPE.headers, END_STREAM, 1, block(GET)),
          ...Array.from({ length: 2_000 }, (_, index) =>
            frame(TYPE.continuation, 0, 1, block([[`x-${String(index)}`, 'y'.repeat(100)]])),
          ),
        ]),
    },
    {
      name: 'empty CONTINUATION frames without end',
      bytes: () =>
        Buffer.concat([
          frame(TYPE.headers, END_STREAM, 1, block(GET)),
          ...Array.from({ length: 20_000 }, () => frame(TYPE.continuation, 0, 1)),
        ]),
    },
    {
      name: 'a PING flood whose answers are not read',
      bytes: () => Buffer.concat(Array.from({ length: 50_000 }, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8)))),
    },
    {
      name: 'a SETTINGS flood whose answers are not read',
      bytes: () => Buffer.concat(Array.from({ length: 50_000 }, () => settings())),
    },
    { name: 'a frame longer than was agreed', bytes: () => frame(TYPE.data, 0, 1, Buffer.alloc(20_000)) },
    { name: 'DATA on a stream that was never opened', bytes: () => frame(TYPE.data, 0, 5, Buffer.from('x')) },
    { name: 'HEADERS on stream 0', bytes: () => frame(TYPE.headers, END_STREAM | END_HEADERS, 0, block(GET)) },
    { name: 'HEADERS on an even stream', bytes: () => frame(TYPE.headers, END_STREAM | END_HEADERS, 2, block(GET)) },
    { name: 'a stream number that goes back', bytes: () => Buffer.concat([frame(TYPE.headers, END_STREAM | END_HEADERS, 7, block(GET)), frame(TYPE.headers, END_STREAM | END_HEADERS, 5, block(GET))]) },
    { name: 'a broken header block', bytes: () => frame(TYPE.headers, END_STREAM | END_HEADERS, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff])) },
    { name: 'a window of more than 2^31', bytes: () => Buffer.concat([frame(TYPE.window, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])), frame(TYPE.window, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))]) },
    { name: 'a PUSH_PROMISE of a client', bytes: () => frame(5, END_HEADERS, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), block(GET)])) },
    { name: 'SETTINGS of a broken length', bytes: () => frame(TYPE.settings, 0, 0, Buffer.alloc(5)) },
    { name: 'more settings than anybody has', bytes: () => frame(TYPE.settings, 0, 0, Buffer.concat(Array.from({ length: 200 }, (_, index) => Buffer.from([0x10, index, 0, 0, 0, 1])))) },
  ])('$name: the connection is closed, and nothing else suffers', async ({ bytes }) => {
    const socket = await open();
    const seen = listen(socket);
    socket.write(bytes());
    const frames = await seen.closed;
    expect(frames.filter(({ type }) => type === TYPE.headers).length).toBeLessThanOrEqual(LIMITS.http2ResetBurst + 2);
    await stillServes();
  }); // prettier-ignore

  test('an HPACK bomb: one large field, referred to over and over, is refused before it is unpacked', async () => {
    const socket = await open();
    const seen = listen(socket);
    // Literal with indexing (RFC 7541, 6.2.1), then one byte for each repetition (6.1).
    const large = Buffer.concat([
      Buffer.from([0x40, 1]),
      Buffer.from('x'),
      Buffer.from([0x7f, 0x81, 0x1e]),
      Buffer.alloc(4_000, 'y'),
    ]);
    const bomb = Buffer.concat([block(GET), large, Buffer.alloc(12_000, 0xbe)]);
    socket.write(frame(TYPE.headers, END_STREAM | END_HEADERS, 1, bomb));
    const answer = await Promise.race([
      seen.closed.then(() => 'closed'),
      seen.until(TYPE.reset, 1).then(() => 'reset'),
      seen.until(TYPE.headers, 1).then(() => 'answered'),
    ]);
    expect(answer).not.toBe('answered');
    socket.destroy();
    await stillServes();
  });

  test('a list of fields over the bound is refused, with its stream or with its connection', async () => {
    const socket = await open();
    const seen = listen(socket);
    const fields = [...GET, ...Array.from({ length: 300 }, (_, index) => [`x-${String(index)}`, 'y'] as const)];
    socket.write(frame(TYPE.headers, END_STREAM | END_HEADERS, 1, block(fields)));
    const answer = await Promise.race([
      seen.closed.then(() => 'closed'),
      seen.until(TYPE.reset, 1).then(() => 'reset'),
      seen.until(TYPE.headers, 1).then(() => 'answered'),
    ]);
    expect(answer).not.toBe('answered');
    socket.destroy();
    await stillServes();
  });

  test('streams beyond the limit that was agreed on end the connection', async () => {
    const socket = await open();
    const seen = listen(socket);
    const post: typeof GET = [[':method', 'POST'], ...GET.slice(1)];
    await seen.until(TYPE.settings, 0);
    socket.write(frame(TYPE.settings, 1, 0));
    for (let index = 0; index < LIMITS.http2Streams + 5; index += 1) {
      socket.write(frame(TYPE.headers, END_HEADERS, 2 * index + 1, block(post)));
    }
    const frames = await seen.closed;
    expect(frames.filter(({ type }) => type === TYPE.goaway).map(({ payload }) => payload.readUInt32BE(4))).toContain(
      1,
    );
    await stillServes();
  });

  test('DATA beyond its content-length resets the stream, and no whole request reaches the upstream', async () => {
    const before = origin.streams.length;
    const socket = await open();
    const seen = listen(socket);
    const fields: typeof GET = [[':method', 'POST'], ...GET.slice(1), ['content-length', '3']];
    socket.write(
      Buffer.concat([
        frame(TYPE.headers, END_HEADERS, 1, block(fields)),
        frame(TYPE.data, END_STREAM, 1, Buffer.from('four')),
      ]),
    );
    await Promise.race([seen.until(TYPE.reset, 1), seen.closed]);
    socket.destroy();
    expect(origin.streams.length - before).toBe(0);
    await stillServes();
  });

  test('a stream that never sends its body, and one that never reads, end at the idle time-out', async () => {
    const socket = await open();
    const seen = listen(socket);
    socket.write(frame(TYPE.headers, END_HEADERS, 1, block([[':method', 'POST'], ...GET.slice(1)])));
    await Promise.race([seen.until(TYPE.reset, 1), seen.until(TYPE.headers, 1), seen.closed]);
    await seen.closed;
    await stillServes();
  });

  test('a connection that asks for nothing is closed at the idle time-out, pings or not', async () => {
    const socket = await open();
    const seen = listen(socket);
    const timer = setInterval(() => {
      if (!socket.destroyed) socket.write(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
    }, 50);
    await seen.closed;
    clearInterval(timer);
    await stillServes();
  });

  test.each<{ why: string; fields: typeof GET }>([
    { why: 'capitals in a name', fields: [...GET, ['Upper', 'a']] },
    { why: 'connection', fields: [...GET, ['connection', 'close']] },
    { why: 'transfer-encoding', fields: [...GET, ['transfer-encoding', 'chunked']] },
    { why: 'te other than trailers', fields: [...GET, ['te', 'gzip']] },
    { why: 'a pseudo-header after a header', fields: [['x-first', 'a'], ...GET] },
    { why: 'two paths', fields: [...GET, [':path', '/b']] },
    { why: 'another host', fields: [...GET, ['host', 'other.example.com']] },
    { why: 'a method in small letters', fields: [[':method', 'get'], ...GET.slice(1)] },
    { why: 'a space in the method', fields: [[':method', 'G ET'], ...GET.slice(1)] },
    { why: 'an empty path', fields: [...GET.slice(0, 3), [':path', '']] },
    { why: 'a path with a line break', fields: [...GET.slice(0, 3), [':path', '/\r\nX: y']] },
    { why: 'a declared body that never comes', fields: [...GET, ['content-length', '5']] },
  ])('S23: $why reaches nobody', async ({ fields }) => {
    const before = origin.streams.length;
    const socket = await open();
    const seen = listen(socket);
    socket.write(frame(TYPE.headers, END_STREAM | END_HEADERS, 1, block(fields)));
    await Promise.race([seen.closed, seen.until(TYPE.reset, 1), seen.until(TYPE.headers, 1)]);
    socket.destroy();
    expect(origin.streams.length - before).toBe(0);
    await stillServes();
  });

  test.each<{ why: string; field: readonly [string, string] }>([
    { why: 'a line break in a value', field: ['x', 'a\r\nb: c'] },
    { why: 'NUL in a value', field: ['x', 'a\u0000'] },
    { why: 'a line break in a name', field: ['x\r\nb', 'c'] },
  ])('S23: a field with $why is taken out by the stack and reaches nobody', async ({ field }) => {
    const socket = await open();
    const seen = listen(socket);
    socket.write(frame(TYPE.headers, END_STREAM | END_HEADERS, 1, block([...GET, field])));
    await Promise.race([seen.closed, seen.until(TYPE.reset, 1), seen.until(TYPE.headers, 1)]);
    socket.destroy();
    const names = Object.keys(origin.streams.at(-1) ?? {});
    expect(names.filter((name) => /^(?:x|b)/.test(name))).toEqual([]);
  });
});
