import type { Result } from '../kernel/result.ts';
import type { Permit } from '../policy/permit.ts';
import type { Reason } from '../schema/decision.ts';

/** Why no connection was made; becomes the agent's answer and the record's reason. */
export interface DialFailure {
  readonly status: 403 | 502 | 504;
  readonly reason: Reason;
  readonly detail: string;
  /** The upstream speaks none of the protocols that were offered. */
  readonly otherProtocol?: true;
}

export type UpstreamProtocol = 'h2' | 'http/1.1';

/**
 * The one way out. It takes a `Permit`, which only `decideEgress` mints, so code that has not asked the policy cannot
 * connect anywhere.
 */
export interface Dialer<Connection> {
  /** `protocols` are offered to an upstream by TLS; without TLS it is HTTP/1.1. */
  dial(permit: Permit, protocols?: readonly UpstreamProtocol[]): Promise<Result<Connection, DialFailure>>;
}
