import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { systemClock } from '../../../src/platform/clock.ts';
import { createBottleCa, createLeafMinter, type Leaf } from '../../../src/platform/tls-ca.ts';

/** The authority that the test upstreams' certificates come from; the gateway trusts it by `extraCa`. */
export const upstreamCa = createBottleCa(systemClock, 'upstreams');
const minter = createLeafMinter(upstreamCa, systemClock);

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** A server of the test's own that plays an upstream. */
export interface Origin extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Whole requests, in the order they were completed. */
  readonly seen: readonly SeenRequest[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  /** Every decrypted byte that arrived, from all connections, in order of arrival. */
  readonly received: () => Buffer;
}

interface OriginOptions {
  readonly name?: string;
  /** Another certificate than one for `name` by the upstreams' authority. */
  readonly leaf?: Pick<Leaf, 'certificate' | 'key'>;
  readonly tls?: boolean;
  /** False: what arrives is not kept, because it is much. */
  readonly keepsBytes?: false;
  /** Called when the first byte of a connection arrives. */
  readonly onBytes?: () => void;
}

/** An HTTP server; the handler is called when the request head has arrived. */
export function startOrigin(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: OriginOptions = {},
): Promise<Origin> {
  const seen: SeenRequest[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      if (options.keepsBytes !== false) chunks.push(chunk);
    });
    request.on('error', () => undefined);
    request.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = request;
      seen.push({ method, url, headers, rawHeaders, body: Buffer.concat(chunks) });
    });
    handler(request, response);
  };
  const server =
    options.tls === false ? createHttpServer(listener) : createHttpsServer(certificateOf(options), listener);
  return listen(server, options, seen);
}

/** A server below HTTP: the test reads and writes what it likes. */
export function startRawOrigin(serve: (socket: Socket) => void, options: OriginOptions = {}): Promise<Origin> {
  const accept = (socket: Socket): void => {
    socket.on('error', () => undefined);
    serve(socket);
  };
  const server =
    options.tls === false
      ? createTcpServer({ allowHalfOpen: true }, accept)
      : createTlsServer({ ...certificateOf(options), allowHalfOpen: true }, accept);
  return listen(server, options, []);
}

/** Answers every request the same way, once its body has arrived. */
export function answering(body: string | Buffer, headers: Record<string, string> = {}, status = 200) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    request.on('end', () => {
      response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
      response.end(body);
    });
  };
}

function certificateOf({ name = 'api.example.com', leaf }: OriginOptions): {
  readonly cert: string;
  readonly key: string;
} {
  const { certificate, key } = leaf ?? minter.mint(name);
  return { cert: certificate, key };
}

async function listen(server: Server, options: OriginOptions, seen: readonly SeenRequest[]): Promise<Origin> {
  const sockets = new Set<Socket>();
  const received: Buffer[] = [];
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on(options.tls === false ? 'connection' : 'secureConnection', (socket: Socket) => {
    socket.prependListener('data', (chunk: Buffer) => {
      if (options.keepsBytes !== false) received.push(Buffer.from(chunk));
      options.onBytes?.();
    });
  });
  server.on('tlsClientError', () => undefined);
  server.on('clientError', (_failure: Error, socket: Socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    seen,
    connections: () => connections,
    received: () => Buffer.concat(received),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

/** A certificate of the upstreams' authority for a server that a test builds itself. */
export function mintFor(name: string): Pick<Leaf, 'certificate' | 'key'> {
  return minter.mint(name);
}
