import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { ANSWERS_IN_FULL } from '../protocol/vectors/answers.ts';
import { RESPONSES } from '../protocol/vectors/responses.ts';
import { openTls, readUntil, reasonOf, statusOf } from './support/agent.ts';
import { ask, openH2 } from './support/h2.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { startRecording, type RecordingOrigin } from './support/recording.ts';

const HOST = 'a.example';
let origin: RecordingOrigin;
let harness: Harness;
/** What the upstream says to the next request, by piece; then it ends where told to. */
let script: { readonly says: readonly string[]; readonly ends: boolean } = { says: [], ends: false };

beforeAll(async () => {
  const answer = (head: string, socket: Socket): void => {
    if (head.includes(' /last ')) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast');
      return;
    }
    for (const piece of script.says) socket.write(piece, 'latin1');
    if (script.ends) socket.end();
  };
  origin = await startRecording({ name: HOST, answer });
  harness = await startHarness({
    routes: [{ host: HOST }],
    origins: { [`${HOST}:443`]: origin },
    timeouts: {
      requestHeadTimeoutMs: 400,
      upstreamFirstByteTimeoutMs: 400,
      idleTimeoutMs: 400,
      discardMs: 50,
    },
  });
});
afterEach(() => {
  expect(harness.bugs).toEqual([]);
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface Heard {
  /** All that the agent read, to the end of its connection. */
  readonly text: string;
  readonly connections: number;
}

/** One request that is answered by the script, then a plain one on the same connection, if that still stands. */
async function hear(method: string, says: readonly string[], ends: boolean): Promise<Heard> {
  script = { says, ends };
  const before = origin.connections();
  const socket = await openTls(harness, HOST);
  const answered = readUntil(socket, null);
  socket.write(`${method} / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  socket.write(`GET /last HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`);
  const text = await answered;
  socket.destroy();
  return { text, connections: origin.connections() - before };
}

const asked = RESPONSES.filter(({ method }) => method !== 'CONNECT');
const refused = asked.filter(({ verdict }) => verdict === 'invalid' || verdict === 'framing');
const interim = /^(?:100|103) none$/;
const accepted = asked.filter(
  ({ verdict }) => /^\d{3} /.test(verdict) && !interim.test(verdict) && !verdict.startsWith('101'),
);
const halves = asked.filter(({ verdict }) => verdict === 'need-more');

function bodyFor(verdict: string): { readonly sent: string; readonly read: string } {
  const length = Number(/length (\d+)$/.exec(verdict)?.[1] ?? 0);
  if (verdict.endsWith('chunked')) return { sent: '3\r\nabc\r\n0\r\n\r\n', read: '3\r\nabc\r\n0\r\n\r\n' };
  if (verdict.endsWith('until-close')) return { sent: 'abc', read: '3\r\nabc\r\n0\r\n\r\n' };
  return { sent: 'y'.repeat(length), read: 'y'.repeat(length) };
}

describe('S23 answers of an upstream', () => {
  test('there are at least sixty vectors of heads, and more of whole answers', () => {
    expect(asked.length).toBeGreaterThanOrEqual(60);
    expect(ANSWERS_IN_FULL.length).toBeGreaterThanOrEqual(25);
  });

  it.each(refused)('refused: $why', async ({ bytes, method = 'GET' }) => {
    const { text } = await hear(method, [`${bytes}leaked`], false);
    expect([statusOf(text), reasonOf(text)]).toEqual([502, 'upstream_invalid']);
    expect(text).not.toContain('leaked');
    // The agent's connection goes on, and its next request meets a fresh one.
    expect(text.endsWith('\r\n\r\nlast')).toBe(true);
  });

  it.each(halves)('cut short: $why', async ({ bytes, method = 'GET' }) => {
    const { text } = await hear(method, [bytes], true);
    expect([statusOf(text), reasonOf(text)]).toEqual([502, 'upstream_unreachable']);
    expect(text.endsWith('\r\n\r\nlast')).toBe(true);
  });

  it.each(accepted)('accepted: $why', async ({ bytes, method = 'GET', verdict }) => {
    const body = bodyFor(verdict);
    const head = bytes.slice(0, bytes.indexOf('\r\n\r\n') + 4);
    const { text } = await hear(method, [head + body.sent], verdict.endsWith('until-close'));
    expect(statusOf(text)).toBe(Number(verdict.slice(0, 3)));
    expect(text).toContain(`\r\n\r\n${body.read}`);
    expect(text.endsWith('\r\n\r\nlast')).toBe(true);
  });

  it.each(ANSWERS_IN_FULL)('$why', async ({ says, ends = false, method = 'GET', reads, reused, cut = false }) => {
    const { text, connections } = await hear(method, says, ends);
    expect(text.split('\r\n\r\n').slice(1).join('\r\n\r\n').startsWith(reads)).toBe(true);
    expect(text.endsWith('\r\n\r\nlast'), 'the next request is answered').toBe(!cut);
    if (!cut) expect(connections, 'connections to the upstream').toBeLessThanOrEqual(reused ? 1 : 2);
    expect(text).not.toContain('evil');
  });

  it.each(refused)('refused over HTTP/2 too: $why', async ({ bytes, method = 'GET' }) => {
    script = { says: [`${bytes}leaked`], ends: false };
    using agent = await openH2(harness, HOST);
    const answer = await ask(agent, { ':method': method, ':path': '/' });
    expect(answer).toMatchObject({ status: 502, reason: 'upstream_invalid', rstCode: 0 });
    expect(answer.body.toString()).not.toContain('leaked');
  });
});
