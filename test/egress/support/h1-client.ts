import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Seen } from './ledger.ts';

/** Where a gateway is, and what its clients trust. */
export interface GatewayAddress {
  readonly proxyPort: number;
  readonly ca: string;
}

/** One connection that asks one thing after the other, with as little work as possible: thousands a second are wanted. */
export class H1Connection {
  readonly socket: Socket;
  readonly #tcp: Socket;
  #text = '';
  #waiting: ((seen: Seen) => void) | null = null;
  #over = false;
  /** Ends the wait when this text has come, rather than at the end of the answer. */
  #until: string | null = null;

  /** `tcp`: what carries the socket, where that is TLS. */
  constructor(socket: Socket, tcp: Socket = socket) {
    this.socket = socket;
    this.#tcp = tcp;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#look();
    });
    socket.on('error', () => undefined);
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.#over = true;
        this.#finish(this.#text === '' ? { kind: 'closed' } : { kind: 'cut', status: statusOf(this.#text) });
      });
    }
  }

  /** False when the connection can carry no further request. */
  get open(): boolean {
    return !this.#over;
  }

  ask(bytes: string, until: string | null = null): Promise<Seen> {
    if (this.#over) return Promise.resolve({ kind: 'closed' });
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#until = until;
      this.socket.write(bytes, 'latin1');
    });
  }

  /** Resets the connection under whatever is going on. */
  leave(): void {
    this.#finish({ kind: 'left' });
    this.#tcp.resetAndDestroy();
  }

  #look(): void {
    if (this.#waiting === null) return;
    if (this.#until !== null) {
      if (this.#text.includes(this.#until)) this.#finish(answered(this.#text));
      return;
    }
    const end = this.#text.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = this.#text.slice(0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const whole =
      length === undefined ? this.#text.endsWith('\r\n0\r\n\r\n') : this.#text.length >= end + 4 + Number(length);
    if (!whole) return;
    if (/\r\nconnection: close/i.test(head)) this.#over = true;
    this.#finish(answered(head));
  }

  #finish(seen: Seen): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#until = null;
    this.#text = '';
    waiting?.(seen);
  }
}

function answered(text: string): Seen {
  const reason = /\r\nx-bot-bottle-reason: ([^\r]*)/i.exec(text)?.[1];
  return { kind: 'answered', status: statusOf(text), reason };
}

function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

export async function openProxy({ proxyPort }: GatewayAddress): Promise<H1Connection> {
  const socket = connectTcp({ port: proxyPort, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return new H1Connection(socket);
}

type Opened = { readonly socket: Socket; readonly tcp: Socket } | { readonly socket: null; readonly seen: Seen };

/** TLS to a host by a CONNECT; what came instead of it when there is none. */
export async function openTunnelled(gateway: GatewayAddress, host: string, alpn: string): Promise<Opened> {
  const tunnel = await openProxy(gateway);
  const seen = await tunnel.ask(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`, '\r\n\r\n');
  if (seen.kind !== 'answered' || seen.status !== 200) {
    tunnel.socket.destroy();
    return { socket: null, seen };
  }
  const { socket: tcp } = tunnel;
  for (const event of ['data', 'end', 'close'] as const) tcp.removeAllListeners(event);
  const encrypted = connectTls({ socket: tcp, servername: host, ca: gateway.ca, ALPNProtocols: [alpn] });
  encrypted.on('error', () => undefined);
  const { promise, resolve } = Promise.withResolvers<Opened>();
  encrypted.once('secureConnect', () => {
    resolve({ socket: encrypted, tcp });
  });
  encrypted.once('close', () => {
    resolve({ socket: null, seen: { kind: 'closed' } });
  });
  return promise;
}
