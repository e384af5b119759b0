import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { settings, TYPE } from './frames.ts';
import { mintFor, type Origin } from './origin.ts';

export interface FramesOrigin extends Origin {
  /** What the next connections say once a request's HEADERS have come, and whether they end then. */
  says: { readonly bytes: readonly Buffer[]; readonly ends: boolean };
}

/** A server that speaks HTTP/2 frame by frame. */
export async function startFrames(name: string, bytes: readonly Buffer[] = []): Promise<FramesOrigin> {
  const { certificate, key } = mintFor(name);
  const sockets = new Set<TLSSocket>();
  let connections = 0;
  const origin: FramesOrigin = {
    address: '127.0.0.1',
    port: 0,
    seen: [],
    says: { bytes, ends: false },
    connections: () => connections,
    received: () => Buffer.alloc(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  const server = createServer({ cert: certificate, key, ALPNProtocols: ['h2'] }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.write(settings());
    let received = Buffer.alloc(0);
    let said = false;
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (said || !hasHeaders(received.subarray(24))) return;
      said = true;
      socket.write(Buffer.concat(origin.says.bytes));
      if (origin.says.ends) socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(origin, { port: (server.address() as AddressInfo).port });
}

function hasHeaders(frames: Buffer): boolean {
  let rest = frames;
  while (rest.length >= 9) {
    if (rest[3] === TYPE.headers) return true;
    rest = rest.subarray(9 + rest.readUIntBE(0, 3));
  }
  return false;
}
