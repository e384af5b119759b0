import type { Hit, Screen } from '../dlp/screen.ts';
import { unpack } from '../platform/unpack.ts';
import { isCredentialHeader } from '../policy/credentials.ts';
import type { RequestFacts, Verdict } from '../policy/decide.ts';
import type { BodySource } from './body-reader.ts';
import type { Credential, GatewayCore } from './core.ts';
import { GrpcBody, messageCoding } from './grpc-body.ts';
import { headerTokens, isGrpcFramed } from './headers.ts';
import { HeldBody } from './held-body.ts';
import { bodyCoding, scanHead, ScannedBody, UnscannedBody, type OutboundBody } from './outbound.ts';
import type { PlacedRequest } from './stand-ins.ts';

type Allowed = Extract<Verdict, { readonly kind: 'allow' }>;

/** RFC 9110, 9.2.2: sending one of these twice does what sending it once does. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/**
 * What leaves on this route with the head. Where the agent may bring credentials of its own, those that stand in their
 * headers are no leak.
 */
export function scanOutboundHead(
  { known, tokens }: GatewayCore,
  verdict: Allowed,
  facts: RequestFacts,
): readonly Hit[] {
  const { knownSecrets, tokenPatterns } = verdict.forward.outbound;
  if (!tokenPatterns) return knownSecrets ? scanHead({ known, tokens: null, leaves: true, unpack }, facts) : [];
  if (verdict.route.route.agent_credentials !== 'allow') {
    return scanHead({ known: knownSecrets ? known : null, tokens: tokens.head, leaves: true, unpack }, facts);
  }
  const headers = facts.headers.filter(([name]) => !isCredentialHeader(name));
  const formats = scanHead({ known: null, tokens: tokens.head }, { ...facts, headers });
  return knownSecrets ? [...scanHead({ known, tokens: null, leaves: true, unpack }, facts), ...formats] : formats;
}

/**
 * What bodies and messages on this route are looked through for; null when they pass as they come. A provider's
 * conversation carries whatever its agent has read, again with every turn: a format in it is no reason to end the
 * session (SECURITY S19).
 */
export function screenFor(core: GatewayCore, verdict: Allowed): Screen | null {
  const known = core.standIns.scanFor(verdict, core.known);
  const formats = verdict.forward.outbound.tokenPatterns && verdict.route.origin !== 'provider';
  return known === null && !formats ? null : { known, tokens: formats ? core.tokens.body : null, leaves: true, unpack };
}

/** How an allowed request's body goes out; null for one that can't be scanned and would have to be. */
export function outboundBody(
  core: GatewayCore,
  facts: RequestFacts,
  parts: { readonly verdict: Allowed; readonly placed: PlacedRequest; readonly incoming: BodySource },
): OutboundBody | null {
  const { verdict, placed, incoming } = parts;
  const { standIns, hold } = core;
  const screen = screenFor(core, verdict);
  const swapped = standIns.bodyFor(placed, incoming, screen, hold);
  if (swapped !== null) return swapped;
  if (screen === null) return new UnscannedBody(incoming);
  if (isGrpcFramed(facts.headers) && headerTokens(facts.headers, 'content-encoding').length === 0) {
    const messages = messageCoding(facts.headers);
    return messages === null ? null : new GrpcBody(incoming, screen, messages, hold);
  }
  const coding = bodyCoding(facts.headers);
  if (coding.kind === 'identity') return new ScannedBody(incoming, screen);
  return coding.kind === 'coded' ? new HeldBody(incoming, screen, coding.codings, hold) : null;
}

/** Null: none is put in. Undefined: one should be, and is not there. */
export function credentialFor({ credentials }: GatewayCore, { forward }: Allowed): Credential | null | undefined {
  return forward.inject === null ? null : credentials[forward.inject.slot];
}
