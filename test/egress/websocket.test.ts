import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws';
import { describe, expect, test } from 'vitest';
import { exchangeRaw, openTcp, openTls, type Way } from './support/agent.ts';
import { openH2 } from './support/h2.ts';
import { startHarness, type Harness, type HarnessOptions } from './support/harness.ts';
import { mintFor, startRawOrigin, type Origin } from './support/origin.ts';

const HOST = 'ws.example.com';
const TOKEN = 'tok_live_WsQ83hd7Wm2pXv91LtR5kAbc';
const SECRET = 'known_value_Zq83hd7Wm2pXv91LtR5k';

interface WsOrigin extends Origin {
  readonly authorizations: (string | undefined)[];
  readonly closes: Promise<number>[];
  readonly extensions: string[];
  /** Ends every connection without a word. */
  readonly terminate: () => void;
  readonly broadcast: (text: string) => void;
}

/** A server of `ws` that echoes, and answers `say …` with what follows it. */
async function startWsOrigin(options: ServerOptions = {}): Promise<WsOrigin> {
  const { certificate, key } = mintFor(HOST);
  const server = createServer({ cert: certificate, key });
  const sockets = new WebSocketServer({ server, maxPayload: 64 * 1024 * 1024, ...options });
  const authorizations: (string | undefined)[] = [];
  const closes: Promise<number>[] = [];
  const extensions: string[] = [];
  sockets.on('connection', (socket, request) => {
    authorizations.push(request.headers.authorization);
    extensions.push(socket.extensions);
    closes.push(new Promise((resolve) => socket.on('close', resolve)));
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, binary) => {
      const [, said] = /^say (.*)$/s.exec(data.toString()) ?? [];
      socket.send(said ?? data, { binary });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    seen: [],
    authorizations,
    closes,
    extensions,
    terminate() {
      for (const socket of sockets.clients) socket.terminate();
    },
    broadcast(text) {
      for (const socket of sockets.clients) socket.send(text);
    },
    connections: () => closes.length,
    received: () => Buffer.alloc(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const start = (origin: Origin, options: HarnessOptions = {}): Promise<Harness> =>
  startHarness({
    routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' } }],
    origins: { [`${HOST}:443`]: origin },
    tokens: { TOKEN },
    knownValues: { KEY: SECRET },
    ...options,
  });

interface ClientOptions {
  readonly way?: Way;
  readonly deflate?: boolean;
  readonly protocols?: string[];
}

async function openSocket(harness: Harness, options: ClientOptions = {}): Promise<WebSocket> {
  const tls = await openTls(harness, HOST, options.way ?? 'connect');
  const socket = new WebSocket(`wss://${HOST}/chat`, options.protocols ?? [], {
    createConnection: () => tls,
    perMessageDeflate: options.deflate ?? false,
  });
  socket.on('error', () => undefined);
  await once(socket, 'open');
  return socket;
}

async function echo(socket: WebSocket, data: string | Buffer): Promise<{ data: Buffer; binary: boolean }> {
  socket.send(data);
  const [answer, binary] = await once(socket, 'message');
  return { data: answer as Buffer, binary: binary as boolean };
}

const closeOf = async (socket: WebSocket): Promise<number> => Number((await once(socket, 'close'))[0]);

describe('WebSocket', () => {
  test.each<{ way: Way; agent: boolean; upstream: boolean; why: string }>([
    { way: 'connect', agent: false, upstream: false, why: 'plain messages' },
    { way: 'transparent-tls', agent: true, upstream: true, why: 'compressed on both sides' },
    { way: 'connect', agent: true, upstream: false, why: 'compressed to the gateway only' },
  ])('G-ONE: $way, $why: text, binary, pings, fragments and the close pass', async ({ way, agent, upstream }) => {
    await using origin = await startWsOrigin({ perMessageDeflate: upstream });
    await using harness = await start(origin);
    const socket = await openSocket(harness, { way, deflate: agent });
    expect(socket.extensions).toBe(agent ? 'permessage-deflate' : '');
    expect(origin.extensions).toEqual([upstream ? 'permessage-deflate' : '']);
    expect(await echo(socket, 'hello')).toEqual({ data: Buffer.from('hello'), binary: false });
    const large = Buffer.from('abcdefghij'.repeat(50_000));
    expect((await echo(socket, large)).data.equals(large)).toBe(true);
    expect(await echo(socket, Buffer.alloc(0))).toEqual({ data: Buffer.alloc(0), binary: true });
    socket.send('one ', { fin: false });
    socket.ping('between');
    const pong = once(socket, 'pong');
    socket.send('message', { fin: true });
    const [whole] = await once(socket, 'message');
    expect(String(whole)).toBe('one message');
    expect(String((await pong)[0])).toBe('between');
    const closed = closeOf(socket);
    socket.close(4001, 'enough');
    expect(await closed).toBe(4001);
    expect(await origin.closes[0]).toBe(4001);
    expect(origin.authorizations).toEqual([`Bearer ${TOKEN}`]);
    expect(await harness.ended(1)).toMatchObject([
      { method: 'GET', path: '/chat', status: 101, ended: 'complete', decision: 'allow' },
    ]);
    expect(harness.bugs).toEqual([]);
  });

  test.each([
    { name: 'text', message: `a ${SECRET} b`, deflate: false },
    { name: 'binary', message: Buffer.from(`\u0000${SECRET}`), deflate: false },
    { name: 'compressed', message: `${'x'.repeat(5_000)}${SECRET}`, deflate: true },
  ])('S17: a known value in a $name message closes with 1008 before a byte of it leaves', async (row) => {
    await using origin = await startWsOrigin({ perMessageDeflate: true });
    await using harness = await start(origin);
    const socket = await openSocket(harness, { deflate: row.deflate });
    const seen: string[] = [];
    socket.on('message', (data: Buffer) => seen.push(data.toString()));
    const closed = closeOf(socket);
    socket.send(row.message);
    expect(await closed).toBe(1008);
    expect(await origin.closes[0]).toBe(1001);
    expect(seen).toEqual([]);
    const [record] = await harness.ended(1);
    expect(record).toMatchObject({ decision: 'deny', reason: 'known_secret', ended: 'refused_midway' });
    expect(record?.findings).toMatchObject([{ name: 'KEY', place: 'websocket message' }]);
    expect(record?.bytes.sent).toBe(0);
  });

  test('a known value over fragments, in a ping and in a close reason is found too', async () => {
    for (const sendIt of [
      (socket: WebSocket) => {
        socket.send(SECRET.slice(0, 10), { fin: false });
        socket.send(SECRET.slice(10), { fin: true });
      },
      (socket: WebSocket) => {
        socket.ping(SECRET);
      },
      (socket: WebSocket) => {
        socket.close(1000, SECRET);
      },
    ]) {
      await using origin = await startWsOrigin();
      await using harness = await start(origin);
      const socket = await openSocket(harness);
      sendIt(socket);
      expect((await harness.ended(1))[0]).toMatchObject({ reason: 'known_secret', ended: 'refused_midway' });
      expect(await origin.closes[0]).toBe(1001);
      socket.terminate();
    }
  });

  test('S13: an answer that echoes the credential closes with 1008', async () => {
    await using origin = await startWsOrigin();
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    const seen: string[] = [];
    socket.on('message', (data: Buffer) => seen.push(data.toString()));
    const closed = closeOf(socket);
    // The agent does not have the credential; the server says what it was given.
    const raw = Buffer.from(TOKEN).toString('base64');
    socket.send(`say ${raw}`);
    expect(await closed).toBe(1008);
    expect(seen.join('')).not.toContain(raw);
  });

  test('S23: what the upstream may not answer is a 502 to the agent', async () => {
    const accept = 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
    const bad = [
      `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${accept}\r\n\r\n`,
      'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      `HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n${accept}\r\n\r\n`,
    ];
    for (const answer of bad) {
      await using origin = await startRawOrigin(
        (socket) => {
          socket.once('data', () => {
            socket.write(answer);
          });
        },
        { name: HOST },
      );
      await using harness = await start(origin);
      const tls = await openTls(harness, HOST);
      const request = `GET /chat HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
      expect(await exchangeRaw(tls, request, '\r\n\r\n')).toMatch(
        /^HTTP\/1\.1 502 [\s\S]*x-bot-bottle-reason: upstream_invalid/i,
      );
      tls.destroy();
    }
  });

  test('an upstream that says no is passed on as it is', async () => {
    await using origin = await startWsOrigin({
      verifyClient: (_info: unknown, done: (ok: boolean, code: number, message: string) => void) => {
        done(false, 401, 'who are you');
      },
    });
    await using harness = await start(origin);
    const tls = await openTls(harness, HOST);
    const socket = new WebSocket(`wss://${HOST}/chat`, { createConnection: () => tls });
    socket.on('error', () => undefined);
    const [, response] = await once(socket, 'unexpected-response');
    expect((response as { statusCode: number }).statusCode).toBe(401);
    tls.destroy();
  });

  test('sub-protocols pass as offered and chosen', async () => {
    await using origin = await startWsOrigin({ handleProtocols: (offered) => [...offered].at(-1) ?? false });
    await using harness = await start(origin);
    const socket = await openSocket(harness, { protocols: ['v1.chat', 'v2.chat'] });
    expect(socket.protocol).toBe('v2.chat');
    socket.terminate();
  });

  test('S11: a route with a credential is not asked in clear', async () => {
    await using harness = await startHarness({
      routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' } }],
      tokens: { TOKEN },
    });
    const socket = await openTcp(harness.port('http'));
    const request = `GET /chat HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    expect(await exchangeRaw(socket, request, 'cleartext_credential')).toMatch(/^HTTP\/1\.1 403 /);
    socket.destroy();
  });

  test('RFC 8441: a WebSocket on a stream of HTTP/2', async () => {
    await using origin = await startWsOrigin();
    await using harness = await start(origin);
    using agent = await openH2(harness, HOST);
    expect(agent.session.remoteSettings.enableConnectProtocol).toBe(true);
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
    expect(headers).not.toHaveProperty('sec-websocket-accept');
    // "hi", masked with zeros, and the server's frame in return.
    stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    const [answer] = await once(stream, 'data');
    expect(answer).toEqual(Buffer.from([0x81, 0x02, 0x68, 0x69]));
    stream.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
    const [closing] = await once(stream, 'data');
    expect(closing).toEqual(Buffer.from([0x88, 0x02, 0x03, 0xe8]));
    stream.end();
    expect(await harness.ended(1)).toMatchObject([{ status: 101, ended: 'complete' }]);
  });

  test('a reload that closes the route closes its open WebSockets with 1008', async () => {
    await using origin = await startWsOrigin();
    await using harness = await start(origin);
    const socket = await openSocket(harness);
    await echo(socket, 'hello');
    const closed = closeOf(socket);
    harness.gateway.reload(harness.config([], 2));
    expect(await closed).toBe(1008);
    expect(await harness.ended(1)).toMatchObject([{ decision: 'deny', ended: 'refused_midway' }]);
  });

  test('an agent that breaks the framing is told so, and an upstream that is gone is told of', async () => {
    await using origin = await startWsOrigin();
    await using harness = await start(origin);
    const tls = await openTls(harness, HOST);
    const request = `GET /chat HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    await exchangeRaw(tls, request, '\r\n\r\n');
    // Not masked, as a client's frames must be.
    const answer = Buffer.from(await exchangeRaw(tls, Buffer.from([0x81, 0x01, 0x61]), null), 'latin1');
    expect([...answer.subarray(0, 1), answer.readUInt16BE(2)]).toEqual([0x88, 1002]);
    expect(await origin.closes[0]).toBe(1001);
    const socket = await openSocket(harness);
    const closed = closeOf(socket);
    origin.terminate();
    expect(await closed).toBe(1011);
  });

  test('a server that speaks to an agent that only listens is not cut for the silence of the one', async () => {
    await using origin = await startWsOrigin();
    await using harness = await start(origin, { timeouts: { idleTimeoutMs: 250 } });
    const socket = await openSocket(harness);
    const timer = setInterval(() => {
      origin.broadcast('tick');
    }, 50);
    // Twice as long as either side may be silent.
    for (let heard = 0; heard < 10; heard += 1) await once(socket, 'message');
    clearInterval(timer);
    expect(await closeOf(socket)).toBe(1001);
    expect(await harness.ended(1)).toMatchObject([{ status: 101, ended: 'agent_gone' }]);
  });
});
