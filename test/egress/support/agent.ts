import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { bottleCa, type Harness } from './harness.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Why the gateway said no, by its header; undefined for an answer of the upstream. */
  readonly reason: string | undefined;
}

/** Every way a program in a bottle can reach an https host. */
export type Way = 'connect' | 'transparent-tls';

/** A TCP connection to the gateway; the test owns it. */
export async function openTcp(port: number): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** Bytes out, bytes in until a marker has come or the connection ended. */
export async function exchangeRaw(socket: Socket, bytes: string | Uint8Array, until: string | null): Promise<string> {
  socket.write(bytes);
  return readUntil(socket, until);
}

export function readUntil(socket: Socket, until: string | null): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (): void => {
      socket.off('data', onData);
      socket.off('end', finish);
      socket.off('error', finish);
      socket.off('close', finish);
      socket.pause();
      resolve(text);
    };
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (until !== null && text.includes(until)) finish();
    };
    socket.on('data', onData);
    socket.on('end', finish);
    socket.on('error', finish);
    socket.on('close', finish);
    socket.resume();
  });
}

/** The answer to a CONNECT, as text; the socket goes on as the tunnel. */
export async function openTunnel(
  harness: Harness,
  authority: string,
  extra = '',
): Promise<{ readonly socket: Socket; readonly head: string }> {
  const socket = await openTcp(harness.port('proxy'));
  const head = await exchangeRaw(
    socket,
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${extra}\r\n`,
    '\r\n\r\n',
  );
  return { socket, head };
}

/** TLS to a host through the gateway, verified against the bottle's authority. */
export async function openTls(
  harness: Harness,
  host: string,
  way: Way = 'connect',
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket =
    way === 'connect' ? (await openTunnel(harness, `${host}:443`)).socket : await openTcp(harness.port('tls'));
  const encrypted = connectTls({
    socket,
    servername: host,
    ca: bottleCa.certificate,
    ALPNProtocols: ['http/1.1'],
    ...options,
  });
  await once(encrypted, 'secureConnect');
  return encrypted;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Uint8Array;
  readonly way?: Way;
  /** An open connection to use; it is kept open then. */
  readonly socket?: Socket;
}

/** One https request through the gateway, by Node's own client. */
export async function send(harness: Harness, url: string, options: SendOptions = {}): Promise<Answer> {
  const { hostname, host, pathname, search } = new URL(url);
  const socket = options.socket ?? (await openTls(harness, hostname, options.way ?? 'connect'));
  const { method = 'GET', headers = {}, body } = options;
  const keep = options.socket !== undefined;
  const request = httpRequest({
    createConnection: () => socket,
    method,
    path: pathname + search,
    headers: { host, connection: keep ? 'keep-alive' : 'close', ...headers },
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const reason = response.headers['x-bot-bottle-reason'];
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          reason: typeof reason === 'string' ? reason : undefined,
        });
      });
    });
  });
  request.end(body);
  try {
    return await answer;
  } finally {
    if (!keep) socket.destroy();
  }
}

/** Whole answers from text, for tests that speak on the socket themselves. */
export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
}
export function reasonOf(text: string): string | undefined {
  return /\r\nx-bot-bottle-reason: ([^\r]*)\r\n/i.exec(text)?.[1];
}
