import type { Socket } from 'node:net';
import type { KnownValues } from '../dlp/known-values.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Policy } from '../policy/compile.ts';
import type { RequestFacts, Verdict } from '../policy/decide.ts';
import type { Dialer } from '../ports/dialer.ts';
import type { GatewayConfig } from '../schema/gateway-config.ts';
import type { Echoes } from './echoes.ts';
import type { Tally } from './counters.ts';
import type { Authority } from './request.ts';
import type { LeafContexts } from './leaf-contexts.ts';
import type { HoldStore } from './hold.ts';
import type { Recorder } from './record.ts';
import type { StandIns } from './stand-ins.ts';
import type { TokenRules } from './token-rules.ts';
import type { UpstreamPool } from './upstream-pool.ts';
import type { BufferMeter } from './wire.ts';

/** One generation of the policy; replaced whole. */
export interface LivePolicy {
  readonly config: GatewayConfig;
  readonly policy: Policy;
}

export interface Credential {
  readonly secret: Secret;
}

/** The deadlines of `LIMITS` that a test may shorten. */
export type Timeouts = Readonly<
  Record<
    | 'firstBytesTimeoutMs'
    | 'upstreamConnectTimeoutMs'
    | 'upstreamFirstByteTimeoutMs'
    | 'idleTimeoutMs'
    | 'requestHeadTimeoutMs'
    | 'discardMs',
    number
  >
>;

/** A request that is being served: a reload asks the new policy about it and may end it. */
export interface ActiveRequest {
  readonly facts: RequestFacts;
  /** `generation`: of the policy that refuses it. */
  revoke(verdict: Extract<Verdict, { readonly kind: 'deny' }>, generation: number): void;
}

/** A connection that waits for a request. */
export interface IdleConnection {
  /** The one host that it is for, by its CONNECT or SNI; null where each request names its own. */
  readonly authority: Authority | null;
  /** A request has begun to arrive: it is answered before the connection closes. */
  readonly asked: () => boolean;
  destroy(): void;
}

/** What every connection of one gateway shares. */
export interface GatewayCore {
  readonly live: () => LivePolicy;
  readonly draining: () => boolean;
  readonly known: KnownValues;
  readonly tokens: TokenRules;
  readonly credentials: readonly Credential[];
  readonly standIns: StandIns;
  readonly echoes: Echoes;
  readonly pool: UpstreamPool;
  readonly dialer: Dialer<Socket>;
  readonly leaves: LeafContexts;
  readonly recorder: Recorder;
  readonly tally: Tally;
  readonly meter: BufferMeter;
  readonly hold: HoldStore;
  readonly timeouts: Timeouts;
  readonly active: Set<ActiveRequest>;
  /** Connections that wait for a request: nothing is lost when they close. */
  readonly idle: Set<IdleConnection>;
  /** The whole value that `Proxy-Authorization` must have, or null when none is asked for. */
  readonly proxyAuthorization: string | null;
  readonly probeNonce: string;
  readonly onProbeSeen: () => void;
  /** A broken assumption of ours: the connection has been closed, and someone should hear of it. */
  readonly onBug: (failure: unknown) => void;
}
