import type { RequestFacts, Verdict } from '../policy/decide.ts';
import type { BodySource } from './body-reader.ts';
import type { Credential, GatewayCore } from './core.ts';
import { HeldBody } from './held-body.ts';
import { bodyCoding, ScannedBody, UnscannedBody, type OutboundBody } from './outbound.ts';
import type { PlacedRequest } from './stand-ins.ts';

type Allowed = Extract<Verdict, { readonly kind: 'allow' }>;

/** RFC 9110, 9.2.2: sending one of these twice does what sending it once does. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** How an allowed request's body goes out; null for one that can't be scanned and would have to be. */
export function outboundBody(
  { standIns, hold, known: all }: GatewayCore,
  facts: RequestFacts,
  parts: { readonly verdict: Allowed; readonly placed: PlacedRequest; readonly incoming: BodySource },
): OutboundBody | null {
  const { verdict, placed, incoming } = parts;
  const known = standIns.scanFor(verdict, all);
  const swapped = standIns.bodyFor(placed, incoming, known, hold);
  if (swapped !== null) return swapped;
  if (known === null) return new UnscannedBody(incoming);
  const coding = bodyCoding(facts.headers);
  if (coding.kind === 'identity') return new ScannedBody(incoming, known);
  return coding.kind === 'coded' ? new HeldBody(incoming, known, coding.codings, hold) : null;
}

/** Null: none is put in. Undefined: one should be, and is not there. */
export function credentialFor({ credentials }: GatewayCore, { forward }: Allowed): Credential | null | undefined {
  return forward.inject === null ? null : credentials[forward.inject.slot];
}
