import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BottleError } from '../kernel/errors.ts';
import { loopbackPeer } from '../platform/loopback-peer.ts';
import { bracketed, isLoopbackHost } from '../policy/host.ts';
import { EXPOSITION_TYPE } from '../protocol/prometheus.ts';

export interface MetricsListener extends AsyncDisposable {
  readonly url: string;
}

const PATH = '/metrics';
/** A scraper is one, and asks for one page at a time. */
const MOST_CONNECTIONS = 16;
const REQUEST_MS = 5_000;

/**
 * Metrics for a Prometheus on this machine: plain HTTP on loopback, for the operator's own processes and for nobody
 * else's (SECURITY S6). A page in a browser that names us by another name is answered with 403, so that a name that is
 * made to point here reads nothing.
 */
export async function openMetricsListener(
  listen: { readonly host: string; readonly port: number },
  collect: () => Promise<string>,
): Promise<MetricsListener> {
  if (!isLoopbackHost(listen.host)) {
    throw new BottleError('usage', {
      message: `metrics are told on loopback only, and ${listen.host} is not`,
      hint: '127.0.0.1:9464',
    });
  }
  const server = createServer((request, response) => {
    void answer(request, response, collect);
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.headersTimeout = REQUEST_MS;
  server.requestTimeout = REQUEST_MS;
  server.prependListener('connection', (socket: Socket) => {
    if (loopbackPeer(socket) !== process.getuid?.()) socket.destroy();
  });
  const port = await listening(server, listen);
  return {
    url: `http://${bracketed(listen.host)}:${String(port)}${PATH}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new BottleError('listen_failed', { message: `can't listen on ${host}:${String(port)}`, cause }));
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  collect: () => Promise<string>,
): Promise<void> {
  const { method, url = '', headers } = request;
  // Nothing that is sent is of use here, and what is not read must not stay.
  response.setHeader('connection', 'close');
  response.setHeader('cache-control', 'no-store');
  if (!namesLoopback(headers.host ?? '')) {
    say(response, 403, 'This answers to its own address only.\n');
  } else if (url.split('?')[0] !== PATH) {
    say(response, 404, `There is ${PATH} here, and nothing else.\n`);
  } else if (method !== 'GET' && method !== 'HEAD') {
    say(response, 405, 'GET it.\n');
  } else {
    try {
      const text = await collect();
      say(response, 200, text, EXPOSITION_TYPE);
    } catch (failure) {
      say(response, 503, `${failure instanceof Error ? failure.message : 'failed'}\n`);
    }
  }
}

function say(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function namesLoopback(host: string): boolean {
  const name = /^(?:\[([0-9a-f:.]+)\]|([^:]+))(?::\d{1,5})?$/i.exec(host);
  return isLoopbackHost(name?.[1] ?? name?.[2] ?? '');
}
