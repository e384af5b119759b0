import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import os from 'node:os';

/**
 * Host-side listeners that the probe knocks at (SECURITY S4): on every address of this host, over TCP and UDP, and an
 * abstract unix socket. A wall that holds lets none of them see anything, whatever the inside reports.
 */
export interface Judges extends AsyncDisposable {
  readonly addresses: readonly string[];
  /** What was seen, after everything that was sent has arrived. */
  verdict(): Promise<readonly string[]>;
}

const FLUSH = 'flush';

export async function openJudges(nonce: string): Promise<Judges> {
  const seen: string[] = [];
  const servers: net.Server[] = [];
  const sockets: dgram.Socket[] = [];
  const addresses: string[] = [];
  for (const host of hostAddresses()) {
    const server = await listen({ host, port: 0 }, `tcp ${host}`, seen);
    const bound = server?.address();
    if (server === null || bound === null || typeof bound !== 'object') continue;
    servers.push(server);
    addresses.push(`tcp ${host} ${String(bound.port)}`);
    const socket = await receive(host, seen);
    sockets.push(socket);
    addresses.push(`udp ${host} ${String(socket.address().port)}`);
  }
  const name = `bot-bottle-judge-${nonce}`;
  const abstract = await listen({ path: `\0${name}` }, `unix @${name}`, seen);
  if (abstract !== null) {
    servers.push(abstract);
    addresses.push(`unix ${name}`);
  }
  return {
    addresses,
    verdict: async () => {
      await Promise.all(sockets.map(flush));
      return [...seen];
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.close();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

/** Link-local addresses need a zone to be reached, and can't be reached from another namespace without one. */
function hostAddresses(): readonly string[] {
  const all = Object.values(os.networkInterfaces()).flatMap((entries) => entries ?? []);
  return [...new Set(all.map(({ address }) => address))].filter((address) => !address.startsWith('fe80'));
}

async function listen(options: net.ListenOptions, name: string, seen: string[]): Promise<net.Server | null> {
  const server = net.createServer((socket) => {
    seen.push(name);
    socket.destroy();
  });
  server.listen(options);
  try {
    await once(server, 'listening');
    return server;
  } catch (failure) {
    // An address that was taken away between being listed and being bound judges nothing.
    if (failure instanceof Error && 'code' in failure && failure.code === 'EADDRNOTAVAIL') return null;
    throw failure;
  }
}

async function receive(host: string, seen: string[]): Promise<dgram.Socket> {
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('message', (message) => {
    if (message.toString() !== FLUSH) seen.push(`udp ${host}`);
  });
  socket.bind(0, host);
  await once(socket, 'listening');
  return socket;
}

/** Datagrams on one host arrive in order: once our own is there, so is everything that was sent before. */
async function flush(socket: dgram.Socket): Promise<void> {
  const { address, port } = socket.address();
  const arrived = new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      if (message.toString() === FLUSH) resolve();
    });
  });
  socket.send(FLUSH, port, address);
  await arrived;
}
