import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DecisionRecord } from '../../src/schema/decision.ts';
import { badCertificates } from './support/certificates.ts';
import { startFaultyUpstream, startUnreachable, type Fault, type FaultyUpstream } from './support/faulty-upstream.ts';
import { block, END_HEADERS, END_STREAM, frame, TYPE } from './support/frames.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { askHttp1, askHttp2, type Asked, type Told } from './support/raw-answer.ts';

const HOST = 'api.example.com';
/** Far below the time that a test may take: what hangs beyond them fails. */
const timeouts = {
  firstBytesTimeoutMs: 300,
  upstreamConnectTimeoutMs: 300,
  upstreamFirstByteTimeoutMs: 300,
  requestHeadTimeoutMs: 300,
  idleTimeoutMs: 300,
  discardMs: 50,
};
const AGENTS = { h1: askHttp1, h2: askHttp2 } as const;

interface Row {
  readonly why: string;
  readonly fault: Fault;
  readonly asked?: Asked;
  /** What the agent is told: a refusal by its reason, or the upstream's own answer, whole or not. */
  readonly told: { readonly status: number; readonly reason?: string; readonly whole: boolean };
  readonly ended: DecisionRecord['ended'];
}

const refused = (why: string, fault: Fault, reason: string, asked?: Asked): Row => ({
  why,
  fault,
  told: { status: reason === 'upstream_timeout' ? 504 : 502, reason, whole: true },
  ended: 'complete',
  ...(asked === undefined ? {} : { asked }),
});
const cut = (why: string, fault: Fault, asked?: Asked): Row => ({
  why,
  fault,
  told: { status: 200, whole: false },
  ended: 'upstream_cut',
  ...(asked === undefined ? {} : { asked }),
});
const whole = (why: string, fault: Fault): Row => ({
  why,
  fault,
  told: { status: 200, whole: true },
  ended: 'complete',
});
const says = (then: 'stays' | 'ends' | 'resets', ...pieces: readonly string[]): Fault => ({
  at: 'answer',
  says: pieces,
  then,
});

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const POST: Asked = { method: 'POST', body: 'x'.repeat(200_000) };

const CONNECTING: readonly Row[] = [
  refused('ends before TLS', { at: 'connect', then: 'ends' }, 'upstream_tls'),
  refused('resets before TLS', { at: 'connect', then: 'resets' }, 'upstream_tls'),
  refused('is silent before TLS', { at: 'connect', then: 'stays' }, 'upstream_timeout'),
  refused('speaks HTTP instead of TLS', { at: 'connect', says: 'HTTP/1.1 200 OK\r\n\r\n', then: 'stays' }, 'upstream_tls'),
  refused('speaks SSH instead of TLS', { at: 'connect', says: 'SSH-2.0-OpenSSH_9.2\r\n', then: 'stays' }, 'upstream_tls'),
  refused('speaks garbage instead of TLS', { at: 'connect', says: '\x16\x03\x03\x00\x04\xff\xff\xff\xff', then: 'stays' }, 'upstream_tls'),
  refused('sends an alert instead of TLS', { at: 'connect', says: '\x15\x03\x03\x00\x02\x02\x28', then: 'stays' }, 'upstream_tls'),
  refused('is silent in mid-handshake', { at: 'tls', afterBytes: 40, then: 'stays' }, 'upstream_timeout'),
  refused('ends in mid-handshake', { at: 'tls', afterBytes: 40, then: 'ends' }, 'upstream_tls'),
  refused('resets in mid-handshake', { at: 'tls', afterBytes: 40, then: 'resets' }, 'upstream_tls'),
  refused('is silent after its server hello', { at: 'tls', afterBytes: 200, then: 'stays' }, 'upstream_timeout'),
  refused('ends after its server hello', { at: 'tls', afterBytes: 200, then: 'ends' }, 'upstream_tls'),
]; // prettier-ignore

const HTTP1: readonly Row[] = [
  refused('head: is silent', says('stays'), 'upstream_timeout'),
  refused('head: ends without a word', says('ends'), 'upstream_unreachable'),
  refused('head: resets without a word', says('resets'), 'upstream_unreachable'),
  refused('head: is silent in its middle', says('stays', 'HTTP/1.1 200 OK\r\nContent-Le'), 'upstream_timeout'),
  refused('head: ends in its middle', says('ends', 'HTTP/1.1 200 OK\r\nContent-Le'), 'upstream_unreachable'),
  refused('head: resets in its middle', says('resets', 'HTTP/1.1 200 OK\r\nContent-Le'), 'upstream_unreachable'),
  refused('head: is garbage', says('stays', '\x00\xff\x00\xff'), 'upstream_invalid'),
  refused('head: is silent after an interim answer', says('stays', 'HTTP/1.1 103 Early Hints\r\n\r\n'), 'upstream_timeout'),
  refused('head: ends after an interim answer', says('ends', 'HTTP/1.1 100 Continue\r\n\r\n'), 'upstream_unreachable'),
  refused('head: trickles beyond its time', says('stays', 'HTTP/1.1 200 OK\r\nX: ', ...Array.from({ length: 400 }, () => 'y')), 'upstream_timeout'),
  whole('slow: each byte on its own', says('stays', ...Array.from(`${LENGTH}01234567`))),
  whole('slow: each chunk on its own', says('stays', ...[`${CHUNKED}4`, '\r', '\n01', '23\r\n', '0\r', '\n\r', '\n'])),
  cut('body: is silent in its middle', says('stays', LENGTH, '0123')),
  cut('body: ends in its middle', says('ends', LENGTH, '0123')),
  cut('body: resets in its middle', says('resets', LENGTH, '0123')),
  cut('body: is silent before its first byte', says('stays', LENGTH)),
  cut('body: says less than its length', says('ends', `${LENGTH}0123`)),
  whole('body: says more than its length', says('stays', `${LENGTH}0123456789`)),
  cut('chunks: silent between them', says('stays', CHUNKED, '4\r\n0123\r\n')),
  cut('chunks: ends between them', says('ends', CHUNKED, '4\r\n0123\r\n')),
  cut('chunks: resets between them', says('resets', CHUNKED, '4\r\n0123\r\n')),
  cut('chunks: a size that lies', says('stays', CHUNKED, '4\r\n0123456789\r\n0\r\n\r\n')),
  cut('chunks: a size that is none', says('stays', CHUNKED, '4\r\n0123\r\n', 'zz\r\n')),
  cut('trailer: is silent in its middle', says('stays', CHUNKED, '4\r\n0123\r\n', '0\r\nX-A: ')),
  cut('trailer: ends in its middle', says('ends', CHUNKED, '4\r\n0123\r\n', '0\r\nX-A: ')),
  cut('trailer: resets in its middle', says('resets', CHUNKED, '4\r\n0123\r\n', '0\r\nX-A: ')),
  cut('trailer: is garbage', says('stays', CHUNKED, '4\r\n0123\r\n', '0\r\n\x00\x01\r\n\r\n')),
  refused('upload: answers nothing', says('stays'), 'upstream_timeout', POST),
  refused('upload: resets during it', says('resets'), 'upstream_unreachable', POST),
  { ...whole('upload: answers early, and ends', says('ends', `${LENGTH}01234567`)), asked: POST },
  cut('upload: half an early answer', says('ends', `${LENGTH}0123`), POST),
]; // prettier-ignore

type Frames = (stream: number) => readonly Buffer[];
const stream = (then: 'stays' | 'ends' | 'resets', frames: Frames): Fault => ({ at: 'stream', says: frames, then });
const head = (id: number, flags = END_HEADERS): Buffer => frame(TYPE.headers, flags, id, block([[':status', '200']]));
const data = (id: number, text = '0123', flags = 0): Buffer => frame(TYPE.data, flags, id, Buffer.from(text));
const reset = (id: number, code: number): Buffer => frame(TYPE.reset, 0, id, Buffer.from([0, 0, 0, code]));
const goaway = (last: number, code: number): Buffer =>
  frame(TYPE.goaway, 0, 0, Buffer.from([0, 0, 0, last, 0, 0, 0, code]));
const trailers = (
  id: number,
  fields: readonly (readonly [string, string])[],
  flags = END_HEADERS | END_STREAM,
): Buffer => frame(TYPE.headers, flags, id, block(fields));

const HTTP2: readonly Row[] = [
  refused('head: is silent', stream('stays', () => []), 'upstream_timeout'),
  refused('head: ends without a word', stream('ends', () => []), 'upstream_unreachable'),
  refused('head: resets the connection', stream('resets', () => []), 'upstream_unreachable'),
  refused('head: HEADERS without an end', stream('stays', (id) => [head(id, 0)]), 'upstream_timeout'),
  refused('head: garbage', stream('stays', () => [Buffer.from('\x00\xff\x00\xff garbage that is no frame at all')]), 'upstream_unreachable'),
  refused('head: a header block that can not be read', stream('stays', (id) => [frame(TYPE.headers, END_HEADERS, id, Buffer.from([0xff, 0xff, 0xff]))]), 'upstream_unreachable'),
  refused('head: DATA before it', stream('stays', (id) => [data(id)]), 'upstream_unreachable'),
  refused('head: interim, then silence', stream('stays', (id) => [frame(TYPE.headers, END_HEADERS, id, block([[':status', '103']]))]), 'upstream_timeout'),
  refused('GOAWAY that takes nothing', stream('ends', () => [goaway(0, 0)]), 'upstream_unreachable'),
  ...[1, 2, 3, 5, 7, 8, 11, 13].map((code) => refused(`stream reset with ${String(code)} before an answer`, stream('stays', (id) => [reset(id, code)]), 'upstream_unreachable')),
  cut('body: is silent in its middle', stream('stays', (id) => [head(id), data(id)])),
  cut('body: the connection ends', stream('ends', (id) => [head(id), data(id)])),
  cut('body: the connection is reset', stream('resets', (id) => [head(id), data(id)])),
  cut('body: is silent before its first byte', stream('stays', (id) => [head(id)])),
  cut('body: a GOAWAY that gives it up', stream('ends', (id) => [head(id), data(id), goaway(0, 2)])),
  cut('body: less than its length', stream('stays', (id) => [trailers(id, [[':status', '200'], ['content-length', '8']], END_HEADERS), data(id, '0123', END_STREAM)])),
  cut('body: more than its length', stream('stays', (id) => [trailers(id, [[':status', '200'], ['content-length', '8']], END_HEADERS), data(id, '0123456789', END_STREAM)])),
  cut('body: a frame longer than was agreed', stream('stays', (id) => [head(id), data(id), data(id, 'x'.repeat(20_000))])),
  cut('trailer: a pseudo-header', stream('stays', (id) => [head(id), data(id), trailers(id, [[':status', '200']])])),
  cut('trailer: without the end of the stream', stream('stays', (id) => [head(id), data(id), trailers(id, [['x-a', 'b']], END_HEADERS)])),
  cut('trailer: HEADERS without an end', stream('stays', (id) => [head(id), data(id), trailers(id, [['x-a', 'b']], 0)])),
  whole('GOAWAY in order: the stream still ends', stream('stays', (id) => [head(id), goaway(id, 0), data(id, '01234567', END_STREAM)])),
  refused('upload: never opens its window', stream('stays', () => []), 'upstream_timeout', POST),
  refused('upload: is reset', stream('stays', (id) => [reset(id, 8)]), 'upstream_unreachable', POST),
  { ...whole('upload: answers early, and says NO_ERROR', stream('stays', (id) => [head(id), data(id, '01234567', END_STREAM), reset(id, 0)])), asked: POST },
]; // prettier-ignore

const TABLES = [
  { protocol: 'h1', rows: [...CONNECTING, ...HTTP1] },
  { protocol: 'h2', rows: [...CONNECTING, ...HTTP2] },
] as const;

const CERTIFICATE = {
  told: { status: 502, reason: 'upstream_tls', whole: true },
  ended: 'complete',
} as const;

let harness: Harness;

/** One record for the request, and everything goes on as if nothing had been. */
async function settlesAs(
  told: Told,
  row: Pick<Row, 'told' | 'ended'>,
  ask: typeof askHttp1,
  before: number,
): Promise<void> {
  expect(told).toMatchObject({ status: row.told.status, whole: row.told.whole });
  expect(told.reason).toBe(row.told.reason);
  expect(await ask(harness, HOST)).toMatchObject({ status: 200, body: 'fine', whole: true });
  const records = (await harness.ended(before + 2)).slice(before);
  expect(records).toMatchObject([
    { status: row.told.status, reason: row.told.reason ?? 'allowed', ended: row.ended },
    { status: 200, reason: 'allowed', ended: 'complete' },
  ]);
  expect(harness.bugs).toEqual([]);
}

describe.each(TABLES)('an upstream of $protocol that', ({ protocol, rows }) => {
  let upstream: FaultyUpstream;
  beforeAll(async () => {
    upstream = await startFaultyUpstream(HOST, protocol);
    harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: upstream }, timeouts });
  });
  afterEach(() => {
    upstream.fault = null;
  });
  afterAll(async () => {
    await harness.gateway.drain(5_000);
    expect(harness.gateway.counters()).toMatchObject({ openConnections: 0, bufferedBytes: 0 });
    await harness[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  describe.each(['h1', 'h2'] as const)('to an agent of %s', (agent) => {
    it.each(rows)('$why', async (row) => {
      const before = (await harness.ended(0)).length;
      upstream.fault = row.fault;
      const told = await AGENTS[agent](harness, HOST, row.asked);
      upstream.fault = null;
      await settlesAs(told, row, AGENTS[agent], before);
    });

    it.each(badCertificates(HOST))('shows a certificate of $why', async ({ leaf }) => {
      const before = (await harness.ended(0)).length;
      // No session of before the change is resumed, nor a connection used again.
      harness.gateway.reload(harness.config([{ host: HOST }], harness.gateway.status().generation + 1));
      upstream.show(leaf);
      const told = await AGENTS[agent](harness, HOST);
      upstream.show(null);
      await settlesAs(told, CERTIFICATE, AGENTS[agent], before);
    });
  });
});

describe.each(['h1', 'h2'] as const)('an address, to an agent of %s,', (agent) => {
  it('where connecting never ends is given up in time', async () => {
    await using silent = await startUnreachable();
    await using gateway = await startHarness({
      routes: [{ host: HOST }, { host: 'fine.example.com' }],
      origins: { [`${HOST}:443`]: silent },
      timeouts,
    });
    const told = await AGENTS[agent](gateway, HOST);
    expect(told).toMatchObject({ status: 504, reason: 'upstream_timeout', whole: true });
    expect(await gateway.ended(1)).toMatchObject([{ status: 504, reason: 'upstream_timeout', ended: 'complete' }]);
  });
});
