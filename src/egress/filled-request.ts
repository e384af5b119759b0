import { reveal } from '../platform/reveal.ts';
import { injectCredential } from '../policy/credentials.ts';
import type { Header, RequestFacts, Verdict } from '../policy/decide.ts';
import type { Framing } from '../protocol/http1/framing.ts';
import { serialiseRequestHead } from '../protocol/http1/head.ts';
import type { Credential } from './core.ts';
import { maskableRequest } from './echoes.ts';
import { upstreamHeaders } from './headers.ts';
import { authorityText } from './request.ts';
import type { PlacedRequest } from './stand-ins.ts';
import { upgradeRequest, type WebSocketOffer } from './websocket-handshake.ts';

/** What a request goes out with beyond what the agent sent. */
export interface Filled {
  readonly credential: Credential | null;
  readonly placed: PlacedRequest;
}

/** Everything secret that the request carries by our hand. */
export function filledIds({ credential, placed }: Filled): readonly string[] {
  const swapped = [...placed.placement.used].map((env) => `env:${env}`);
  return credential === null ? swapped : [`credential:${credential.secret.name}`, ...swapped];
}

export interface FilledHead {
  /** One character per byte. */
  readonly head: string;
  readonly headers: readonly Header[];
}

/** The head as the upstream gets it, with everything secret in. */
export function filledHead(
  facts: RequestFacts,
  { forward: { inject }, route }: Extract<Verdict, { readonly kind: 'allow' }>,
  filled: Filled,
  { framing, offer }: { readonly framing: Framing; readonly offer: WebSocketOffer | null },
): FilledHead {
  const { credential, placed } = filled;
  const { target, headers } =
    credential === null || inject === null
      ? placed
      : injectCredential(placed, inject, reveal(credential.secret, 'inject'));
  const authority = authorityText(facts.scheme, facts.authority);
  const asked = filledIds(filled).length === 0 ? headers : maskableRequest(headers, route.route.range === true);
  const sent = upstreamHeaders(asked, framing, authority);
  const all = offer === null ? sent : upgradeRequest(sent, offer);
  return { head: serialiseRequestHead(facts.method, target, all), headers: all };
}
