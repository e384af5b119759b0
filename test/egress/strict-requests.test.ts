import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { BROKEN_LATE, CONVERSATIONS } from '../protocol/vectors/conversations.ts';
import { REQUESTS } from '../protocol/vectors/requests.ts';
import { openTcp, openTls, readUntil, statusOf } from './support/agent.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { startRecording, type RecordingOrigin } from './support/recording.ts';

const HOST = 'a.example';
let secure: RecordingOrigin;
let plain: RecordingOrigin;
let harness: Harness;

beforeAll(async () => {
  secure = await startRecording({ name: HOST });
  plain = await startRecording({ tls: false });
  harness = await startHarness({
    routes: [{ host: HOST }],
    origins: { [`${HOST}:443`]: secure, [`${HOST}:80`]: plain },
    timeouts: { requestHeadTimeoutMs: 500, idleTimeoutMs: 500, discardMs: 50, firstBytesTimeoutMs: 500 },
  });
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await secure[Symbol.asyncDispose]();
  await plain[Symbol.asyncDispose]();
  expect(harness.bugs).toEqual([]);
});

const WAYS = {
  tunnel: () => openTls(harness, HOST),
  transparent: () => openTcp(harness.port('http')),
  proxy: () => openTcp(harness.port('proxy')),
} as const;
export type WayIn = keyof typeof WAYS;

/** Ends every conversation that its vector did not end: nothing of the vector may change what this request is. */
const LAST: Readonly<Record<WayIn, string>> = {
  tunnel: `GET /last HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`,
  transparent: `GET /last HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`,
  proxy: `GET http://${HOST}/last HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`,
};

interface Outcome {
  /** What the agent was answered, last request included where it got that far. */
  readonly statuses: readonly number[];
  readonly upstream: readonly string[];
}

async function converse(way: WayIn, writes: readonly string[]): Promise<Outcome> {
  const socket: Socket = await WAYS[way]();
  const answered = readUntil(socket, null);
  for (const bytes of [...writes, LAST[way]]) {
    socket.write(bytes, 'latin1');
    await nextTurn();
  }
  const statuses = [...(await answered).matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  socket.destroy();
  const upstream = [...secure.take(), ...plain.take()];
  return { statuses, upstream };
}

/** A body to go with an accepted head. */
function bodyOf(verdict: string): { readonly bytes: string; readonly data: string } {
  const length = /length (\d+)$/.exec(verdict)?.[1];
  if (length !== undefined) return { bytes: 'x'.repeat(Number(length)), data: 'x'.repeat(Number(length)) };
  if (verdict.endsWith('chunked')) return { bytes: '3\r\nabc\r\n0\r\n\r\n', data: 'abc' };
  return { bytes: '', data: '' };
}

const refused = REQUESTS.filter(({ verdict }) => /^(?:\d{3}|framing)$/.test(verdict));
/** Heads that mean something of their own to a connection are among the conversations. */
const OWN_MEANING = /^CONNECT|HTTP\/1\.0|^\S+ http:|Connection: close|Expect:|^OPTIONS \*/i;
const accepted = REQUESTS.filter(
  ({ verdict, bytes }) => / (?:none|chunked|length \d+)$/.test(verdict) && !OWN_MEANING.test(bytes),
);

describe.each<WayIn>(['tunnel', 'transparent'])('S23 request heads by %s', (way) => {
  it.each(refused)('refused: $why', async ({ bytes, verdict }) => {
    const outcome = await converse(way, [bytes]);
    expect(outcome).toEqual({ statuses: [verdict === 'framing' ? 400 : Number(verdict)], upstream: [] });
  });

  it.each(accepted)('accepted: $why', async ({ bytes, verdict }) => {
    const head = bytes.slice(0, bytes.indexOf('\r\n\r\n') + 4);
    const body = bodyOf(verdict);
    const [method = '', target = ''] = verdict.split(' ');
    const upstream = [`${method} ${target} [${body.data}]`, 'GET /last []'];
    expect(await converse(way, [head + body.bytes])).toEqual({ statuses: [200, 200], upstream });
  });
});

describe('S23 connections of HTTP/1.1', () => {
  test('with the heads there are at least sixty vectors of each kind', () => {
    expect(CONVERSATIONS.length).toBeGreaterThanOrEqual(60);
    expect(refused.length + accepted.length).toBeGreaterThanOrEqual(60);
  });

  it.each(CONVERSATIONS)('$way: $why', async ({ way, sends, statuses, upstream }) => {
    expect(await converse(way, sends)).toEqual({ statuses, upstream });
  });

  it.each(BROKEN_LATE)('after a part of the body has left: $why', async ({ begin, then }) => {
    const socket = await openTls(harness, HOST);
    const answered = readUntil(socket, null);
    const before = secure.received().length;
    socket.write(begin, 'latin1');
    await expect.poll(() => secure.received().subarray(before).includes('hi')).toBe(true);
    socket.write(`${then}${LAST.tunnel}`, 'latin1');
    expect(statusOf(await answered)).toBe(400);
    socket.destroy();
    const [part, ...more] = secure.take();
    expect(part).toMatch(/^part: POST \/p HTTP\/1\.1\r\n(?:.*\r\n)+\r\n2\r\nhi\r\n$/);
    expect(more).toEqual([]);
  });
});
