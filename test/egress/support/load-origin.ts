import { once } from 'node:events';
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { mintFor } from './origin.ts';

/** Upstreams for much traffic: they answer and keep nothing. */
export interface LoadOrigin extends AsyncDisposable {
  /** `host:port` → where the origin that plays it listens. */
  readonly resolve: Readonly<Record<string, { readonly address: string; readonly port: number }>>;
}

const ANSWER = 'a'.repeat(300);

/** Each host speaks HTTP/1.1 or, if its name begins with `h2`, HTTP/2; all speak HTTP/1.1 in clear on port 80. */
export async function startLoadOrigin(hosts: readonly string[]): Promise<LoadOrigin> {
  const sockets = new Set<Socket>();
  const servers: (HttpServer | Http2SecureServer)[] = [];
  const resolve: Record<string, { address: string; port: number }> = {};
  const listen = async (server: HttpServer | Http2SecureServer, names: readonly string[]): Promise<void> => {
    servers.push(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { address, port } = server.address() as AddressInfo;
    for (const name of names) resolve[name] = { address, port };
  };
  for (const host of hosts) {
    const { certificate: cert, key } = mintFor(host);
    if (host.startsWith('h2')) await listen(http2Server(cert, key), [`${host}:443`]);
    else {
      const server = createHttps({ cert, key }, answer);
      const webSockets = new WebSocketServer({ server, perMessageDeflate: true });
      webSockets.on('connection', (client) => {
        client.on('error', () => undefined);
        client.on('message', (data) => {
          client.send(data, { binary: false });
        });
      });
      await listen(server, [`${host}:443`]);
    }
  }
  await listen(
    createHttp(answer),
    hosts.map((host) => `${host}:80`),
  );
  return {
    resolve,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  request.resume();
  request.on('end', () => {
    if (request.headers['x-kind'] !== 'sse') {
      response.writeHead(200, { 'content-length': String(ANSWER.length) });
      response.end(ANSWER);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let events = 0;
    const next = (): void => {
      events += 1;
      response.write(`data: ${String(events)}\n\n`);
      if (events < 5) setImmediate(next);
      else response.end();
    };
    next();
  });
}

function http2Server(cert: string, key: string): Http2SecureServer {
  // Many streams are reset here on purpose, which a server takes for an attack unless told otherwise.
  const server = createSecureServer({
    cert,
    key,
    ALPNProtocols: ['h2'],
    streamResetBurst: 100_000,
    streamResetRate: 10_000,
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    stream.resume();
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200 });
      stream.end(ANSWER);
    });
  });
  return server;
}
