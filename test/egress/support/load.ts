import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { H1Connection, openProxy, openTunnelled, type GatewayAddress } from './h1-client.ts';
import type { Ledger, Seen } from './ledger.ts';

/** What a worker keeps doing until it is told to stop. */
export const KINDS = [
  'get',
  'post',
  'h2-get',
  'h2-post',
  'absolute',
  'sse',
  'websocket',
  'connect-refused',
  'blocked',
  'reset',
  'h2-reset',
] as const;
/** What only some gateways are set up for, or what takes longer. */
export const LONG_KINDS = ['post-large', 'post-gzip', 'passthrough'] as const;
export type Kind = (typeof KINDS)[number] | (typeof LONG_KINDS)[number];

export interface LoadParts {
  readonly gateway: GatewayAddress;
  readonly ledger: Ledger;
  /** Asked by turns, whatever they speak. */
  readonly hosts: readonly string[];
  /** A value that may not leave. */
  readonly secret: string;
  readonly more: () => boolean;
  /** A host whose TLS is its own, and who vouches for it. */
  readonly passthrough?: { readonly host: string; readonly ca: string };
}

const BODY = 'b'.repeat(1500);
const LARGE_BODY = 'lorem ipsum dolor sit amet '.repeat(12_000);
/** One character per byte, as everything here. */
const GZIPPED_BODY = gzipSync(LARGE_BODY).toString('latin1');
/** A connection is given up after so many requests: handshakes are part of the mix. */
const REQUESTS_PER_CONNECTION = 200;

/** Runs one worker to its end; `name` makes its keys its own. */
export async function runWorker(kind: Kind, name: string, parts: LoadParts): Promise<void> {
  let count = 0;
  const nextKey = (): string => {
    count += 1;
    return `${name}-${count.toString(36)}`;
  };
  for (let turn = 0; parts.more(); turn += 1) {
    const host = parts.hosts[turn % parts.hosts.length] ?? '';
    await WORK[kind](parts, host, nextKey);
  }
}

type Work = (parts: LoadParts, host: string, nextKey: () => string) => Promise<void>;

const WORK: Readonly<Record<Kind, Work>> = {
  get: (parts, host, nextKey) => onTunnel(parts, host, nextKey, (path) => getText(host, path)),
  post: (parts, host, nextKey) => onTunnel(parts, host, nextKey, (path) => postText(host, path, BODY)),
  sse: (parts, host, nextKey) => onTunnel(parts, host, nextKey, (path) => getText(host, path, 'sse')),
  blocked: (parts, host, nextKey) =>
    onTunnel(parts, host, nextKey, (path) => postText(host, path, `${BODY}${parts.secret}`)),
  'h2-get': (parts, host, nextKey) => onHttp2(parts, host, nextKey, { method: 'GET', leaves: false }),
  'h2-post': (parts, host, nextKey) => onHttp2(parts, host, nextKey, { method: 'POST', leaves: false }),
  'h2-reset': (parts, host, nextKey) => onHttp2(parts, host, nextKey, { method: 'POST', leaves: true }),
  'post-large': (parts, host, nextKey) => onTunnel(parts, host, nextKey, (path) => postText(host, path, LARGE_BODY)),
  'post-gzip': (parts, host, nextKey) =>
    onTunnel(parts, host, nextKey, (path) => postText(host, path, GZIPPED_BODY, 'Content-Encoding: gzip\r\n')),
  passthrough,
  absolute,
  'connect-refused': connectRefused,
  websocket,
  reset,
};

function getText(host: string, path: string, kind = 'get'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Kind: ${kind}\r\n\r\n`;
}

function postText(host: string, path: string, body: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Length: ${String(body.length)}\r\n\r\n${body}`;
}

async function onTunnel(
  { gateway, ledger, more }: LoadParts,
  host: string,
  nextKey: () => string,
  request: (path: string) => string,
): Promise<void> {
  const opened = await openTunnelled(gateway, host, 'http/1.1');
  if (opened.socket === null) {
    notOpened(ledger, host, opened.seen);
    return;
  }
  const { socket } = opened;
  const connection = new H1Connection(socket);
  for (let asked = 0; asked < REQUESTS_PER_CONNECTION && more() && connection.open; asked += 1) {
    const path = `/${nextKey()}`;
    ledger.saw(path, await connection.ask(request(path)));
  }
  socket.destroy();
}

/** A CONNECT that was refused is a request of its own; one that only ended is none. */
function notOpened(ledger: Ledger, host: string, seen: Seen): void {
  if (seen.kind === 'answered') ledger.sawNameless(host);
}

async function onHttp2(
  { gateway, ledger, more }: LoadParts,
  host: string,
  nextKey: () => string,
  { method, leaves }: { readonly method: string; readonly leaves: boolean },
): Promise<void> {
  const opened = await openTunnelled(gateway, host, 'h2');
  if (opened.socket === null) {
    notOpened(ledger, host, opened.seen);
    return;
  }
  const { socket } = opened;
  const session = connectHttp2(`https://${host}`, { createConnection: () => socket });
  session.on('error', () => undefined);
  for (let asked = 0; asked < REQUESTS_PER_CONNECTION && more() && !session.closed; asked += 8) {
    await Promise.all(
      Array.from({ length: 8 }, () => onStream(session, ledger, { path: `/${nextKey()}`, method, leaves })),
    );
  }
  session.destroy();
  socket.destroy();
  // A session that has just reset streams may leave what lies below it open.
  opened.tcp.destroy();
}

function onStream(
  session: ClientHttp2Session,
  ledger: Ledger,
  { path, method, leaves }: { readonly path: string; readonly method: string; readonly leaves: boolean },
): Promise<void> {
  if (session.closed || session.destroyed) {
    ledger.saw(path, { kind: 'closed' });
    return Promise.resolve();
  }
  const stream = session.request({ ':path': path, ':method': method }, { endStream: method === 'GET' });
  let status = 0;
  let reason: string | undefined;
  let ended = false;
  stream.on('response', (headers) => {
    status = Number(headers[':status']);
    const why = headers['x-bot-bottle-reason'];
    reason = typeof why === 'string' ? why : undefined;
  });
  stream.on('error', () => undefined);
  stream.on('end', () => {
    ended = true;
  });
  stream.resume();
  if (leaves) {
    stream.write(BODY);
    setTimeout(() => {
      stream.close(8);
    }, 2);
  } else if (method !== 'GET') stream.end(BODY);
  return new Promise((resolve) => {
    stream.on('close', () => {
      if (leaves) ledger.saw(path, { kind: 'left' });
      else if (status === 0) ledger.saw(path, { kind: 'closed' });
      else
        ledger.saw(
          path,
          ended && stream.rstCode === 0 ? { kind: 'answered', status, reason } : { kind: 'cut', status },
        );
      resolve();
    });
  });
}

/** Plain HTTP by the proxy's own form. */
async function absolute({ gateway, ledger, more }: LoadParts, host: string, nextKey: () => string): Promise<void> {
  const connection = await openProxy(gateway);
  for (let asked = 0; asked < REQUESTS_PER_CONNECTION && more() && connection.open; asked += 1) {
    const path = `/${nextKey()}`;
    const request = `GET http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    ledger.saw(path, await connection.ask(request));
  }
  connection.socket.destroy();
}

/** What is asked inside is its own affair: the record has the connection. */
async function passthrough({ gateway, ledger, passthrough: through }: LoadParts): Promise<void> {
  if (through === undefined) return;
  const opened = await openTunnelled({ ...gateway, ca: through.ca }, through.host, 'http/1.1');
  if (opened.socket === null) return;
  const connection = new H1Connection(opened.socket);
  const seen = await connection.ask(getText(through.host, '/'));
  if (seen.kind === 'answered') ledger.sawNameless(through.host);
  opened.socket.destroy();
}

async function connectRefused({ gateway, ledger }: LoadParts, _host: string, nextKey: () => string): Promise<void> {
  const connection = await openProxy(gateway);
  for (let asked = 0; asked < 10 && connection.open; asked += 1) {
    const host = `${nextKey()}.refused.example`;
    ledger.saw(host, await connection.ask(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`));
  }
  connection.socket.destroy();
}

/** Goes away while its request is under way. */
async function reset({ gateway, ledger }: LoadParts, host: string, nextKey: () => string): Promise<void> {
  const opened = await openTunnelled(gateway, host, 'http/1.1');
  if (opened.socket === null) {
    notOpened(ledger, host, opened.seen);
    return;
  }
  const { socket } = opened;
  const path = `/${nextKey()}`;
  const connection = new H1Connection(socket, opened.tcp);
  const asked = connection.ask(postText(host, path, BODY).slice(0, -700));
  setTimeout(() => {
    connection.leave();
  }, 2);
  const seen = await asked;
  ledger.saw(path, seen.kind === 'answered' ? seen : { kind: 'left' });
}

async function websocket({ gateway, ledger, more }: LoadParts, host: string, nextKey: () => string): Promise<void> {
  const opened = await openTunnelled(gateway, host, 'http/1.1');
  if (opened.socket === null) {
    notOpened(ledger, host, opened.seen);
    return;
  }
  const { socket } = opened;
  const path = `/${nextKey()}`;
  const client = new WebSocket(`wss://${host}${path}`, { createConnection: () => socket });
  const seen: { last: Seen } = { last: { kind: 'closed' } };
  client.on('error', () => undefined);
  client.on('unexpected-response', (_request, response) => {
    seen.last = { kind: 'answered', status: response.statusCode ?? 0, reason: undefined };
    response.resume();
    client.terminate();
  });
  client.on('open', () => {
    seen.last = { kind: 'cut', status: 101 };
    client.send('0');
  });
  client.on('message', (data: Buffer) => {
    const turn = Number(data.toString('utf8'));
    if (turn < 20 && more()) client.send(String(turn + 1));
    else client.close(1000);
  });
  const code = await new Promise<number>((resolve) => client.on('close', resolve));
  socket.destroy();
  const ended = seen.last.kind === 'cut' && code !== 1006;
  ledger.saw(path, ended ? { kind: 'answered', status: 101, reason: undefined } : seen.last);
}
