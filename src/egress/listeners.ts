import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { EgressRole } from '../schema/plan.ts';
import { serveHttp, serveTransparentTls } from './connection.ts';
import type { GatewayCore } from './core.ts';
import type { DnsAnswerer } from './dns.ts';
import type { PeerGuard } from './peer-guard.ts';
import { Wire, WireError } from './wire.ts';

/** A listening socket that was handed over, or an address to listen on ourselves. */
export type GatewayListener = { readonly role: EgressRole } & (
  { readonly fd: number } | { readonly host: string; readonly port: number }
);

export interface ListenerAddress {
  readonly role: EgressRole;
  readonly host: string;
  readonly port: number;
}

type Serve = (wire: Wire) => Promise<void>;

/** The gateway's sockets towards the bottle. Handed-over descriptors stay the launcher's: closing ours keeps its own. */
export class Listeners {
  readonly #core: GatewayCore;
  readonly #dns: DnsAnswerer;
  readonly #guard: PeerGuard | null;
  readonly #servers: Server[] = [];
  readonly #udpSockets: UdpSocket[] = [];
  readonly #connections = new Set<Socket>();
  readonly addresses: ListenerAddress[] = [];
  #onSettled: (() => void) | null = null;

  constructor(core: GatewayCore, dns: DnsAnswerer, guard: PeerGuard | null) {
    this.#core = core;
    this.#dns = dns;
    this.#guard = guard;
  }

  async open(listener: GatewayListener): Promise<void> {
    const { role } = listener;
    switch (role) {
      case 'proxy':
        return this.#openTcp(listener, (socket) => {
          this.#accept(socket, (wire) => serveHttp(this.#core, wire, { kind: 'proxy' }));
        });
      case 'http':
        return this.#openTcp(listener, (socket) => {
          this.#accept(socket, (wire) => serveHttp(this.#core, wire, { kind: 'transparent-http' }));
        });
      case 'tls':
        return this.#openTcp(listener, (socket) => {
          this.#accept(socket, (wire) => serveTransparentTls(this.#core, wire));
        });
      case 'dns-tcp':
        return this.#openTcp(listener, (socket) => {
          this.#dns.serveTcp(socket);
        });
      case 'dns-udp':
        return this.#openUdp(listener);
    }
  }

  stopAccepting(): void {
    for (const server of this.#servers.splice(0)) server.close();
    for (const socket of this.#udpSockets.splice(0)) socket.close();
    this.#dns[Symbol.dispose]();
  }

  /** Resolves when the last connection has ended; at the deadline the rest is cut. */
  async settled(deadlineMs: number): Promise<void> {
    if (this.#connections.size === 0) return;
    const quiet = new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
    const timer = setTimeout(() => {
      for (const socket of this.#connections) socket.destroy();
    }, deadlineMs);
    await quiet;
    clearTimeout(timer);
  }

  async #openTcp(listener: GatewayListener, onConnection: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(listenFailed(listener.role, cause));
      });
      server.listen('fd' in listener ? { fd: listener.fd } : { host: listener.host, port: listener.port }, resolve);
    });
    const address = server.address();
    if (address !== null && typeof address === 'object') {
      this.addresses.push({ role: listener.role, host: address.address, port: address.port });
    }
  }

  async #openUdp(listener: GatewayListener): Promise<void> {
    const socket = createSocket('udp4');
    this.#udpSockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => {
        reject(listenFailed(listener.role, cause));
      });
      socket.bind('fd' in listener ? { fd: listener.fd } : { address: listener.host, port: listener.port }, resolve);
    });
    socket.removeAllListeners('error');
    // An asker that is gone by the time of the answer shows here; there is nobody to tell.
    socket.on('error', () => undefined);
    const { address, port } = socket.address();
    this.addresses.push({ role: listener.role, host: address, port });
    this.#dns.serveUdp(socket);
  }

  #accept(socket: Socket, serve: Serve): void {
    const { tally, meter } = this.#core;
    if (this.#connections.size >= LIMITS.openConnections) {
      tally.connectionsDropped += 1;
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    tally.connections += 1;
    tally.openConnections += 1;
    this.#connections.add(socket);
    const wire = new Wire(socket, meter);
    this.#admit(socket)
      .then((admitted) => {
        if (admitted) return serve(wire);
        tally.connectionsDropped += 1;
        return undefined;
      })
      .catch((failure: unknown) => {
        // A peer that goes away is everyday; anything else is ours, and its connection ends here, closed.
        if (!(failure instanceof WireError)) this.#core.onBug(failure);
      })
      .finally(() => {
        wire.destroy();
        tally.openConnections -= 1;
        this.#connections.delete(socket);
        if (this.#connections.size === 0) this.#onSettled?.();
      });
  }

  async #admit(socket: Socket): Promise<boolean> {
    return this.#guard === null || (await this.#guard.allows(socket));
  }
}

function listenFailed(role: EgressRole, cause: Error): BottleError {
  return new BottleError('listen_failed', { message: `the gateway's ${role} listener could not be opened`, cause });
}
