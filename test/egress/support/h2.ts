import { once } from 'node:events';
import {
  connect,
  createSecureServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { openTls, type Way } from './agent.ts';
import type { Harness } from './harness.ts';
import { mintFor, type Origin } from './origin.ts';

/** An HTTP/2 client of Node's behind the gateway; disposing it ends the connection. */
export interface H2Agent extends Disposable {
  readonly session: ClientHttp2Session;
  readonly socket: TLSSocket;
}

export async function openH2(harness: Harness, host: string, way: Way = 'connect'): Promise<H2Agent> {
  const socket = await openTls(harness, host, way, { ALPNProtocols: ['h2'] });
  const session = connect(`https://${host}`, { createConnection: () => socket });
  session.on('error', () => undefined);
  await once(session, 'remoteSettings');
  return {
    session,
    socket,
    [Symbol.dispose]() {
      session.destroy();
      socket.destroy();
    },
  };
}

export interface StreamAnswer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly interim: readonly number[];
  readonly trailers: Record<string, unknown>;
  readonly body: Buffer;
  /** 0 for a stream that ended in order. */
  readonly rstCode: number;
  readonly reason: string | undefined;
}

/** One request on an HTTP/2 connection, to the end of its stream. */
export async function ask(
  agent: H2Agent,
  headers: OutgoingHttpHeaders,
  body?: string | Uint8Array,
): Promise<StreamAnswer> {
  const stream = agent.session.request({ ':scheme': 'https', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return collect(stream);
}

export function collect(stream: ClientHttp2Stream): Promise<StreamAnswer> {
  const interim: number[] = [];
  const chunks: Buffer[] = [];
  let answered: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on('headers', (headers) => interim.push(Number(headers[':status'])));
  stream.on('response', (headers) => (answered = { ...headers }));
  stream.on('trailers', (headers) => (trailers = { ...headers }));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => undefined);
  return new Promise((resolve) => {
    stream.on('close', () => {
      const reason = answered['x-bot-bottle-reason'];
      resolve({
        status: Number(answered[':status'] ?? 0),
        headers: answered,
        interim,
        trailers,
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode,
        reason: typeof reason === 'string' ? reason : undefined,
      });
    });
  });
}

export type StreamHandler = (
  stream: ServerHttp2Stream,
  headers: Record<string, unknown>,
  body: Promise<Buffer>,
) => void;

export interface H2Origin extends Origin {
  /** Headers of every stream, in the order they came. */
  readonly streams: readonly Record<string, unknown>[];
}

/** An upstream that speaks HTTP/2 only. */
export async function startH2Origin(
  handler: StreamHandler,
  { name = 'api.example.com', ...options }: { readonly name?: string } & SecureServerOptions = {},
): Promise<H2Origin> {
  const { certificate, key } = mintFor(name);
  const server = createSecureServer({ cert: certificate, key, ALPNProtocols: ['h2'], ...options });
  const streams: Record<string, unknown>[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('secureConnection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    streams.push({ ...headers });
    stream.on('error', () => undefined);
    const chunks: Buffer[] = [];
    const body = new Promise<Buffer>((resolve) => {
      stream.on('end', () => {
        resolve(Buffer.concat(chunks));
      });
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    handler(stream, headers, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    seen: [],
    streams,
    connections: () => connections,
    received: () => Buffer.alloc(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers once the request's body has arrived. */
export function answeringStream(body: string, headers: OutgoingHttpHeaders = {}): StreamHandler {
  return (stream, _headers, received) => {
    void received.then(() => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, ...headers });
      stream.end(body);
    });
  };
}
