import { TLSSocket } from 'node:tls';
import { LIMITS } from '../kernel/limits.ts';
import { normaliseHost } from '../policy/host.ts';
import { parseClientHello } from '../protocol/client-hello.ts';
import { classifyFirstBytes } from '../protocol/first-bytes.ts';
import type { GatewayCore } from './core.ts';
import { Wire, WireError } from './wire.ts';

export type FirstFlight =
  | { readonly kind: 'tls'; readonly sni: string | null; readonly ech: boolean }
  | { readonly kind: 'http' }
  /** Neither, or nothing at all: closed without a word. */
  | { readonly kind: 'other' };

/** Looks at a connection's first bytes and leaves them on the wire. */
export async function peekFirstFlight(wire: Wire, timeoutMs: number): Promise<FirstFlight> {
  const deadline = performance.now() + timeoutMs;
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const flight = classify(bytes);
    if (flight !== null) {
      wire.unread(bytes);
      return flight;
    }
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0 || bytes.length > LIMITS.clientHelloBytes) return { kind: 'other' };
    const more = await wire.read(remainingMs);
    if (more === null) return { kind: 'other' };
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
  }
}

/** Null while more bytes are needed. */
function classify(bytes: Buffer): FirstFlight | null {
  const first = classifyFirstBytes(bytes);
  if (first === 'need-more') return null;
  if (first !== 'tls') return { kind: first };
  const hello = parseClientHello(bytes);
  if (hello.kind === 'need-more') return null;
  if (hello.kind === 'invalid') return { kind: 'other' };
  if (hello.sni === null) return { kind: 'tls', sni: null, ech: hello.ech };
  const name = normaliseHost(hello.sni);
  return name.ok ? { kind: 'tls', sni: name.value, ech: hello.ech } : { kind: 'other' };
}

/** The agent's connection without its TLS, by the protocol that its client chose. */
export type Intercepted =
  { readonly kind: 'h2'; readonly socket: TLSSocket } | { readonly kind: 'http1'; readonly wire: Wire };

/** Ends the agent's TLS here, with a leaf of the bottle's CA for that name. */
export async function intercept(core: GatewayCore, wire: Wire, name: string): Promise<Intercepted> {
  const secureContext = core.leaves.contextFor(name);
  const socket = new TLSSocket(wire.release(), { isServer: true, secureContext, ALPNProtocols: ['h2', 'http/1.1'] });
  const chosen = await handshake(socket, core.timeouts.firstBytesTimeoutMs);
  core.tally.countHandshake('agent', socket.destroyed ? null : socket);
  // HTTP/2 set up on a socket that has gone would crash the process, or wait for its end for ever.
  if (socket.destroyed) throw new WireError('gone');
  if (chosen === 'h2') return { kind: 'h2', socket };
  return { kind: 'http1', wire: new Wire(socket, core.meter, { endMeansGone: true }) };
}

/** The protocol that both sides named, or anything else for HTTP/1.1; a handshake that fails leaves a socket that is gone. */
function handshake(socket: TLSSocket, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      socket.off('secure', finish);
      socket.off('close', finish);
      resolve(typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : null);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      finish();
    }, timeoutMs);
    socket.on('error', () => socket.destroy());
    socket.on('secure', finish);
    socket.on('close', finish);
  });
}
