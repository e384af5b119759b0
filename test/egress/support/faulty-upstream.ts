import { once } from 'node:events';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { Worker } from 'node:worker_threads';
import type { Leaf } from '../../../src/platform/tls-ca.ts';
import { block, END_HEADERS, END_STREAM, frame, settings, TYPE } from './frames.ts';
import { mintFor, type Origin } from './origin.ts';

/** What an upstream does after it has said something. */
export type Then = 'stays' | 'ends' | 'resets';

/** One thing that goes wrong. Bytes are text of one byte per character; for HTTP/2 they are frames of a stream. */
export type Fault =
  /** Instead of TLS: on the bare connection, once the first bytes have come. */
  | { readonly at: 'connect'; readonly says?: string; readonly then: Then }
  /** After so many bytes of the server's part of the handshake. */
  | { readonly at: 'tls'; readonly afterBytes: number; readonly then: Then }
  /** Once a request has begun to arrive: before a byte of the answer, or in the middle of it. */
  | { readonly at: 'answer'; readonly says: readonly string[]; readonly then: Then }
  /** The same in frames; `stream` is the one that was asked on. */
  | { readonly at: 'stream'; readonly says: (stream: number) => readonly Buffer[]; readonly then: Then };

export interface FaultyUpstream extends Origin {
  /** What goes wrong with connections and requests from now on; null for nothing. */
  fault: Fault | null;
  /** Another certificate for the connections to come; null for the right one. */
  readonly show: (leaf: Pick<Leaf, 'certificate' | 'key'> | null) => void;
}

/** A server that does one thing wrong for as long as it is told to, and answers `fine` otherwise. */
export async function startFaultyUpstream(name: string, protocol: 'h1' | 'h2'): Promise<FaultyUpstream> {
  const sockets = new Set<Socket>();
  const bare: Socket[] = [];
  const { certificate, key } = mintFor(name);
  const alpn = protocol === 'h2' ? 'h2' : 'http/1.1';
  const secure = createTlsServer({ cert: certificate, key, ALPNProtocols: [alpn], allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    const below = bare.find(({ remotePort }) => remotePort === socket.remotePort);
    if (below !== undefined) bareOf.set(socket, below);
    if (protocol === 'h2') serveStreams(socket, upstream);
    else serveText(socket, upstream);
  });
  secure.on('tlsClientError', () => undefined);
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  let connections = 0;
  const server = createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const { fault } = upstream;
    if (fault?.at === 'connect') {
      if (fault.says !== undefined) socket.write(fault.says, 'latin1');
      socket.once('data', () => {
        finish(socket, fault.then);
      });
      return;
    }
    if (fault?.at === 'tls') {
      cutAfter(socket, (secure.address() as AddressInfo).port, fault);
      return;
    }
    bare.push(socket);
    secure.emit('connection', socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: FaultyUpstream = {
    fault: null,
    show(leaf) {
      const shown = leaf ?? { certificate, key };
      secure.setSecureContext({ cert: shown.certificate, key: shown.key });
    },
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    seen: [],
    connections: () => connections,
    received: () => Buffer.alloc(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      secure.close();
      await once(server, 'close');
    },
  };
  return upstream;
}

function finish(socket: Socket, then: Then): void {
  if (then === 'ends') socket.end();
  if (then === 'resets') resetUnder(socket);
}

/** A reset of the connection below, whatever lies on it. */
function resetUnder(socket: Socket): void {
  (bareOf.get(socket) ?? socket).resetAndDestroy();
}

const bareOf = new WeakMap<Socket, Socket>();

/** Lets so many bytes of what the server writes through, and no more. */
function cutAfter(socket: Socket, port: number, { afterBytes, then }: Extract<Fault, { readonly at: 'tls' }>): void {
  const server = connect(port, '127.0.0.1');
  server.on('error', () => undefined);
  socket.pipe(server);
  socket.on('close', () => server.destroy());
  let left = afterBytes;
  server.on('data', (chunk: Buffer) => {
    if (left === 0) return;
    const part = chunk.subarray(0, left);
    left -= part.length;
    socket.write(part, () => {
      if (left === 0) finish(socket, then);
    });
  });
}

const FINE = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine';

function serveText(socket: TLSSocket, upstream: FaultyUpstream): void {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (!text.includes('\r\n\r\n')) return;
    text = '';
    const { fault } = upstream;
    if (fault?.at !== 'answer') {
      if (fault === null) socket.write(FINE);
      return;
    }
    void say(socket, fault.says).then(() => {
      finish(socket, fault.then);
    });
  });
}

/** Piece by piece, each for itself on the wire. */
async function say(socket: Socket, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.write(piece, 'latin1', () => {
        setTimeout(resolve, 2);
      });
    });
  }
}

function serveStreams(socket: TLSSocket, upstream: FaultyUpstream): void {
  let bytes = Buffer.alloc(0);
  let preface = 24;
  socket.write(settings());
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const skipped = Math.min(preface, bytes.length);
    preface -= skipped;
    bytes = bytes.subarray(skipped);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const length = bytes.readUIntBE(0, 3);
      if (bytes[3] === TYPE.headers) answerStream(socket, bytes.readUInt32BE(5), upstream.fault);
      bytes = bytes.subarray(9 + length);
    }
  });
}

function answerStream(socket: TLSSocket, stream: number, fault: Fault | null): void {
  if (fault === null) {
    socket.write(
      frame(
        TYPE.headers,
        END_HEADERS,
        stream,
        block([
          [':status', '200'],
          ['content-length', '4'],
        ]),
      ),
    );
    socket.write(frame(TYPE.data, END_STREAM, stream, Buffer.from('fine')));
  }
  if (fault?.at !== 'stream') return;
  socket.write(Buffer.concat(fault.says(stream)), () => {
    finish(socket, fault.then);
  });
}

/** A listener whose queue is full and that takes nothing out of it: connecting to it never ends. */
export async function startUnreachable(): Promise<Pick<Origin, 'address' | 'port'> & AsyncDisposable> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer();
     server.listen(0, '127.0.0.1', 1, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     });`,
    { eval: true },
  );
  const [port] = (await once(worker, 'message')) as [number];

  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await once(fillers[0] ?? worker, 'connect');
  return {
    address: '127.0.0.1',
    port,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}
