import { buildKnownValues, scanText, type Finding, type KnownValues } from '../dlp/known-values.ts';
import type { Screen } from '../dlp/screen.ts';
import { Secret } from '../kernel/secret.ts';
import { reveal } from '../platform/reveal.ts';
import type { RequestFacts, Verdict } from '../policy/decide.ts';
import { occupiedPlace, Placement, type PlacedHead, type StandIn } from '../policy/placeholders.ts';
import type { Header } from '../schema/header.ts';
import type { BodySource } from './body-reader.ts';
import { headerValues } from './headers.ts';
import { SwappedBody } from './held-body.ts';
import type { HoldStore } from './hold.ts';
import { bodyCoding } from './outbound.ts';
import { gatewayRefusal, type Refusal } from './refusals.ts';
import { findingsRefusal } from './upload.ts';

type Allowed = Extract<Verdict, { readonly kind: 'allow' }>;

/** A request with the real values of its head in place, and what that means for its body. */
export interface PlacedRequest {
  readonly target: string;
  readonly headers: readonly Header[];
  readonly placement: Placement;
}

/** The stand-ins of one bottle and what is behind them (SECURITY S9). */
export class StandIns {
  readonly #list: readonly StandIn[];
  readonly #secrets: ReadonlyMap<string, Secret>;
  /** For what no other scan looks at: stand-ins alone. */
  readonly #alone: KnownValues;
  /** Everything that must not leave, stand-ins among it. */
  readonly #all: KnownValues;

  constructor(
    placeholders: readonly { readonly name: string; readonly standIn: string; readonly value: string }[],
    known: readonly { readonly name: string; readonly value: string }[],
  ) {
    this.#list = placeholders.map(({ name, standIn }) => ({ env: name, standIn }));
    this.#secrets = new Map(placeholders.map(({ name, value }) => [name, new Secret(name, value)]));
    const patterns = this.#list.map(({ env, standIn }) => ({
      name: env,
      value: standIn,
      rule: 'placeholder' as const,
    }));
    this.#alone = buildKnownValues(patterns);
    this.#all = buildKnownValues([...known, ...patterns]);
  }

  /**
   * What a body of this route is scanned for; null when it passes as it comes. On a provider's route a stand-in is the
   * harmless text that it is: agents list their environment, and the conversation carries it (SECURITY S9, S19).
   */
  scanFor(verdict: Allowed, known: KnownValues): KnownValues | null {
    const passes = verdict.route.origin === 'provider' || this.#list.length === 0;
    if (verdict.forward.outbound.knownSecrets) return passes ? known : this.#all;
    return passes ? null : this.#alone;
  }

  /** Puts the real values into the head's declared places, and finds every stand-in that stands elsewhere. */
  place(
    verdict: Allowed,
    facts: RequestFacts,
  ): PlacedRequest | { readonly refused: Refusal; readonly findings: readonly Finding[] } {
    const { forward, route } = verdict;
    const placement = new Placement(forward.placeholders, this.#list, (env) => this.#valueOf(env));
    const placed = placement.head(forward.target, forward.headers);
    const { target, headers } = placed;
    if (route.origin === 'provider' || this.#list.length === 0) return { target, headers, placement };
    const findings = this.#leftIn(facts.authority.host, placed.rest);
    if (findings.length > 0) return { refused: findingsRefusal(findings, route.id), findings };
    const foreign = this.#foreignIn(verdict, facts, placed.rest);
    if (foreign !== null) return { refused: foreign, findings: [] };
    return { target, headers, placement };
  }

  /** A body in which something may have to be swapped, or null for one that streams. */
  bodyFor(placed: PlacedRequest, reader: BodySource, screen: Screen | null, store: HoldStore): SwappedBody | null {
    if (bodyCoding(placed.headers).kind !== 'identity') return null;
    const [type = '', ...others] = headerValues(placed.headers, 'content-type');
    const kind = others.length > 0 ? null : placed.placement.wantsBody(type);
    return kind === null ? null : new SwappedBody({ reader, screen, store, kind, placement: placed.placement });
  }

  #valueOf(env: string): string {
    const secret = this.#secrets.get(env);
    return secret === undefined ? '' : reveal(secret, 'inject');
  }

  #leftIn(host: string, rest: { readonly target: string; readonly headers: readonly Header[] }): readonly Finding[] {
    const [path = '', ...query] = rest.target.split('?');
    return [
      ...scanText(this.#alone, host, 'host'),
      ...scanText(this.#alone, path, 'path'),
      ...scanText(this.#alone, query.join('?'), 'query'),
      ...rest.headers.flatMap(([name, value]) =>
        scanText(this.#alone, `${name}: ${value}`, `header ${name.toLowerCase()}`),
      ),
    ];
  }

  /** A declared place that holds something else carries a credential of the agent's own (SECURITY S10). */
  #foreignIn(verdict: Allowed, facts: RequestFacts, rest: PlacedHead['rest']): Refusal | null {
    const { agent_credentials: agentCredentials } = verdict.route.route;
    const reading = facts.method === 'GET' || facts.method === 'HEAD';
    if (agentCredentials === 'allow' || (agentCredentials === undefined && reading)) return null;
    const other = occupiedPlace(verdict.forward.placeholders, rest);
    if (other === undefined) return null;
    const detail = `the ${other.in} ${other.name} carries something else than the stand-in of ${other.env}`;
    return gatewayRefusal(403, 'foreign_credential', detail, verdict.route.id);
  }
}
