import { createServer as createSecureServer } from 'node:https';
import { createSecureServer as createH2Server } from 'node:http2';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { readFileSync } from 'node:fs';

/**
 * The upstream of every contender, in a process of its own: small answers, a big download, an upload that is read and
 * thrown away, a stream of events at 1 kHz, and a WebSocket that sends back what it gets. Prints its ports as one line
 * of JSON.
 */
const [, , certificate = '', key = ''] = process.argv;
const tls = { cert: readFileSync(certificate), key: readFileSync(key) };

const SMALL = Buffer.alloc(512, 'a');
const BLOCK = Buffer.alloc(256 * 1024, 'b');

function serve(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'https://origin');
  switch (url.pathname) {
    case '/small':
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': SMALL.length });
      response.end(SMALL);
      return;
    case '/download':
      download(response, Number(url.searchParams.get('bytes')));
      return;
    case '/upload':
      request.resume();
      request.once('end', () => {
        response.writeHead(200, { 'content-length': 2 });
        response.end('ok');
      });
      return;
    case '/events':
      events(response, Number(url.searchParams.get('count')));
      return;
    default:
      response.writeHead(404, { 'content-length': 0 });
      response.end();
  }
}

function download(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const block = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
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

/** One event a millisecond, each with the moment it was sent: both ends are on one machine and read one clock. */
function events(response: ServerResponse, count: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(`data: ${String(process.hrtime.bigint())}\n\n`);
    sent += 1;
    if (sent < count) return;
    clearInterval(timer);
    response.end();
  }, 1);
  response.once('close', () => {
    clearInterval(timer);
  });
}

/** RFC 6455, as far as a benchmark needs it: frames under 126 bytes, echoed unmasked. */
function echo(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let held = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const length = (held[1] ?? 0) & 0x7f;
      if (held.length < 6 + length || held.length < 2) return;
      const opcode = (held[0] ?? 0) & 0x0f;
      const mask = held.subarray(2, 6);
      const payload = Buffer.from(held.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
      held = held.subarray(6 + length);
      if (opcode === 8) {
        socket.end();
        return;
      }
      socket.write(Buffer.concat([Buffer.from([0x82, length]), payload]));
    }
  });
}

const h1 = createSecureServer({ ...tls, ALPNProtocols: ['http/1.1'] }, serve);
h1.on('upgrade', echo);
h1.keepAliveTimeout = 60_000;
const h2 = createH2Server(tls, (request, response) => {
  if (request.url === '/small') {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': SMALL.length });
    response.end(SMALL);
    return;
  }
  response.writeHead(404);
  response.end();
});
const port = (server: { address(): unknown }): number => (server.address() as { port: number }).port;
h1.listen(0, '127.0.0.1', () => {
  h2.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ h1: port(h1), h2: port(h2) })}\n`);
  });
});
