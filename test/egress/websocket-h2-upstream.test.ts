import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { WebSocket } from 'ws';
import { describe, expect, test } from 'vitest';
import { openTls, send } from './support/agent.ts';
import { ask, openH2, startH2Origin, type H2Origin } from './support/h2.ts';
import { startHarness, type Harness } from './support/harness.ts';

const HOST = 'api.example.com';
const TOKEN = 'tok_live_W8Q83hd7Wm2pXv91LtR5kAbc';
const SECRET = 'known_value_W8q83hd7Wm2pXv91LtR5k';
const SETTINGS = { settings: { enableConnectProtocol: true } };

/** Echoes text frames as a server does: unmasked, whatever their split; a close is answered with the same. */
function echoFrames(stream: ServerHttp2Stream, seen: Buffer[]): void {
  let held = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const length = (held[1] ?? 0) & 0x7f;
      if (held.length < 6 || held.length < 6 + length) return;
      const mask = held.subarray(2, 6);
      const payload = Buffer.from(held.subarray(6, 6 + length)).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
      const opcode = held[0] ?? 0;
      held = held.subarray(6 + length);
      seen.push(Buffer.from(payload));
      stream.write(Buffer.concat([Buffer.of(opcode, payload.length), payload]));
      if ((opcode & 0x0f) === 8) stream.end();
    }
  });
}

async function startEcho(
  seen: Buffer[],
  answer: Record<string, string | number> = { ':status': 200 },
): Promise<H2Origin> {
  return startH2Origin((stream, headers) => {
    if (headers[':protocol'] !== 'websocket') {
      stream.respond({ ':status': 200 });
      stream.end('no socket');
      return;
    }
    stream.respond(answer);
    if (answer[':status'] === 200) echoFrames(stream, seen);
    else stream.end('not here');
  }, SETTINGS);
}

const start = (origin: H2Origin): Promise<Harness> =>
  startHarness({
    routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' } }],
    origins: { [`${HOST}:443`]: origin },
    tokens: { TOKEN },
    knownValues: { KEY: SECRET },
  });

async function openSocket(harness: Harness, protocols: string[] = []): Promise<WebSocket> {
  const tls = await openTls(harness, HOST);
  const socket = new WebSocket(`wss://${HOST}/chat`, protocols, {
    createConnection: () => tls,
    perMessageDeflate: false,
  });
  socket.on('error', () => undefined);
  return socket;
}

async function refusal(socket: WebSocket): Promise<IncomingMessage> {
  const answer: unknown[] = await once(socket, 'unexpected-response');
  const response = answer[1];
  if (response instanceof IncomingMessage) return response;
  throw new Error('no response');
}

describe('RFC 8441 towards an upstream that speaks HTTP/2 only', () => {
  test('a WebSocket is a stream there, scanned both ways, with the credential in', async () => {
    const seen: Buffer[] = [];
    await using origin = await startEcho(seen, { ':status': 200, 'sec-websocket-protocol': 'chat' });
    await using harness = await start(origin);
    const socket = await openSocket(harness, ['chat']);
    await once(socket, 'open');
    expect(socket.protocol).toBe('chat');
    expect(origin.streams[0]).toMatchObject({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat',
      ':authority': HOST,
      authorization: `Bearer ${TOKEN}`,
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat',
    });
    expect(origin.streams[0]).not.toHaveProperty('sec-websocket-key');
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    socket.close(1000);
    await once(socket, 'close');
    expect(await harness.ended(1)).toMatchObject([{ status: 101, decision: 'allow', ended: 'complete' }]);
    expect(harness.bugs).toEqual([]);
  });

  test('S17 a known value closes it with 1008 and does not reach the upstream', async () => {
    const seen: Buffer[] = [];
    await using origin = await startEcho(seen);
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    await once(socket, 'open');
    socket.send(`a ${SECRET} b`);
    expect((await once(socket, 'close'))[0]).toBe(1008);
    expect(Buffer.concat(seen).toString()).not.toContain(SECRET);
    expect(await harness.ended(1)).toMatchObject([{ decision: 'deny', reason: 'known_secret' }]);
  });

  test('a stream of the agent becomes a stream of the upstream, on a connection that is there', async () => {
    const seen: Buffer[] = [];
    await using origin = await startEcho(seen);
    await using harness = await start(origin);
    using agent = await openH2(harness, HOST);
    expect((await ask(agent, { ':path': '/plain' })).body.toString()).toBe('no socket');
    const stream = agent.session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'https',
      ':authority': HOST,
      ':path': '/chat',
      'sec-websocket-version': '13',
    });
    stream.on('error', () => undefined);
    const [headers] = await once(stream, 'response');
    expect(headers).toMatchObject({ ':status': 200 });
    stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    expect((await once(stream, 'data'))[0]).toEqual(Buffer.from([0x81, 0x02, 0x68, 0x69]));
    stream.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
    expect((await once(stream, 'data'))[0]).toEqual(Buffer.from([0x88, 0x02, 0x03, 0xe8]));
    stream.end();
    await harness.ended(2);
    expect(origin.connections()).toBe(1);
  });

  test('one that says no is passed on as it is', async () => {
    await using origin = await startEcho([], { ':status': 403, 'x-why': 'closed today' });
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    const response = await refusal(socket);
    expect([response.statusCode, response.headers['x-why']]).toEqual([403, 'closed today']);
    expect(await harness.ended(1)).toMatchObject([{ status: 403, decision: 'allow', ended: 'complete' }]);
  });

  test.each([
    { why: 'a sub-protocol that was not offered', answer: { ':status': 200, 'sec-websocket-protocol': 'evil' } },
    {
      why: 'an extension that was not offered',
      answer: { ':status': 200, 'sec-websocket-extensions': 'permessage-bzip2' },
    },
    { why: 'an accept value, which has no place there', answer: { ':status': 200, 'sec-websocket-accept': 'x' } },
  ])('S23 what it may not answer is a 502: $why', async ({ answer }) => {
    await using origin = await startEcho([], answer);
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    const response = await refusal(socket);
    expect(response.statusCode).toBe(502);
    expect(await harness.ended(1)).toMatchObject([{ reason: 'upstream_invalid' }]);
  });

  test('one that takes no WebSocket is a 502 that says so, and answers requests still', async () => {
    await using origin = await startH2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('fine');
    });
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    const response = await refusal(socket);
    expect(response.statusCode).toBe(502);
    expect((await send(harness, `https://${HOST}/`)).body.toString()).toBe('fine');
    expect(await harness.ended(2)).toMatchObject([{ reason: 'upstream_invalid' }, { status: 200 }]);
  });

  test('a reload that closes the route closes it', async () => {
    await using origin = await startEcho([]);
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    await once(socket, 'open');
    const closed = once(socket, 'close');
    harness.gateway.reload(harness.config([], 2));
    expect((await closed)[0]).toBe(1008);
  });
});
