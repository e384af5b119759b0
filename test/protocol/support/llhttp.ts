import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';

/** What Node's own parser (llhttp) made of one message, with what stood behind it. */
export interface Reading {
  readonly first: string;
  readonly body: string;
  /** The target of a second request in the same bytes; null when none was seen. */
  readonly next: string | null;
}

const OPTIONS = { maxHeaderSize: 256 * 1024, requireHostHeader: true, insecureHTTPParser: false } as const;

/** An HTTP server that says what it reads; one connection per question. */
export class LlhttpServer implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #port: number;
  readonly #seen = new Map<number, { method: string; url: string; body: string }[]>();

  private constructor(server: http.Server, port: number) {
    this.#server = server;
    this.#port = port;
    const note = (request: http.IncomingMessage): { body: string } => {
      const entry = { method: request.method ?? '', url: request.url ?? '', body: '' };
      const port = request.socket.remotePort ?? 0;
      this.#seen.set(port, [...(this.#seen.get(port) ?? []), entry]);
      return entry;
    };
    const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      const entry = note(request);
      request.on('data', (block: Buffer) => {
        entry.body += block.toString('latin1');
      });
      request.on('end', () => response.end());
    };
    server.on('request', answer).on('checkExpectation', answer);
    server.on('connect', (request: http.IncomingMessage, socket) => {
      note(request);
      socket.end();
    });
    server.on('clientError', (_failure, socket) => socket.destroy());
  }

  static async start(): Promise<LlhttpServer> {
    const server = http.createServer(OPTIONS);
    server.maxHeadersCount = 0;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new LlhttpServer(server, (server.address() as AddressInfo).port);
  }

  /** Null when it refused the message or never saw its end. */
  async read(bytes: Uint8Array): Promise<Reading | null> {
    const socket = net.connect(this.#port, '127.0.0.1');
    await once(socket, 'connect');
    const port = socket.localPort ?? 0;
    socket.on('error', () => socket.destroy());
    socket.resume();
    const closed = once(socket, 'close');
    socket.end(bytes);
    await closed;
    const [first, next] = this.#seen.get(port) ?? [];
    this.#seen.delete(port);
    return first === undefined
      ? null
      : { first: `${first.method} ${first.url}`, body: first.body, next: next?.url ?? null };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** What Node's client makes of an answer to one request; the peer then closes. Null when it refused it. */
export async function readAnswer(bytes: Uint8Array, method: string): Promise<{ status: number; body: string } | null> {
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise((resolve) => {
      const request = http.request({
        port,
        host: '127.0.0.1',
        method,
        path: '/',
        agent: false,
        maxHeaderSize: OPTIONS.maxHeaderSize,
      });
      request.on('error', () => {
        resolve(null);
      });
      request.on('response', (response) => {
        let body = '';
        response.on('data', (block: Buffer) => (body += block.toString('latin1')));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body });
        });
        response.on('error', () => {
          resolve(null);
        });
      });
      request.end();
    });
  } finally {
    server.close();
    await once(server, 'close');
  }
}
