import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { TLSSocket, type SecureContext } from 'node:tls';
import { buildKnownValues } from '../dlp/known-values.ts';
import { fingerprint } from '../dlp/fingerprint.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { Scope } from '../kernel/scope.ts';
import { Secret } from '../kernel/secret.ts';
import { systemClock } from '../platform/clock.ts';
import { ControlServer } from '../platform/control-socket.ts';
import { createDialer, type DialerProxy } from '../platform/dialer.ts';
import { createSystemResolver } from '../platform/dns.ts';
import { systemRandom } from '../platform/random.ts';
import { createLeafMinter } from '../platform/tls-ca.ts';
import { createTrust } from '../platform/trust.ts';
import { allowsName } from '../policy/compile.ts';
import { parseHostSpec } from '../policy/host.ts';
import { decideConnect } from '../policy/connect.ts';
import { decideEgress } from '../policy/decide.ts';
import type { AuditSink } from '../ports/audit-sink.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Resolver } from '../ports/resolver.ts';
import { CONTROL_SOCKET, type GatewayStatus } from '../schema/control.ts';
import type { DecisionRecord } from '../schema/decision.ts';
import { NO_OPERATOR_RULES } from '../schema/operator-rules.ts';
import type { GatewayConfig, GatewaySecrets } from '../schema/gateway-config.ts';
import type { MetricFamily } from '../schema/metrics.ts';
import { compileLive } from './compile-live.ts';
import { controlMethods } from './control.ts';
import type { GatewayCore, LivePolicy, Timeouts } from './core.ts';
import { Tally, type Counters } from './counters.ts';
import { Echoes } from './echoes.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { DnsAnswerer } from './dns.ts';
import { HoldStore } from './hold.ts';
import { LeafContexts } from './leaf-contexts.ts';
import { PeerGuard } from './peer-guard.ts';
import type { EgressServiceDocument } from '../schema/egress-service.ts';
import { Listeners, type GatewayListener, type ListenerAddress } from './listeners.ts';
import { Recorder } from './record.ts';
import { RequestMetrics } from './request-metrics.ts';
import { StandIns } from './stand-ins.ts';
import { createTokenRules } from './token-rules.ts';
import { UpstreamPool } from './upstream-pool.ts';
import { BufferMeter } from './wire.ts';

export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly secrets: GatewaySecrets;
  readonly listeners: readonly GatewayListener[];
  readonly peers?: EgressServiceDocument['peers'];
  readonly record: AuditSink;
  /** Directory of the control socket, mode 0700; null for none. */
  readonly controlDirectory: string | null;
  /** Directory of its own for bodies that are held on disk, mode 0700. */
  readonly spillDirectory: string;
  readonly onProbeSeen?: () => void;
  /** A broken assumption of the gateway's own; the connection it happened on has been closed. */
  readonly onBug?: (failure: unknown) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly resolver?: Resolver;
  readonly timeouts?: Partial<Timeouts>;
}

export interface RunningGateway extends AsyncDisposable {
  readonly addresses: readonly ListenerAddress[];
  /** Takes over a whole new policy or, by a `config_invalid` error, keeps the one it has. */
  reload(config: GatewayConfig): void;
  /** Accepts nothing more, lets requests end until the deadline, then cuts what is left. */
  drain(deadlineMs: number): Promise<void>;
  counters(): Counters;
  metrics(): readonly MetricFamily[];
  status(): GatewayStatus;
  /** Calls back with every record that ends; returns how to stop it. */
  onEnded(listener: (record: DecisionRecord) => void): () => void;
}

/** Starts the egress gateway: it listens when the promise resolves. */
export async function startGateway(parts: GatewayParts): Promise<RunningGateway> {
  await using starting = new Scope();
  const gateway = new Gateway(parts);
  starting.defer('gateway', () => gateway[Symbol.asyncDispose]());
  await gateway.listen();
  starting.release();
  return gateway;
}

class Gateway implements RunningGateway {
  readonly #parts: GatewayParts;
  readonly #clock: Clock;
  readonly #core: GatewayCore;
  readonly #listeners: Listeners;
  readonly #dns: DnsAnswerer;
  readonly #startedAt: number;
  readonly #metrics = new RequestMetrics();
  #live: LivePolicy;
  #trust: () => SecureContext;
  #proxy: DialerProxy | null;
  #control: ControlServer | null = null;
  #draining = false;
  #closed = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#startedAt = this.#clock.monotonic();
    this.#live = compileLive(parts.config);
    this.#trust = createTrust(parts.config.upstream.extraCa);
    this.#proxy = proxyOf(parts.config, parts.secrets);
    this.#core = this.#createCore();
    this.#dns = new DnsAnswerer({
      allows: (name) => allowsName(this.#live.policy, name),
      onQuery: (refused) => {
        this.#core.tally.dnsQueries += 1;
        if (refused) this.#core.tally.dnsRefused += 1;
      },
    });
    this.#listeners = new Listeners(this.#core, this.#dns, guardOf(parts.peers));
  }

  get addresses(): readonly ListenerAddress[] {
    return this.#listeners.addresses;
  }

  async listen(): Promise<void> {
    const { controlDirectory, secrets, listeners } = this.#parts;
    for (const listener of listeners) await this.#listeners.open(listener);
    if (controlDirectory === null) return;
    const path = join(controlDirectory, CONTROL_SOCKET);
    this.#control = await ControlServer.start({ path, nonce: secrets.controlNonce, methods: controlMethods(this) });
  }

  reload(config: GatewayConfig): void {
    const current = this.#live.config;
    if (config.slug !== current.slug || config.generation <= current.generation) {
      throw new BottleError('config_invalid', {
        message: `generation ${String(config.generation)} of ${config.slug} can't follow ${String(current.generation)} of ${current.slug}`,
      });
    }
    const next = compileLive(config);
    const slots = this.#core.credentials.length;
    const unknown = config.routes.find(({ credential }) => credential !== undefined && credential >= slots);
    if (unknown !== undefined) {
      throw new BottleError('config_invalid', {
        message: `${unknown.source}: the credential of ${unknown.route.host} is not among those that this gateway was started with`,
      });
    }
    if (JSON.stringify(config.upstream.extraCa) !== JSON.stringify(current.upstream.extraCa)) {
      this.#trust = createTrust(config.upstream.extraCa);
    }
    this.#live = next;
    this.#proxy = proxyOf(config, this.#parts.secrets);
    this.#core.pool.retireBefore(config.generation);
    for (const request of this.#core.active) {
      const verdict = decideEgress(next.policy, request.facts);
      if (verdict.kind === 'deny') request.revoke(verdict, config.generation);
    }
    for (const idle of this.#core.idle) {
      if (idle.authority === null || idle.asked()) continue;
      if (decideConnect(next.policy, idle.authority).kind === 'deny') idle.destroy();
    }
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.#listeners.stopAccepting();
    for (const wire of this.#core.idle) wire.destroy();
    await this.#listeners.settled(deadlineMs);
    await this.#parts.record.flush();
  }

  counters(): Counters {
    const { tally, meter, leaves } = this.#core;
    return tally.snapshot({ leavesMinted: leaves.minted, bufferedBytes: meter.held, bufferedBytesPeak: meter.peak });
  }

  metrics(): readonly MetricFamily[] {
    const { tally, active, pool } = this.#core;
    const { generation, routes } = this.#live.config;
    return gatewayMetrics(this.#metrics, tally, {
      counters: this.counters(),
      generation,
      routes: routes.length,
      startedAtMs: this.#clock.now() - (this.#clock.monotonic() - this.#startedAt),
      requestsActive: active.size,
      upstreamIdle: pool.idleCount,
    });
  }

  status(): GatewayStatus {
    const { slug, generation, routes } = this.#live.config;
    const state = this.#draining ? 'draining' : 'serving';
    return { slug, generation, routes: routes.length, state, uptimeMs: this.#clock.monotonic() - this.#startedAt };
  }

  onEnded(listener: (record: DecisionRecord) => void): () => void {
    return this.#core.recorder.subscribe(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await using closing = new Scope();
    closing.defer('upstream connections', () => {
      this.#core.pool[Symbol.dispose]();
    });
    closing.defer('control socket', async () => this.#control?.[Symbol.asyncDispose]());
    closing.defer('listeners', () => this.drain(0));
  }

  #createCore(): GatewayCore {
    const { secrets, record, timeouts, config } = this.#parts;
    const random = this.#parts.random ?? systemRandom;
    const clock = this.#clock;
    const tally = new Tally();
    const meter = new BufferMeter();
    const values = [
      ...secrets.knownValues,
      ...secrets.credentials,
      ...(secrets.placeholders ?? []),
      ...proxyPassword(secrets),
    ];
    const known = buildKnownValues(values);
    const standIns = (secrets.placeholders ?? []).map(({ standIn }) => standIn);
    const tokens = createTokenRules(hmacOf(secrets), standIns, () => this.#live.config.rules ?? NO_OPERATOR_RULES);
    const resolver = this.#parts.resolver ?? createSystemResolver();
    const bounds: Timeouts = { ...LIMITS, ...timeouts };
    const connectTimeoutMs = bounds.upstreamConnectTimeoutMs;
    const dialer = createDialer({ resolver, trust: () => this.#trust(), proxy: () => this.#proxy, connectTimeoutMs });
    return {
      live: () => this.#live,
      draining: () => this.#draining,
      known,
      tokens,
      credentials: secrets.credentials.map(({ name, value }) => ({ secret: new Secret(name, value) })),
      echoes: echoesOf(secrets, clock),
      standIns: new StandIns(secrets.placeholders ?? [], values),
      dialer,
      pool: new UpstreamPool({
        dialer,
        clock,
        meter,
        onDialled: (dialled) => {
          if (dialled.ok) tally.upstreamDialled += 1;
          if (dialled.ok && dialled.value instanceof TLSSocket) tally.countHandshake('upstream', dialled.value);
          else if (!dialled.ok && dialled.error.reason === 'upstream_tls') tally.countHandshake('upstream', null);
        },
        onReused: () => (tally.upstreamReused += 1),
      }),
      leaves: new LeafContexts(createLeafMinter(secrets.ca, clock), clock),
      recorder: new Recorder({
        slug: config.slug,
        sink: record,
        clock,
        random,
        screen: { known, tokens: tokens.body },
        fingerprints: fingerprintsOf(secrets),
        tally,
        metrics: this.#metrics,
      }),
      tally,
      meter,
      hold: new HoldStore(this.#parts.spillDirectory),
      timeouts: bounds,
      active: new Set(),
      idle: new Set(),
      proxyAuthorization: proxyAuthorizationOf(secrets),
      probeNonce: secrets.probeNonce,
      onProbeSeen: this.#parts.onProbeSeen ?? (() => undefined),
      onBug: this.#parts.onBug ?? (() => undefined),
    };
  }
}

function echoesOf({ credentials, placeholders = [] }: GatewaySecrets, clock: Clock): Echoes {
  const values = [
    ...credentials.map(({ name, value }) => ({ id: `credential:${name}`, name, value })),
    ...placeholders.map(({ name, value }) => ({ id: `env:${name}`, name, value })),
  ];
  return new Echoes(values, clock);
}

function proxyOf({ upstream: { proxy } }: GatewayConfig, { upstreamLogin }: GatewaySecrets): DialerProxy | null {
  if (proxy === undefined) return null;
  const noProxy = proxy.noProxy.flatMap((spec) => {
    const pattern = parseHostSpec(spec);
    return pattern.ok ? [pattern.value] : [];
  });
  const login = upstreamLogin === undefined ? null : new Secret('upstream.proxy', upstreamLogin);
  return { ...proxy, noProxy, login };
}

/** Looked for like any other value, unless it is too short to be told from ordinary text. */
function proxyPassword({
  upstreamLogin = '',
}: GatewaySecrets): readonly { readonly name: string; readonly value: string }[] {
  const value = upstreamLogin.slice(upstreamLogin.indexOf(':') + 1);
  return value.length < LIMITS.knownValueMinChars ? [] : [{ name: 'upstream.proxy', value }];
}

function hmacOf({ fingerprintKey }: GatewaySecrets): (text: string) => string {
  const key = Buffer.from(fingerprintKey, 'base64');
  return (text) => createHmac('sha256', key).update(text).digest('hex');
}

function fingerprintsOf(secrets: GatewaySecrets): ReadonlyMap<string, string> {
  const hmacHex = hmacOf(secrets);
  return new Map(
    [...secrets.knownValues, ...secrets.credentials, ...(secrets.placeholders ?? [])].map(({ name, value }) => [
      name,
      fingerprint(hmacHex, value),
    ]),
  );
}

function proxyAuthorizationOf({ proxyAuth }: GatewaySecrets): string | null {
  if (proxyAuth === undefined) return null;
  return `Basic ${Buffer.from(`${proxyAuth.user}:${proxyAuth.password}`).toString('base64')}`;
}

function guardOf(peers: EgressServiceDocument['peers'] | undefined): PeerGuard | null {
  return peers === undefined || peers === null ? null : new PeerGuard(peers);
}
