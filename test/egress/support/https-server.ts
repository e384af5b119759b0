import { once } from 'node:events';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { mintFor } from './origin.ts';

export interface HttpsServer extends AsyncDisposable {
  readonly server: Server;
  readonly address: string;
  readonly port: number;
  /** The same handler without TLS. */
  readonly plain: { readonly address: string; readonly port: number };
}

/** A server that keeps nothing of what it is asked. */
export async function startHttpsServer(name: string, handler: RequestListener): Promise<HttpsServer> {
  const { certificate, key } = mintFor(name);
  const server = createServer({ cert: certificate, key }, handler);
  const plain = createHttp(handler);
  const ports: number[] = [];
  for (const each of [server, plain]) {
    each.on('clientError', (_failure, socket) => socket.destroy());
    each.listen(0, '127.0.0.1');
    await once(each, 'listening');
    ports.push((each.address() as AddressInfo).port);
  }
  return {
    server,
    address: '127.0.0.1',
    port: ports[0] ?? 0,
    plain: { address: '127.0.0.1', port: ports[1] ?? 0 },
    async [Symbol.asyncDispose]() {
      for (const each of [server, plain]) {
        each.closeAllConnections();
        each.close();
        await once(each, 'close');
      }
    },
  };
}
