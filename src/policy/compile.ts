import { err, ok, type Result } from '../kernel/result.ts';
import type { CompiledRoute, GatewayConfig } from '../schema/gateway-config.ts';
import { authorityText, matchesHost, normaliseHost, parseHostSpec, type HostPattern, type NormalHost } from './host.ts';
import { compileMatch, type CompiledMatch } from './match.ts';
import { compilePattern } from './regex-subset.ts';

/** The routes, ready to be asked. Compiling never widens: what can't be understood is a problem, not a guess. */
export interface PolicyRoute {
  readonly compiled: CompiledRoute;
  readonly pattern: HostPattern;
  readonly matches: readonly CompiledMatch[] | null;
}
export interface Policy {
  readonly generation: number;
  readonly supervise: boolean;
  readonly routes: readonly PolicyRoute[];
  /** `host:port`, normalised → `address:port`. */
  readonly resolve: ReadonlyMap<string, string>;
}

export function compilePolicy(config: GatewayConfig): Result<Policy, readonly string[]> {
  const problems: string[] = [];
  const routes: PolicyRoute[] = [];
  for (const compiled of config.routes) {
    if (compiled.origin === 'probe') continue;
    const route = compileRoute(compiled);
    if (route.ok) routes.push(route.value);
    else problems.push(`${compiled.source}: ${route.error}`);
  }
  problems.push(...duplicates(routes));
  const resolve = compileResolve(config.upstream.resolve, problems);
  if (problems.length > 0) return err(problems);
  return ok({ generation: config.generation, supervise: config.supervise, routes, resolve });
}

function compileRoute(compiled: CompiledRoute): Result<PolicyRoute, string> {
  const pattern = parseHostSpec(compiled.route.host);
  if (!pattern.ok) return err(`host ${compiled.route.host}: ${pattern.error}`);
  const problems: string[] = [];
  const matches = compiled.route.matches?.map((match) =>
    compileMatch(match, (source) => {
      const pattern = compilePattern(source);
      if (pattern.ok) return pattern.value;
      problems.push(`pattern ${source}: ${pattern.error}`);
      return { test: () => false };
    }),
  );
  if (problems.length > 0) return err(problems.join('; '));
  return ok({ compiled, pattern: pattern.value, matches: matches ?? null });
}

/** A route's identity is (host, port). */
function duplicates(routes: readonly PolicyRoute[]): readonly string[] {
  const seen = new Map<string, PolicyRoute>();
  const problems: string[] = [];
  for (const route of routes) {
    const identity = routeIdentity(route.pattern);
    const first = seen.get(identity);
    if (first !== undefined) {
      problems.push(`${route.compiled.source}: ${identity} is routed already at ${first.compiled.source}`);
    }
    seen.set(identity, first ?? route);
  }
  return problems;
}

export function routeIdentity({ kind, host, port }: HostPattern): string {
  const text = authorityText({ host, port });
  return kind === 'wildcard' ? `*.${text}` : text;
}

function compileResolve(resolve: Readonly<Record<string, string>>, problems: string[]): ReadonlyMap<string, string> {
  const compiled = new Map<string, string>();
  for (const [key, address] of Object.entries(resolve)) {
    const separator = key.lastIndexOf(':');
    const host = normaliseHost(key.slice(0, separator));
    if (host.ok && /:\d{1,5}$/.test(key)) compiled.set(`${host.value}:${key.slice(separator + 1)}`, address);
    else problems.push(`upstream.resolve: ${key} is not host:port`);
  }
  return compiled;
}

const IMPLIED_PORTS: readonly number[] = [443, 80];

/**
 * The one route that decides for a host and port: exact before wildcard, longer wildcard before shorter, a named port
 * before none. There is no falling through: a more specific host that does not cover the port refuses.
 */
export function findRoute(policy: Policy, host: NormalHost, port: number): PolicyRoute | null {
  const hosting = policy.routes.filter(({ pattern }) => matchesHost(pattern, host));
  const specificity = ({ pattern }: PolicyRoute): number =>
    pattern.kind === 'wildcard' ? pattern.host.length : Infinity;
  const best = Math.max(-1, ...hosting.map(specificity));
  const candidates = hosting.filter((route) => specificity(route) === best);
  const named = candidates.find(({ pattern }) => pattern.port === port);
  if (named !== undefined) return named;
  if (!IMPLIED_PORTS.includes(port)) return null;
  return candidates.find(({ pattern }) => pattern.port === null) ?? null;
}

/** For the DNS answerer: whether any route could be meant by this name. */
export function allowsName(policy: Policy, name: string): boolean {
  const host = normaliseHost(name);
  return host.ok && policy.routes.some(({ pattern }) => matchesHost(pattern, host.value));
}
