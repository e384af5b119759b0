import type { GatewayConfig } from '../schema/gateway-config.ts';
import type { AskedRoute, Impact, Risk } from '../schema/proposal.ts';
import type { RouteMatch } from '../schema/route.ts';
import { routeNow } from './grants.ts';
import { parseHostSpec, type HostPattern } from './host.ts';
import { wayRound } from './way-round.ts';

/** Methods by which nothing is meant to change. A query can carry data out all the same. */
const READING = ['GET', 'HEAD'];

/** What a yes would open, computed on the live policy: not a difference of files but what could be asked afterwards. */
export function impactOf(config: GatewayConfig, asked: AskedRoute): Impact {
  const parsed = parseHostSpec(asked.host);
  const pattern: HostPattern = parsed.ok ? parsed.value : { kind: 'exact', host: asked.host, port: null };
  const live = routeNow(config, pattern);
  const credential = live?.route.auth?.token_ref ?? null;
  const placeholders = live?.route.placeholders?.map(({ env }) => env) ?? [];
  const way = wayRound(pattern);
  const facts: Facts = {
    pattern,
    credential: credential ?? placeholders[0] ?? null,
    provider: live?.origin === 'provider',
    writes: asked.matches === undefined || asked.matches.some(mayWrite),
    whole: asked.matches === undefined || asked.matches.some(isWhole),
    way,
    routed: live !== null,
  };
  const [risk, why] = grade(facts);
  return {
    generation: config.generation,
    opens: describeMatches(asked.host, asked.matches),
    now: live === null ? [] : describeMatches(live.route.host, live.route.matches),
    credential: facts.credential,
    ways: way === null ? [] : [way],
    risk,
    why,
    confirm: pattern.kind === 'wildcard' || (facts.credential !== null && facts.writes),
    narrower: narrower(asked),
  };
}

interface Facts {
  readonly pattern: HostPattern;
  readonly credential: string | null;
  readonly provider: boolean;
  readonly writes: boolean;
  readonly whole: boolean;
  readonly way: string | null;
  readonly routed: boolean;
}

/** One word and its one reason: the worst of what is true. */
function grade({ pattern, credential, provider, writes, whole, way, routed }: Facts): readonly [Risk, string] {
  if (pattern.kind === 'wildcard')
    return ['high', `every name below ${pattern.host} could be reached, whoever runs it`];
  if (way !== null && (writes || whole)) return ['high', way];
  if (provider) return ['high', "the model provider's account could be used for more than the conversation"];
  if (credential !== null && writes) return ['high', `requests that change something would carry ${credential}`];
  if (writes && whole) return ['high', `anything could be sent to any path of ${pattern.host}`];
  if (way !== null) return ['medium', way];
  if (writes) return ['medium', `data could be sent to ${pattern.host}, and whoever reads there would see it`];
  if (credential !== null) return ['medium', `what ${credential} can read there could be read`];
  if (whole) return ['medium', `any path of ${pattern.host} could be asked for, and a path can carry data`];
  return routed
    ? ['low', 'reading of named paths on a host that is routed already']
    : ['low', `reading of named paths of ${pattern.host}`];
}

function mayWrite({ methods }: RouteMatch): boolean {
  return methods === undefined || methods.some((method) => !READING.includes(method));
}

function isWhole({ paths }: RouteMatch): boolean {
  return (
    paths === undefined || paths.some(({ type, value }) => type === 'regex' || (type === 'prefix' && value === '/'))
  );
}

export function describeMatches(host: string, matches: readonly RouteMatch[] | undefined): string[] {
  if (matches === undefined) return [`every request to ${host}`];
  return matches.map(({ paths, methods, headers }) => {
    const which = methods === undefined ? 'any method' : methods.join(', ');
    const where = paths === undefined ? ['/*'] : paths.map(({ type, value }) => pathText(type, value));
    const held =
      headers === undefined ? '' : ` with ${headers.map(({ name, value }) => `${name}: ${value}`).join(', ')}`;
    return `${which}  ${where.map((path) => `${host}${path}`).join('  ')}${held}`;
  });
}

function pathText(type: 'exact' | 'prefix' | 'regex', value: string): string {
  switch (type) {
    case 'exact':
      return value;
    case 'prefix':
      return value.endsWith('/') ? `${value}*` : `${value}[/*]`;
    case 'regex':
      return ` ~${value}`;
  }
}

/** What could be granted instead, each truly less than what was asked. */
function narrower(asked: AskedRoute): Impact['narrower'] {
  const { matches } = asked;
  const choices: { readonly title: string; readonly route: AskedRoute }[] = [];
  const reading = (match: RouteMatch): RouteMatch => ({ ...match, methods: READING });
  if (matches === undefined)
    choices.push({ title: 'reading only (GET, HEAD)', route: { ...asked, matches: [{ methods: READING }] } });
  else if (matches.some(mayWrite))
    choices.push({ title: 'reading only (GET, HEAD)', route: { ...asked, matches: matches.map(reading) } });
  const exact = matches?.map(onlyThesePaths) ?? [];
  if (JSON.stringify(exact) !== JSON.stringify(matches ?? []))
    choices.push({ title: 'these very paths, nothing below them', route: { ...asked, matches: exact } });
  if (asked.gitFetch === true) {
    const { gitFetch: _, ...route } = asked;
    choices.push({ title: 'without git', route });
  }
  return choices.map((choice, index) => ({ key: `n${String(index + 1)}`, ...choice }));
}

function onlyThesePaths(match: RouteMatch): RouteMatch {
  if (match.paths === undefined) return match;
  return {
    ...match,
    paths: match.paths.map((path) => (path.type === 'prefix' ? { type: 'exact' as const, value: path.value } : path)),
  };
}
