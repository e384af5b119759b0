import type { Reason } from '../schema/decision.ts';
import { LabelledCounter } from './metric-kinds.ts';

/** What a gateway has done since it started; read through the control socket. */
export interface Counters {
  readonly connections: number;
  readonly openConnections: number;
  /** Closed without an answer: not a protocol we speak, no name, or too many at once. */
  readonly connectionsDropped: number;
  readonly requests: number;
  readonly allowed: number;
  readonly denied: Readonly<Partial<Record<Reason, number>>>;
  readonly localRequests: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly upstreamDialled: number;
  readonly upstreamReused: number;
  readonly leavesMinted: number;
  readonly dnsQueries: number;
  readonly dnsRefused: number;
  readonly recordFailures: number;
  /** Times that a route echoed credentials more often than chance has it (SECURITY S13). */
  readonly echoAlerts: number;
  /** Bytes in our memory for all connections now, and the most that a single one ever took. */
  readonly bufferedBytes: number;
  readonly bufferedBytesPeak: number;
}

/** The counters while they count. */
export class Tally {
  connections = 0;
  openConnections = 0;
  connectionsDropped = 0;
  requests = 0;
  allowed = 0;
  localRequests = 0;
  bytesSent = 0;
  bytesReceived = 0;
  upstreamDialled = 0;
  upstreamReused = 0;
  dnsQueries = 0;
  dnsRefused = 0;
  recordFailures = 0;
  echoAlerts = 0;
  /** By side (agent or upstream) and outcome. */
  readonly handshakes = new LabelledCounter(['side', 'outcome']);
  readonly #denied = new Map<Reason, number>();

  countDenied(reason: Reason): void {
    this.#denied.set(reason, (this.#denied.get(reason) ?? 0) + 1);
  }

  /** Null for a handshake that failed. */
  countHandshake(side: 'agent' | 'upstream', secured: { isSessionReused(): boolean } | null): void {
    this.handshakes.add([side, secured === null ? 'failed' : secured.isSessionReused() ? 'resumed' : 'full']);
  }

  snapshot(others: Pick<Counters, 'leavesMinted' | 'bufferedBytes' | 'bufferedBytesPeak'>): Counters {
    return {
      connections: this.connections,
      openConnections: this.openConnections,
      connectionsDropped: this.connectionsDropped,
      requests: this.requests,
      allowed: this.allowed,
      denied: Object.fromEntries(this.#denied),
      localRequests: this.localRequests,
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      upstreamDialled: this.upstreamDialled,
      upstreamReused: this.upstreamReused,
      dnsQueries: this.dnsQueries,
      dnsRefused: this.dnsRefused,
      recordFailures: this.recordFailures,
      echoAlerts: this.echoAlerts,
      ...others,
    };
  }
}
