import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { acceptValue } from '../../src/egress/websocket-handshake.ts';
import type { Header } from '../../src/schema/header.ts';
import {
  ASKED,
  brokenAnswers,
  changed,
  REFUSED,
  TAKEN,
  UPGRADE,
  upgradeAnswer,
  type UpgradeChange,
} from '../protocol/vectors/upgrades.ts';
import { exchangeRaw, openTls, readUntil, reasonOf, statusOf } from './support/agent.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { startRecording, type RecordingOrigin } from './support/recording.ts';

const HOST = 'a.example';
const OFFERS: readonly Header[] = [
  ['Sec-WebSocket-Protocol', 'v1.chat, v2.chat'],
  ['Sec-WebSocket-Extensions', 'permessage-deflate'],
];
/** What a server says right behind its 101: never to be seen when that 101 is refused. */
const MESSAGE = Buffer.from([0x81, 4, 0x65, 0x76, 0x69, 0x6c]).toString('latin1');

let origin: RecordingOrigin;
let harness: Harness;
/** Makes the answer's fields from the nonce that arrived. */
let answerFor: (nonce: string) => readonly Header[] = (nonce) => upgradeAnswer(acceptValue(nonce));

beforeAll(async () => {
  const answer = (head: string, socket: Socket): void => {
    const nonce = /\r\nsec-websocket-key: (\S+)\r\n/i.exec(head)?.[1];
    if (nonce === undefined) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast');
    else socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines(answerFor(nonce))}\r\n${MESSAGE}`, 'latin1');
  };
  origin = await startRecording({ name: HOST, answer });
  harness = await startHarness({
    routes: [{ host: HOST }],
    origins: { [`${HOST}:443`]: origin },
    timeouts: { discardMs: 50, idleTimeoutMs: 500, requestHeadTimeoutMs: 500 },
  });
});
afterEach(() => {
  expect(harness.bugs).toEqual([]);
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const lines = (fields: readonly Header[]): string => fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');

/** The answer up to `until`, or to the end of the connection. */
async function ask(change: UpgradeChange, offers: readonly Header[], until: string | null): Promise<string> {
  const socket = await openTls(harness, HOST);
  const fields = [...changed(UPGRADE, change), ...offers];
  const text = await exchangeRaw(socket, `${change.method ?? 'GET'} /ws HTTP/1.1\r\n${lines(fields)}\r\n`, until);
  socket.destroy();
  return text;
}

/** Nothing that was refused is still on its way when a later request has been answered. */
async function upstreamSaw(): Promise<readonly string[]> {
  const socket = await openTls(harness, HOST);
  const answered = readUntil(socket, 'last');
  socket.write(`GET /last HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  await answered;
  socket.destroy();
  return origin.take();
}

describe('S23 upgrades at a real gateway', () => {
  it.each(ASKED)('asked: $why', async (change) => {
    answerFor = (nonce) => upgradeAnswer(acceptValue(nonce));
    const text = await ask(change, [], 'evil');
    expect(statusOf(text)).toBe(101);
    const [head = ''] = origin.heads();
    expect(head.match(/\r\nupgrade: websocket\r\n/gi)).toHaveLength(1);
    // Every leg has a nonce of its own.
    expect(head).not.toContain('dGhlIHNhbXBsZSBub25jZQ==');
    origin.take();
  });

  it.each(REFUSED)('refused: $why', async (change) => {
    const text = await ask(change, [], 'recorded.');
    expect([statusOf(text), reasonOf(text)]).toEqual([403, 'upgrade_refused']);
    expect(await upstreamSaw()).toEqual(['GET /last []']);
  });

  it.each(TAKEN)('answered: $why', async (change) => {
    answerFor = (nonce) => changed(upgradeAnswer(acceptValue(nonce)), change);
    expect(statusOf(await ask({ why: '' }, OFFERS, 'evil'))).toBe(101);
    origin.take();
  });

  it.each(brokenAnswers('', String).map(({ why }, index) => ({ why, index })))(
    'answered wrongly: $why',
    async ({ index }) => {
      answerFor = (nonce) =>
        changed(upgradeAnswer(acceptValue(nonce)), brokenAnswers(nonce, acceptValue)[index] ?? { why: '' });
      const text = await ask({ why: '' }, OFFERS, 'again.');
      expect([statusOf(text), reasonOf(text)]).toEqual([502, 'upstream_invalid']);
      expect(text).not.toContain('evil');
      origin.take();
    },
  );

  it.each([
    { why: 'compression that was not offered', add: [['Sec-WebSocket-Extensions', 'permessage-deflate']] },
    { why: 'a sub-protocol when none was offered', add: [['Sec-WebSocket-Protocol', 'v1.chat']] },
  ] satisfies readonly UpgradeChange[])('answered wrongly: $why', async (change) => {
    answerFor = (nonce) => changed(upgradeAnswer(acceptValue(nonce)), change);
    const text = await ask({ why: '' }, [], 'again.');
    expect([statusOf(text), reasonOf(text)]).toEqual([502, 'upstream_invalid']);
    origin.take();
  });
});
