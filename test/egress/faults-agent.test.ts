import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Socket as TcpSocket, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { KiB, MiB } from '../../src/kernel/limits.ts';
import type { DecisionRecord } from '../../src/schema/decision.ts';
import { exchangeRaw, openTcp, openTls, openTunnel, statusOf } from './support/agent.ts';
import { block, END_HEADERS, END_STREAM, frame, PREFACE, settings, TYPE } from './support/frames.ts';
import { bottleCa, startHarness, type Harness } from './support/harness.ts';
import { startHttpsServer, type HttpsServer } from './support/https-server.ts';
import { askHttp1 } from './support/raw-answer.ts';

const HOST = 'api.example.com';
const LARGE = 64 * MiB;
const timeouts = {
  firstBytesTimeoutMs: 300,
  upstreamConnectTimeoutMs: 300,
  upstreamFirstByteTimeoutMs: 600,
  requestHeadTimeoutMs: 300,
  idleTimeoutMs: 300,
  discardMs: 50,
};

/** As fast as it is taken, and never all at once. */
function pour(response: ServerResponse): void {
  const block = Buffer.alloc(64 * KiB);
  let left = LARGE;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= block.length;
      if (!response.write(block)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
}

let upstream: HttpsServer;
let harness: Harness;

beforeAll(async () => {
  upstream = await startHttpsServer(HOST, (request, response) => {
    request.on('error', () => undefined);
    request.resume();
    if (request.url === '/large') pour(response);
    else if (request.url === '/never') return;
    else if (request.url === '/early') response.end('early');
    else request.on('end', () => response.end('fine'));
  });
  const sockets = new WebSocketServer({ server: upstream.server });
  sockets.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      socket.send(data);
    });
  });
  harness = await startHarness({
    routes: [{ host: HOST }],
    origins: { [`${HOST}:443`]: upstream, [`${HOST}:80`]: upstream.plain },
    timeouts,
  });
});
afterAll(async () => {
  await harness.gateway.drain(5_000);
  expect(harness.gateway.counters()).toMatchObject({ openConnections: 0, bufferedBytes: 0 });
  await harness[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** Where in a connection the agent goes wrong: what has been said before is in order. */
const STEPS = {
  proxy: () => openTcp(harness.port('proxy')),
  'transparent TLS': () => openTcp(harness.port('tls')),
  'transparent HTTP': () => openTcp(harness.port('http')),
  tunnel: async () => (await openTunnel(harness, `${HOST}:443`)).socket,
  TLS: () => openTls(harness, HOST),
  h2: async () => {
    const socket = await openTls(harness, HOST, 'connect', { ALPNProtocols: ['h2'] });
    socket.write(Buffer.concat([PREFACE, settings(), frame(TYPE.settings, 1, 0)]));
    return socket;
  },
  'beneath TLS': async () => {
    const { socket } = await openTunnel(harness, `${HOST}:443`);
    const encrypted = connectTls({ socket, servername: HOST, ca: bottleCa.certificate, ALPNProtocols: ['http/1.1'] });
    encrypted.on('error', () => undefined);
    await once(encrypted, 'secureConnect');
    return socket;
  },
  'h2 before its preface': () => openTls(harness, HOST, 'connect', { ALPNProtocols: ['h2'] }),
  websocket: async () => {
    const socket = await openTls(harness, HOST);
    const head = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']; // prettier-ignore
    await exchangeRaw(socket, `GET /ws HTTP/1.1\r\nHost: ${HOST}\r\n${head.join('\r\n')}\r\n\r\n`, '\r\n\r\n');
    return socket;
  },
} as const;

type Then = 'stays' | 'ends' | 'resets' | 'stops reading';

interface Row {
  readonly at: keyof typeof STEPS;
  readonly why: string;
  readonly sends: readonly (string | Buffer)[];
  readonly then: Then;
  /** The status that the agent reads; null for a connection that closes without one. */
  readonly status?: number | null;
  /** All that is recorded of it, in short. */
  readonly records: readonly string[];
}

const short = ({ decision, reason, status, ended }: DecisionRecord): string =>
  `${decision} ${reason} ${String(status)} ${ended}`;

/** In HTTP/2 the answer is in frames that this table does not read. */
const row = (
  at: Row['at'],
  why: string,
  sends: Row['sends'],
  then: Then,
  status: number | null | undefined,
  ...records: readonly string[]
): Row => ({
  at,
  why,
  sends,
  then,
  records,
  ...(status === undefined ? {} : { status }),
});

const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
const POST = (headers: string, path = '/'): string => `POST ${path} HTTP/1.1\r\nHost: ${HOST}\r\n${headers}\r\n\r\n`;
const CONNECT = `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`;
const GARBAGE = '\x00\xff\x00\xff\r\n\r\n';
const SSH = 'SSH-2.0-OpenSSH_9.2\r\n';
/** The first bytes of a client hello that says it is longer than this. */
const HALF_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3]);
const BROKEN_HELLO = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 8, 1, 0, 0, 4]), Buffer.alloc(4, 0xff)]);

const MALFORMED = 'deny bad_request 400 complete';
/** Nothing of its body had come: it goes nowhere. */
const UNFINISHED = 'deny bad_request 0 agent_gone';
/** A part of the body had left before it ended early. */
const CUT_SHORT = 'deny bad_request 400 refused_midway';
const LEFT = 'allow allowed 0 agent_gone';
const LEFT_IN_ANSWER = 'allow allowed 200 agent_gone';
const FINE = 'allow allowed 200 complete';
const SILENT_UPSTREAM = 'allow upstream_timeout 504 complete';

const HTTP1: readonly Row[] = [
  row('proxy', 'says nothing', [], 'stays', null),
  row('proxy', 'says nothing', [], 'ends', null),
  row('proxy', 'says nothing', [], 'resets', null),
  row('proxy', 'sends garbage', [GARBAGE], 'stays', 400, MALFORMED),
  row('proxy', 'speaks TLS', [HALF_HELLO], 'stays', 400, MALFORMED),
  row('proxy', 'speaks SSH', [SSH], 'stays', null),
  row('proxy', 'sends half a CONNECT', [CONNECT.slice(0, 30)], 'stays', null),
  row('proxy', 'sends half a CONNECT', [CONNECT.slice(0, 30)], 'ends', null),
  row('proxy', 'sends half a CONNECT', [CONNECT.slice(0, 30)], 'resets', null),
  row('proxy', 'CONNECTs to no authority', ['CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n'], 'stays', 400, MALFORMED),
  row('proxy', 'CONNECTs and says nothing', [CONNECT], 'stays', 200),
  row('proxy', 'CONNECTs', [CONNECT], 'ends', 200),
  row('proxy', 'CONNECTs', [CONNECT], 'resets', undefined),
  row('tunnel', 'sends garbage', [GARBAGE], 'stays', null),
  row('tunnel', 'speaks SSH', [SSH], 'stays', null),
  row('tunnel', 'sends half a hello', [HALF_HELLO], 'stays', null),
  row('tunnel', 'sends half a hello', [HALF_HELLO], 'ends', null),
  row('tunnel', 'sends half a hello', [HALF_HELLO], 'resets', null),
  row('tunnel', 'sends a broken hello', [BROKEN_HELLO], 'stays', null),
  row('tunnel', 'sends a TLS alert', [Buffer.from([0x15, 3, 3, 0, 2, 2, 40])], 'stays', null),
  row('transparent TLS', 'says nothing', [], 'stays', null),
  row('transparent TLS', 'sends garbage', [GARBAGE], 'stays', null),
  row('transparent TLS', 'speaks HTTP', [GET('/')], 'stays', null),
  row('transparent TLS', 'sends half a hello', [HALF_HELLO], 'stays', null),
  row('transparent TLS', 'sends half a hello', [HALF_HELLO], 'ends', null),
  row('beneath TLS', 'sends garbage', [GARBAGE], 'stays', null),
  row('beneath TLS', 'sends a broken record', [Buffer.from([0x17, 3, 3, 0, 4, 1, 2, 3, 4])], 'stays', null),
  row('beneath TLS', 'ends without a close_notify', [], 'ends', null),
  row('TLS', 'says nothing', [], 'stays', null),
  row('TLS', 'sends garbage', [GARBAGE], 'stays', 400, MALFORMED),
  row('TLS', 'sends half a head', [GET('/').slice(0, 20)], 'stays', null),
  row('TLS', 'sends half a head', [GET('/').slice(0, 20)], 'ends', null),
  row('TLS', 'sends half a head', [GET('/').slice(0, 20)], 'resets', null),
  row('TLS', 'sends half a body', [POST('Content-Length: 9'), 'half'], 'stays', null, LEFT),
  row('TLS', 'sends half a body', [POST('Content-Length: 9'), 'half'], 'ends', undefined, CUT_SHORT),
  row('TLS', 'sends half a body', [POST('Content-Length: 9'), 'half'], 'resets', null, LEFT),
  row('TLS', 'sends half the chunks', [POST('Transfer-Encoding: chunked'), '4\r\nhalf\r\n'], 'stays', null, LEFT),
  row('TLS', 'sends half the chunks', [POST('Transfer-Encoding: chunked'), '4\r\nhalf\r\n'], 'ends', undefined, CUT_SHORT),
  row('TLS', 'sends garbage for chunks', [POST('Transfer-Encoding: chunked'), GARBAGE], 'stays', 400, MALFORMED),
  row('TLS', 'sends half a body of which some has left', [POST('Content-Length: 300000'), 'x'.repeat(200_000)], 'stays', undefined, LEFT),
  row('TLS', 'sends half a body of which some has left', [POST('Content-Length: 300000'), 'x'.repeat(200_000)], 'resets', null, LEFT),
  row('TLS', 'sends garbage for chunks after some have left', [POST('Transfer-Encoding: chunked'), `30d40\r\n${'x'.repeat(200_000)}\r\n`, 'zz\r\n'], 'stays', 400, CUT_SHORT),
  row('TLS', 'waits to be asked for its body and sends none', [POST('Content-Length: 9\r\nExpect: 100-continue')], 'stays', undefined, UNFINISHED),
  row('TLS', 'waits for an answer that never comes', [GET('/never')], 'stays', 504, SILENT_UPSTREAM),
  row('TLS', 'waits for an answer that never comes', [GET('/never')], 'ends', null, LEFT),
  row('TLS', 'waits for an answer that never comes', [GET('/never')], 'resets', null, LEFT),
  row('TLS', 'asks for much', [GET('/large')], 'stops reading', undefined, LEFT_IN_ANSWER),
  row('TLS', 'asks for much', [GET('/large')], 'resets', undefined, LEFT_IN_ANSWER),
  row('TLS', 'sends garbage behind a request', [`${GET('/')}${GARBAGE}`], 'stays', 200, FINE, MALFORMED),
  row('TLS', 'asks twice at once', [`${GET('/')}${GET('/')}`], 'stays', 200, FINE, FINE),
  row('TLS', 'is answered early and goes on sending', [POST('Content-Length: 300000', '/early'), 'x'.repeat(200_000)], 'stays', 200, FINE),
  row('transparent HTTP', 'half-closes behind its request', [GET('/')], 'ends', 200, FINE),
  row('transparent HTTP', 'half-closes in its head', [GET('/').slice(0, 20)], 'ends', null),
  row('transparent HTTP', 'half-closes in its body', [POST('Content-Length: 9'), 'half'], 'ends', 400, CUT_SHORT),
  row('transparent HTTP', 'half-closes in its chunks', [POST('Transfer-Encoding: chunked'), '4\r\nhalf\r\n'], 'ends', 400, CUT_SHORT),
  row('transparent HTTP', 'half-closes and waits for what never comes', [GET('/never')], 'ends', 504, SILENT_UPSTREAM),
  row('transparent HTTP', 'sends garbage', [GARBAGE], 'stays', 400, MALFORMED),
  row('transparent HTTP', 'speaks TLS', [HALF_HELLO], 'stays', 400, MALFORMED),
  row('transparent HTTP', 'asks for much', [GET('/large')], 'stops reading', undefined, LEFT_IN_ANSWER),
]; // prettier-ignore

const ask = (id: number, path: string, method = 'GET'): Buffer =>
  frame(TYPE.headers, END_HEADERS | (method === 'GET' ? END_STREAM : 0), id, block([[':method', method], [':scheme', 'https'], [':authority', HOST], [':path', path]])); // prettier-ignore
const data = (id: number, text: string, flags = 0): Buffer => frame(TYPE.data, flags, id, Buffer.from(text));
const reset = (id: number, code: number): Buffer => frame(TYPE.reset, 0, id, Buffer.from([0, 0, 0, code]));
const goaway = frame(TYPE.goaway, 0, 0, Buffer.alloc(8));

const HTTP2: readonly Row[] = [
  row('h2 before its preface', 'says nothing', [], 'stays', undefined),
  row('h2 before its preface', 'sends garbage', [GARBAGE.repeat(10)], 'stays', undefined),
  row('h2 before its preface', 'speaks HTTP/1.1', [GET('/')], 'stays', undefined),
  row('h2 before its preface', 'sends half of it', [PREFACE.subarray(0, 10)], 'stays', undefined),
  row('h2 before its preface', 'sends half of it', [PREFACE.subarray(0, 10)], 'ends', undefined),
  row('h2 before its preface', 'sends half of it', [PREFACE.subarray(0, 10)], 'resets', undefined),
  row('h2', 'says nothing', [], 'stays', undefined),
  row('h2', 'says nothing', [], 'ends', undefined),
  row('h2', 'says nothing', [], 'resets', undefined),
  row('h2', 'sends garbage', [GARBAGE.repeat(10)], 'stays', undefined),
  row('h2', 'sends half a frame', [ask(1, '/').subarray(0, 12)], 'stays', undefined),
  row('h2', 'sends half a frame', [ask(1, '/').subarray(0, 12)], 'ends', undefined),
  row('h2', 'sends HEADERS without an end', [frame(TYPE.headers, END_STREAM, 1, Buffer.from([0x82]))], 'stays', undefined),
  row('h2', 'sends a request and then garbage', [ask(1, '/'), GARBAGE.repeat(10)], 'stays', undefined, FINE),
  row('h2', 'sends half a body', [ask(1, '/', 'POST'), data(1, 'half')], 'stays', undefined, LEFT),
  row('h2', 'sends half a body', [ask(1, '/', 'POST'), data(1, 'half')], 'ends', undefined, LEFT),
  row('h2', 'sends half a body', [ask(1, '/', 'POST'), data(1, 'half')], 'resets', undefined, LEFT),
  row('h2', 'resets its stream in mid-body', [ask(1, '/', 'POST'), data(1, 'half'), reset(1, 8)], 'stays', undefined, LEFT),
  row('h2', 'resets a stream that waits', [ask(1, '/never'), reset(1, 8)], 'stays', undefined, LEFT),
  row('h2', 'resets one of two streams', [ask(1, '/never'), ask(3, '/'), reset(1, 8)], 'stays', undefined, FINE, LEFT),
  row('h2', 'leaves with three streams open', [ask(1, '/never'), ask(3, '/never'), ask(5, '/never')], 'resets', undefined, LEFT, LEFT, LEFT),
  row('h2', 'says GOAWAY and waits', [ask(1, '/'), goaway], 'stays', undefined, FINE),
  row('h2', 'says GOAWAY and leaves', [ask(1, '/never'), goaway], 'ends', undefined, LEFT),
  row('h2', 'waits for an answer that never comes', [ask(1, '/never')], 'ends', undefined, LEFT),
  row('h2', 'waits for an answer that never comes', [ask(1, '/never')], 'stays', undefined, SILENT_UPSTREAM),
  row('h2', 'asks for much and opens no window', [ask(1, '/large')], 'stays', undefined, LEFT_IN_ANSWER),
  row('h2', 'asks for much', [ask(1, '/large')], 'stops reading', undefined, LEFT_IN_ANSWER),
  row('h2', 'asks for much', [ask(1, '/large')], 'resets', undefined, LEFT_IN_ANSWER),
  row('h2', 'sends trailers that are a request', [ask(1, '/', 'POST'), data(1, 'half'), frame(TYPE.headers, END_HEADERS | END_STREAM, 1, block([[':path', '/x']]))], 'stays', undefined, LEFT),
]; // prettier-ignore

/** A frame of a client, masked with zeros. */
const message = (first: number, payload: Buffer, length = payload.length): Buffer =>
  Buffer.concat([Buffer.from([first, 0x80 | length, 0, 0, 0, 0]), payload]);
const TAKEN_AMISS = 'deny bad_request 101 refused_midway';
const LEFT_OPEN = 'allow allowed 101 agent_gone';

const WEBSOCKET: readonly Row[] = [
  row('websocket', 'says nothing', [], 'stays', undefined, LEFT_OPEN),
  row('websocket', 'says nothing', [], 'ends', undefined, LEFT_OPEN),
  row('websocket', 'says nothing', [], 'resets', undefined, LEFT_OPEN),
  row('websocket', 'sends garbage', ['\xff\xff\xff\xff\xff\xff\xff\xff'], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'speaks HTTP', [GET('/')], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'sends a frame that is not masked', ['\x81\x02hi'], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'sends an opcode that is none', [message(0x83, Buffer.from('hi'))], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'continues what was not begun', [message(0x80, Buffer.from('hi'))], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'sends text that is not UTF-8', [message(0x81, Buffer.from([0xff, 0xfe]))], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'sends a fragmented ping', [message(0x09, Buffer.from('hi'))], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'closes with a code that is none', [message(0x88, Buffer.from([0, 1]))], 'stays', undefined, TAKEN_AMISS),
  row('websocket', 'sends half a frame', [message(0x81, Buffer.from('half'), 9)], 'stays', undefined, LEFT_OPEN),
  row('websocket', 'sends half a frame', [message(0x81, Buffer.from('half'), 9)], 'ends', undefined, LEFT_OPEN),
  row('websocket', 'sends half a frame', [message(0x81, Buffer.from('half'), 9)], 'resets', undefined, LEFT_OPEN),
  row('websocket', 'sends half a message', [message(0x01, Buffer.from('half'))], 'stays', undefined, LEFT_OPEN),
  row('websocket', 'closes in order', [message(0x88, Buffer.from([3, 0xe8]))], 'stays', undefined, 'allow allowed 101 complete'),
]; // prettier-ignore

async function act(socket: Socket, { at, why, sends, then, records }: Row, before: number): Promise<string> {
  let text = '';
  socket.on('error', () => undefined);
  const heard = Promise.withResolvers<undefined>();
  if (then === 'stops reading') socket.pause();
  else {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.length > 2_000) heard.resolve(undefined);
    });
    socket.resume();
  }
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  socket.on('end', () => socket.end());
  for (const piece of sends) {
    socket.write(piece, 'latin1');
    await delay(2);
  }
  const begun = records.filter((record) => record.startsWith('allow') || record === CUT_SHORT).length;
  if (then !== 'stays') await expect.poll(() => harness.decided().length - before).toBeGreaterThanOrEqual(begun);
  if (then === 'resets' && why === 'asks for much') await heard.promise;
  if (then === 'ends') socket.end();
  if (then === 'resets') resetUnder(socket);
  // What lies beneath TLS is closed by that, and not by its own end.
  if (then === 'stops reading' || at === 'beneath TLS') await quiet();
  else await closed;
  socket.destroy();
  return text;
}

/** The connection below goes first: destroying both in one turn, with something unwritten, crashes Node 26.10. */
function resetUnder(socket: Socket): void {
  const below = '_parent' in socket ? socket._parent : null;
  if (below instanceof TcpSocket) below.resetAndDestroy();
  else socket.resetAndDestroy();
}

const quiet = (): Promise<void> =>
  expect.poll(() => harness.gateway.counters().openConnections, { timeout: 5_000 }).toBe(0);

describe('an agent that', () => {
  it.each([...HTTP1, ...HTTP2, ...WEBSOCKET])('$at: $why, and $then', async (row) => {
    const before = (await harness.ended(0)).length;
    const decided = harness.decided().length;
    const socket = await STEPS[row.at]();
    const text = await act(socket, row, decided);
    await quiet();
    expect(await askHttp1(harness, HOST)).toMatchObject({ status: 200, whole: true });
    const records = (await harness.ended(before + row.records.length + 1)).slice(before).map(short);
    expect(records.toSorted()).toEqual([...row.records, 'allow allowed 200 complete'].toSorted());
    if (row.status !== undefined) expect(text === '' ? null : statusOf(text)).toBe(row.status);
    expect(harness.bugs).toEqual([]);
  });
});
