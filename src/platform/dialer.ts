import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { assertNever } from '../kernel/assert-never.ts';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Secret } from '../kernel/secret.ts';
import { checkAddresses } from '../policy/address.ts';
import { matchesHost, type HostPattern } from '../policy/host.ts';
import type { Permit } from '../policy/permit.ts';
import type { Dialer, DialFailure, UpstreamProtocol } from '../ports/dialer.ts';
import type { Resolver } from '../ports/resolver.ts';
import type { UpstreamProxy } from '../schema/upstream-proxy.ts';
import { connectAny, type Endpoint } from './connect-any.ts';
import { openTunnel } from './proxy-tunnel.ts';
import { reveal } from './reveal.ts';
import { settled } from './settled-socket.ts';
import { SessionCache } from './tls-sessions.ts';

/** The operator's proxy, ready to be asked. */
export interface DialerProxy extends Omit<UpstreamProxy, 'noProxy'> {
  readonly noProxy: readonly HostPattern[];
  /** `user:password`, or null. */
  readonly login: Secret | null;
}

export interface DialerParts {
  readonly resolver: Resolver;
  /** Shared by every connection: building one costs tens of milliseconds. */
  readonly trust: () => SecureContext;
  readonly proxy?: () => DialerProxy | null;
  readonly connectTimeoutMs?: number;
}

/** Resolves, checks and connects in one place: the address that was checked is the address that is dialled (S21). */
export function createDialer(parts: DialerParts): Dialer<Socket> {
  const timeoutMs = parts.connectTimeoutMs ?? LIMITS.upstreamConnectTimeoutMs;
  const sessions = new SessionCache(LIMITS.tlsSessions);
  return {
    async dial(permit, protocols = ['http/1.1']) {
      const proxy = proxyFor(permit, parts.proxy?.() ?? null);
      const connected =
        proxy === null
          ? await connectDirectly(permit, parts, timeoutMs)
          : await connectBehind(proxy, permit, parts, timeoutMs);
      if (!connected.ok) return connected;
      switch (permit.scheme) {
        case 'http':
        case 'passthrough':
          return connected;
        case 'https': {
          const tls = { host: permit.host, secureContext: parts.trust(), protocols };
          return secure(connected.value, tls, timeoutMs, { sessions, key: sessionKey(permit, protocols) });
        }
        default:
          return assertNever(permit.scheme);
      }
    },
  };
}

async function connectDirectly(
  permit: Permit,
  { resolver }: DialerParts,
  timeoutMs: number,
): Promise<Result<Socket, DialFailure>> {
  const endpoints = await endpointsFor(permit, resolver);
  return endpoints.ok ? connectAny(endpoints.value, timeoutMs, openTcp) : endpoints;
}

function proxyFor({ host }: Permit, proxy: DialerProxy | null): DialerProxy | null {
  return proxy === null || proxy.noProxy.some((pattern) => matchesHost(pattern, host)) ? null : proxy;
}

/** The proxy is the operator's own, at whatever address; what it is asked for has been checked like any other (S21). */
async function connectBehind(
  proxy: DialerProxy,
  permit: Permit,
  parts: DialerParts,
  timeoutMs: number,
): Promise<Result<Socket, DialFailure>> {
  const targets =
    proxy.resolves && permit.resolveTo === null ? ok(named(permit)) : await endpointsFor(permit, parts.resolver);
  if (!targets.ok) return targets;
  let failure: DialFailure = { status: 502, reason: 'upstream_unreachable', detail: 'the name has no address' };
  for (const target of targets.value) {
    const connected = await connectProxy(proxy, parts, timeoutMs);
    if (!connected.ok) return connected;
    const authorization = proxy.login === null ? null : `Basic ${base64(reveal(proxy.login, 'inject'))}`;
    const tunnel = await openTunnel(
      connected.value,
      { host: target.address, port: target.port },
      authorization,
      timeoutMs,
    );
    if (tunnel.ok) return tunnel;
    failure = tunnel.error;
  }
  return err(failure);
}

/** With `proxy_resolves` the name itself is sent: what it means is then the proxy's word. */
function named({ host, port }: Permit): readonly Endpoint[] {
  return [{ address: host, port }];
}

async function connectProxy(
  proxy: DialerProxy,
  parts: DialerParts,
  timeoutMs: number,
): Promise<Result<Socket, DialFailure>> {
  const answers = isIP(proxy.host) === 0 ? await parts.resolver.resolve(proxy.host) : ok([proxy.host]);
  if (!answers.ok) {
    return err({
      status: 502,
      reason: 'resolve_failed',
      detail: `the upstream proxy's name does not resolve (${answers.error})`,
    });
  }
  const endpoints = answers.value.map((address) => ({ address, port: proxy.port }));
  const connected = await connectAny(endpoints, timeoutMs, openTcp);
  if (!connected.ok) return err({ ...connected.error, detail: `the upstream proxy: ${connected.error.detail}` });
  if (proxy.scheme === 'http') return connected;
  const tls = { host: proxy.host, secureContext: parts.trust(), protocols: ['http/1.1'] as const };
  return secure(connected.value, tls, timeoutMs, null);
}

async function endpointsFor(permit: Permit, resolver: Resolver): Promise<Result<readonly Endpoint[], DialFailure>> {
  if (permit.resolveTo !== null) {
    const separator = permit.resolveTo.lastIndexOf(':');
    const address = permit.resolveTo.slice(0, separator).replace(/^\[|\]$/g, '');
    return ok([{ address, port: Number(permit.resolveTo.slice(separator + 1)) }]);
  }
  const answers = isIP(permit.host) === 0 ? await resolver.resolve(permit.host) : ok([permit.host]);
  if (!answers.ok) {
    return err({ status: 502, reason: 'resolve_failed', detail: `the name does not resolve (${answers.error})` });
  }
  const checked = checkAddresses(permit, answers.value, hostAddresses());
  if (!checked.ok) return err({ status: 403, reason: 'address_refused', detail: checked.error });
  return ok(checked.value.map((address) => ({ address, port: permit.port })));
}

function openTcp({ address, port }: Endpoint): Socket {
  // Nagle's algorithm would hold a request's last segment for the peer's delayed acknowledgement.
  return connectTcp({ host: address, port, noDelay: true });
}

function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map((entry) => entry.address));
}

/** A session is resumed only where a connection could be reused: same name, address, route and generation (S23). */
function sessionKey(permit: Permit, protocols: readonly UpstreamProtocol[]): string {
  const { host, port, resolveTo, routeId, generation } = permit;
  return [host, port, resolveTo ?? '', routeId, generation, protocols.join()].join('\n');
}

interface TlsWish {
  readonly host: string;
  readonly secureContext: SecureContext;
  readonly protocols: readonly UpstreamProtocol[];
}

/** RFC 7301, 3.2, as OpenSSL tells of it. */
const NO_PROTOCOL = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';

function secure(
  socket: Socket,
  { host, secureContext, protocols }: TlsWish,
  timeoutMs: number,
  resume: { readonly sessions: SessionCache; readonly key: string } | null,
): Promise<Result<Socket, DialFailure>> {
  // Failures show on the wrapper; the bare socket must not end the process on a reset of its own.
  socket.on('error', () => socket.destroy());
  const name = isIP(host) === 0 ? { servername: host } : { host };
  const session = resume?.sessions.take(resume.key);
  const encrypted = connectTls({
    socket,
    secureContext,
    ALPNProtocols: [...protocols],
    rejectUnauthorized: true,
    ...(session === undefined ? {} : { session }),
    ...name,
  });
  if (resume !== null) {
    encrypted.on('session', (ticket) => {
      // A resumed session is not asked for its name again: only one whose certificate was found right is kept.
      if (encrypted.authorized) resume.sessions.put(resume.key, ticket);
    });
  }
  return settled(encrypted, 'secureConnect', timeoutMs, (code) => ({
    status: 502,
    reason: 'upstream_tls',
    detail: `the upstream's TLS was not accepted (${code})`,
    ...(code === NO_PROTOCOL ? { otherProtocol: true } : {}),
  }));
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
