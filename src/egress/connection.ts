import { LIMITS } from '../kernel/limits.ts';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';
import { sameText } from '../platform/control-socket.ts';
import { decideConnect } from '../policy/connect.ts';
import { isPassedThrough } from '../policy/compile.ts';
import { parseAuthority } from '../policy/host.ts';
import { keepAlive, requestFraming } from '../protocol/http1/framing.ts';
import { parseRequestHead, type RequestHead } from '../protocol/http1/head.ts';
import type { Entry } from '../schema/decision.ts';
import type { GatewayCore, IdleConnection } from './core.ts';
import type { Afterwards } from './agent-side.ts';
import { Exchange } from './exchange.ts';
import { readHead } from './head-reader.ts';
import { serveHttp2 } from './h2/agent-session.ts';
import { headerValues } from './headers.ts';
import { intercept, peekFirstFlight, type FirstFlight } from './intercept.ts';
import { answerLocally } from './local.ts';
import { passThrough, TRANSPARENT_TLS_PORT } from './passthrough.ts';
import type { RequestFields } from './record.ts';
import type { AgentProtocol } from './request-metrics.ts';
import { gatewayRefusal, sendRefusal, type Refusal } from './refusals.ts';
import { authorityText, ownTarget, readFacts, type Approach, type Authority } from './request.ts';
import { WireError, type Wire } from './wire.ts';

/** A CONNECT was accepted: the connection goes on as a tunnel. */
type Served = Afterwards | { readonly tunnel: Authority };

const ESTABLISHED = new TextEncoder().encode('HTTP/1.1 200 Connection established\r\n\r\n');
const ENTRY: Readonly<Record<Approach['kind'], Entry>> = {
  proxy: 'absolute',
  tunnel: 'connect',
  'transparent-tls': 'transparent-tls',
  'transparent-http': 'transparent-http',
};

/** Serves one connection to its end: one request after the other, never two at once. */
export async function serveHttp(core: GatewayCore, wire: Wire, approach: Approach): Promise<void> {
  using connection = wire;
  for (;;) {
    const { generation } = core.live().config;
    const after = await serveOne(core, connection, approach);
    // What was sent on already is still answered, by the policy that refuses it.
    const lost = after === 'next' && !wire.readable && lostItsRoute(core, approach, generation);
    const served = lost ? 'close' : after;
    if (served === 'next') continue;
    if (served === 'close') await closeInOrder(core, connection);
    if (typeof served === 'object') await serveTunnel(core, connection, served.tunnel);
    return;
  }
}

/** A connection to port 443 of an allowed name. Without a name there is nothing to decide by, so it is closed. */
export async function serveTransparentTls(core: GatewayCore, wire: Wire): Promise<void> {
  using connection = wire;
  const flight = await peek(core, connection, null);
  if (flight.kind !== 'tls' || flight.sni === null) {
    core.tally.connectionsDropped += 1;
    return;
  }
  if (isPassedThrough(core.live().policy, { host: flight.sni, port: TRANSPARENT_TLS_PORT })) {
    await passThrough(core, connection, { ...flight, connect: null });
    return;
  }
  await serveIntercepted(core, connection, flight.sni, { kind: 'transparent-tls', sni: flight.sni });
}

async function serveTunnel(core: GatewayCore, wire: Wire, connect: Authority): Promise<void> {
  const flight = await peek(core, wire, connect);
  switch (flight.kind) {
    case 'tls': {
      if (isPassedThrough(core.live().policy, connect)) return passThrough(core, wire, { ...flight, connect });
      // A hello without a name means the name of the CONNECT.
      const approach = { kind: 'tunnel', scheme: 'https', connect, sni: flight.sni } as const;
      return serveIntercepted(core, wire, flight.sni ?? connect.host, approach);
    }
    case 'http':
      return serveHttp(core, wire, { kind: 'tunnel', scheme: 'http', connect, sni: null });
    case 'other':
      core.tally.connectionsDropped += 1;
  }
}

type InterceptedApproach = Extract<Approach, { readonly kind: 'tunnel' | 'transparent-tls' }>;

async function serveIntercepted(
  core: GatewayCore,
  wire: Wire,
  name: string,
  approach: InterceptedApproach,
): Promise<void> {
  const inner = await intercept(core, wire, name);
  if (inner.kind === 'http1') return serveHttp(core, inner.wire, approach);
  const streams = { ...approach, multiplexed: true } as const;
  return serveHttp2(core, inner.socket, connectionAuthority(approach), (stream, malformed) => {
    if (malformed === null) return serveHttp(core, stream, streams);
    return refuseStream(core, stream, streams, malformed);
  });
}

async function refuseStream(core: GatewayCore, stream: Wire, approach: Approach, why: string): Promise<void> {
  const refusal = gatewayRefusal(400, 'bad_request', `the request is not valid HTTP/2: ${why}`, null);
  refuseUnread(core, stream, approach, null, refusal);
  await closeInOrder(core, stream);
}

function peek(core: GatewayCore, wire: Wire, authority: Authority | null): Promise<FirstFlight> {
  const idle = waiting(wire, authority);
  return whileIdle(core, idle, () => peekFirstFlight(wire, core.timeouts.firstBytesTimeoutMs));
}

function waiting(wire: Wire, authority: Authority | null): IdleConnection & { begun: boolean } {
  return {
    authority,
    begun: false,
    asked() {
      return this.begun || wire.readable;
    },
    destroy: () => {
      // The answer to the request before may still be on its way to the kernel.
      wire.end(LIMITS.discardMs).then(() => {
        wire.destroy();
      }, ignoreUnlessAwaited);
    },
  };
}

/** Until something has been asked on a connection, a drain may close it, and so may a policy that refuses its host. */
async function whileIdle<Value>(core: GatewayCore, idle: IdleConnection, action: () => Promise<Value>): Promise<Value> {
  core.idle.add(idle);
  try {
    return await action();
  } finally {
    core.idle.delete(idle);
  }
}

/** The host that a connection was opened for; null where each request names its own. */
function connectionAuthority(approach: Approach): Authority | null {
  switch (approach.kind) {
    case 'tunnel':
      return approach.connect;
    case 'transparent-tls':
      return { host: approach.sni, port: TRANSPARENT_TLS_PORT };
    case 'proxy':
    case 'transparent-http':
      return null;
  }
}

/** A reload has come since that generation, and refuses the host that the connection is for. */
function lostItsRoute(core: GatewayCore, approach: Approach, generation: number): boolean {
  const { config, policy } = core.live();
  if (config.generation === generation) return false;
  const authority = connectionAuthority(approach);
  return authority !== null && decideConnect(policy, authority).kind === 'deny';
}

async function serveOne(core: GatewayCore, wire: Wire, approach: Approach): Promise<Served> {
  if (core.draining()) return 'close';
  const { idleTimeoutMs, requestHeadTimeoutMs } = core.timeouts;
  const idle = waiting(wire, connectionAuthority(approach));
  const limits = {
    firstByteMs: idleTimeoutMs,
    wholeMs: requestHeadTimeoutMs,
    onFirstByte: () => {
      idle.begun = true;
    },
  };
  const read = await whileIdle(core, idle, () => readHead(wire, parseRequestHead, limits));
  if (read === null || read.kind === 'cut') return 'close';
  if (read.kind === 'invalid') {
    const refusal = gatewayRefusal(read.status, 'bad_request', `the request is not valid HTTP/1.1: ${read.why}`, null);
    return refuseUnread(core, wire, approach, null, refusal);
  }
  const { head } = read;
  const framing = requestFraming(head);
  if (!framing.ok) {
    return refuseUnread(core, wire, approach, head, gatewayRefusal(400, 'bad_request', framing.error, null));
  }
  if (approach.kind === 'proxy' && !isAuthorised(core, head)) {
    return refuseUnread(
      core,
      wire,
      approach,
      head,
      gatewayRefusal(407, 'proxy_auth', 'the proxy asks for a user and password', null),
    );
  }
  const local = ownTarget(approach, head);
  if (local !== null) {
    const keep = keepAlive(head) && framing.value.kind === 'none';
    answerLocally(core, wire, head, local, keep);
    return keep ? 'next' : 'close';
  }
  if (approach.kind === 'proxy' && head.method === 'CONNECT') {
    if (framing.value.kind === 'none') return acceptConnect(core, wire, head);
    return refuseUnread(core, wire, approach, head, gatewayRefusal(400, 'bad_request', 'CONNECT has no body', null));
  }
  const facts = readFacts(approach, head);
  if (!facts.ok) return refuseUnread(core, wire, approach, head, gatewayRefusal(400, 'bad_request', facts.error, null));

  const { entry, method, authority, target } = facts.value;
  const protocol = protocolOf(approach);
  const { headers } = facts.value;
  const fields = { ...recordBase(core), protocol, entry, method, ...authority, path: target, headers };
  const account = core.recorder.begin(fields);
  return new Exchange({ core, agent: wire, head, framing: framing.value, facts: facts.value, account }).run();
}

/**
 * A CONNECT to a host that no route names is refused here, where every client shows it. Whether a request inside may
 * pass is decided when it is seen: an accepted CONNECT opens nothing, and no address is looked up for it.
 */
function acceptConnect(core: GatewayCore, wire: Wire, head: RequestHead): Served {
  const parsed = parseAuthority(head.target);
  if (!parsed.ok || parsed.value.port === null) {
    const why = parsed.ok ? 'CONNECT names no port' : parsed.error;
    return refuseUnread(core, wire, { kind: 'proxy' }, head, gatewayRefusal(400, 'bad_request', why, null));
  }
  const authority = { host: parsed.value.host, port: parsed.value.port };
  const verdict = decideConnect(core.live().policy, authority);
  if (verdict.kind === 'allow') {
    wire.write(ESTABLISHED);
    return { tunnel: authority };
  }
  const fields = {
    ...recordBase(core),
    protocol: 'http1',
    entry: 'connect',
    method: 'CONNECT',
    ...authority,
    path: '',
  } as const;
  const request = { method: 'CONNECT', url: authorityText('https', authority) };
  return refuse(core, wire, { fields, request, refusal: verdict, keep: keepAlive(head) && !core.draining() });
}

/** Refuses a request that never became one: what can be told of it is recorded, and the connection ends. */
function refuseUnread(
  core: GatewayCore,
  wire: Wire,
  approach: Approach,
  head: RequestHead | null,
  refusal: Refusal,
): Afterwards {
  const host = head === null ? '' : (headerValues(head.headers, 'host')[0] ?? '');
  const method = head?.method ?? '';
  const entry = method === 'CONNECT' ? 'connect' : ENTRY[approach.kind];
  const path = head?.target ?? '';
  const fields = {
    ...recordBase(core),
    protocol: protocolOf(approach),
    entry,
    method,
    host,
    port: 0,
    path,
  };
  return refuse(core, wire, {
    fields,
    request: { method: method === '' ? 'a request' : method, url: path },
    refusal,
    keep: false,
  });
}

/** What every record has of the policy that it was made under. */
function recordBase(core: GatewayCore): Pick<RequestFields, 'generation' | 'log'> {
  const { generation, log } = core.live().config;
  return { generation, log };
}

function protocolOf(approach: Approach): AgentProtocol {
  return 'multiplexed' in approach ? 'http2' : 'http1';
}

interface RefusalParts {
  readonly fields: RequestFields;
  readonly request: { readonly method: string; readonly url: string };
  readonly refusal: Refusal;
  readonly keep: boolean;
}

function refuse(core: GatewayCore, wire: Wire, { fields, request, refusal, keep }: RefusalParts): Afterwards {
  const account = core.recorder.begin(fields);
  const recorded = account.decide({ decision: 'deny', reason: refusal.reason, route: refusal.route });
  const told = recorded ? refusal : gatewayRefusal(503, 'record_failed', 'the decision could not be recorded', null);
  if (!recorded) account.revise({ decision: 'deny', reason: 'record_failed', route: null });
  try {
    account.status = told.status;
    sendRefusal(wire, told, request, {
      screen: { known: core.known, tokens: core.tokens.body },
      headRequest: request.method === 'HEAD',
      close: !keep,
    });
    account.end('complete');
  } catch (failure) {
    if (!(failure instanceof WireError)) throw failure;
    account.end('agent_gone');
  }
  return keep ? 'next' : 'close';
}

function isAuthorised(core: GatewayCore, head: RequestHead): boolean {
  if (core.proxyAuthorization === null) return true;
  const presented = headerValues(head.headers, 'proxy-authorization');
  return presented.length === 1 && sameText(presented[0] ?? '', core.proxyAuthorization);
}

/** Says that nothing more comes, and reads on for a while: closing with unread bytes would reset our last answer. */
async function closeInOrder(core: GatewayCore, wire: Wire): Promise<void> {
  const flushed = wire.end(core.timeouts.idleTimeoutMs);
  await discard(wire, performance.now() + core.timeouts.discardMs);
  await flushed;
}

async function discard(wire: Wire, deadline: number): Promise<void> {
  let discardedBytes = 0;
  try {
    while (discardedBytes < LIMITS.discardBytes) {
      const block = await wire.read(Math.max(deadline - performance.now(), 1));
      if (block === null) return;
      discardedBytes += block.length;
    }
  } catch (failure) {
    if (!(failure instanceof WireError)) throw failure;
  }
}
