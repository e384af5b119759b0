/** The demo's own servers: TLS on loopback, under an authority that nothing else knows, and they note what they see. */
import https from 'node:https';
import { systemClock } from '../src/platform/clock.ts';
import { createBottleCa, createLeafMinter, type BottleCa } from '../src/platform/tls-ca.ts';

export interface DemoServer extends AsyncDisposable {
  readonly port: number;
  /** `address:port`, as settings write it. */
  readonly address: string;
  /** One for each request. */
  readonly authorizations: readonly string[];
  /** Heads and bodies, as text. */
  readonly texts: readonly string[];
  /** Connections that were made, whether or not they got as far as a request. */
  readonly connections: number;
}

export function demoAuthority(): BottleCa {
  return createBottleCa(systemClock, 'demo');
}

export async function serveDemo(authority: BottleCa, name: string, answer: string): Promise<DemoServer> {
  const { certificate, key } = createLeafMinter(authority, systemClock).mint(name);
  const authorizations: string[] = [];
  const texts: string[] = [];
  let connections = 0;
  const server = https.createServer({ cert: certificate, key }, (request, response) => {
    authorizations.push(request.headers.authorization ?? '');
    texts.push(`${request.method ?? ''} ${request.url ?? ''} ${JSON.stringify(request.rawHeaders)}`);
    request.on('data', (chunk: Buffer) => texts.push(chunk.toString()));
    request.on('end', () => response.end(answer));
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address and a port');
  return {
    port: address.port,
    address: `${address.address}:${String(address.port)}`,
    authorizations,
    texts,
    get connections() {
      return connections;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
