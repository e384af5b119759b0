import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { assertNever } from '../kernel/assert-never.ts';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { checkAddresses } from '../policy/address.ts';
import type { Permit } from '../policy/permit.ts';
import type { Dialer, DialFailure, UpstreamProtocol } from '../ports/dialer.ts';
import type { Resolver } from '../ports/resolver.ts';

export interface DialerParts {
  readonly resolver: Resolver;
  /** Shared by every connection: building one costs tens of milliseconds. */
  readonly trust: () => SecureContext;
  readonly connectTimeoutMs?: number;
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Resolves, checks and connects in one place: the address that was checked is the address that is dialled (S21). */
export function createDialer(parts: DialerParts): Dialer<Socket> {
  const timeoutMs = parts.connectTimeoutMs ?? LIMITS.upstreamConnectTimeoutMs;
  return {
    async dial(permit, protocols = ['http/1.1']) {
      const endpoints = await endpointsFor(permit, parts.resolver);
      if (!endpoints.ok) return endpoints;
      const connected = await connectAny(endpoints.value, timeoutMs);
      if (!connected.ok) return connected;
      switch (permit.scheme) {
        case 'http':
          return connected;
        case 'https':
          return secure(connected.value, permit.host, { secureContext: parts.trust(), protocols }, timeoutMs);
        default:
          return assertNever(permit.scheme);
      }
    },
  };
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

function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map((entry) => entry.address));
}

/** One after the other, each with an equal share of the time that is left. */
async function connectAny(endpoints: readonly Endpoint[], timeoutMs: number): Promise<Result<Socket, DialFailure>> {
  const deadline = performance.now() + timeoutMs;
  let failure: DialFailure = { status: 502, reason: 'upstream_unreachable', detail: 'the name has no address' };
  for (const [index, endpoint] of endpoints.entries()) {
    const share = (deadline - performance.now()) / (endpoints.length - index);
    const attempt = await connectOne(endpoint, Math.max(share, 1));
    if (attempt.ok) return attempt;
    failure = attempt.error;
  }
  return err(failure);
}

function connectOne(endpoint: Endpoint, timeoutMs: number): Promise<Result<Socket, DialFailure>> {
  // Nagle's algorithm would hold a request's last segment for the peer's delayed acknowledgement.
  const socket = connectTcp({ host: endpoint.address, port: endpoint.port, noDelay: true });
  return settle(socket, 'connect', timeoutMs, (code) => ({
    status: 502,
    reason: 'upstream_unreachable',
    detail: `connecting failed (${code})`,
  }));
}

function secure(
  socket: Socket,
  host: string,
  tls: { readonly secureContext: SecureContext; readonly protocols: readonly UpstreamProtocol[] },
  timeoutMs: number,
): Promise<Result<Socket, DialFailure>> {
  // Failures show on the wrapper; the bare socket must not end the process on a reset of its own.
  socket.on('error', () => socket.destroy());
  const name = isIP(host) === 0 ? { servername: host } : { host };
  const encrypted = connectTls({
    socket,
    secureContext: tls.secureContext,
    ALPNProtocols: [...tls.protocols],
    rejectUnauthorized: true,
    ...name,
  });
  return settle(encrypted, 'secureConnect', timeoutMs, (code) => ({
    status: 502,
    reason: 'upstream_tls',
    detail: `the upstream's TLS was not accepted (${code})`,
  }));
}

function settle(
  socket: Socket,
  success: 'connect' | 'secureConnect',
  timeoutMs: number,
  describe: (code: string) => DialFailure,
): Promise<Result<Socket, DialFailure>> {
  return new Promise((resolve) => {
    const finish = (result: Result<Socket, DialFailure>): void => {
      clearTimeout(timer);
      socket.off(success, onSuccess);
      socket.off('error', onError);
      socket.off('close', onClose);
      if (!result.ok) {
        // A reset that arrives after we gave up has no other listener.
        socket.on('error', () => undefined);
        socket.destroy();
      }
      resolve(result);
    };
    const onSuccess = (): void => {
      finish(ok(socket));
    };
    const onError = (failure: Error): void => {
      finish(err(describe(codeOf(failure))));
    };
    const onClose = (): void => {
      finish(err(describe('ECONNRESET')));
    };
    const timer = setTimeout(() => {
      finish(
        err({ status: 504, reason: 'upstream_timeout', detail: 'the upstream did not accept a connection in time' }),
      );
    }, timeoutMs);
    socket.on(success, onSuccess);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}

function codeOf(failure: Error): string {
  return 'code' in failure && typeof failure.code === 'string' ? failure.code : failure.name;
}
