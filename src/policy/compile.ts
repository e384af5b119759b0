import { err, ok, type Result } from '../kernel/result.ts';
import type { CompiledRoute, GatewayConfig } from '../schema/gateway-config.ts';
import { authProblem } from './credentials.ts';
import {
  authorityText,
  isLiteral,
  mostSpecific,
  normaliseHost,
  parseAuthority,
  parseHostSpec,
  type HostPattern,
  type NormalHost,
} from './host.ts';
import { compileMatch, type CompiledMatch } from './match.ts';
import { notBuilt } from './not-built.ts';
import { passthroughProblems } from './passthrough.ts';
import { placeholderProblems } from './placeholders.ts';
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
  /** Routes of one name or address, by that. */
  readonly exact: ReadonlyMap<string, readonly PolicyRoute[]>;
  /** Routes of `*.name`, by that name. */
  readonly wildcards: ReadonlyMap<string, readonly PolicyRoute[]>;
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
  problems.push(...proxyProblems(config, routes));
  const resolve = compileResolve(config.upstream.resolve, problems);
  if (problems.length > 0) return err(problems);
  return ok({
    generation: config.generation,
    supervise: config.supervise,
    exact: byHost(routes.filter(({ pattern }) => pattern.kind !== 'wildcard')),
    wildcards: byHost(routes.filter(({ pattern }) => pattern.kind === 'wildcard')),
    resolve,
  });
}

function byHost(routes: readonly PolicyRoute[]): ReadonlyMap<string, readonly PolicyRoute[]> {
  return Map.groupBy(routes, ({ pattern }) => pattern.host);
}

function compileRoute(compiled: CompiledRoute): Result<PolicyRoute, string> {
  const pattern = parseHostSpec(compiled.route.host);
  if (!pattern.ok) return err(`host ${compiled.route.host}: ${pattern.error}`);
  const problems = [
    ...notBuilt(compiled.route),
    ...credentialProblems(compiled),
    ...placeholderProblems(compiled.route),
    ...passthroughProblems(compiled.route, pattern.value),
  ];
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

/** Where the proxy decides what a name means, a wildcard would be a way to any address it can reach (SECURITY S21). */
function proxyProblems({ upstream }: GatewayConfig, routes: readonly PolicyRoute[]): readonly string[] {
  if (upstream.proxy?.resolves !== true) return [];
  return routes
    .filter(({ pattern }) => pattern.kind === 'wildcard')
    .map(
      ({ compiled }) => `${compiled.source}: ${compiled.route.host} is a wildcard, and upstream.proxy_resolves is on`,
    );
}

/** A credential without a slot could not be put in; a slot without `auth` would never be. Either is a mistake in the plan. */
function credentialProblems({ route, credential }: CompiledRoute): readonly string[] {
  if (route.auth !== undefined && credential === undefined) return ['auth without a credential slot'];
  if (route.auth === undefined && credential !== undefined) return ['a credential slot without auth'];
  const problem = route.auth === undefined ? null : authProblem(route.auth);
  return problem === null ? [] : [problem];
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
    const name = parseAuthority(key);
    if (!name.ok || name.value.port === null) {
      problems.push(`upstream.resolve: ${key} is not host:port`);
    } else if (!isDialable(address)) {
      problems.push(`upstream.resolve: ${key} leads to ${address}, which is not address:port in its usual spelling`);
    } else if (compiled.has(resolveKey(name.value.host, name.value.port))) {
      problems.push(`upstream.resolve: ${key} is there twice`);
    } else compiled.set(resolveKey(name.value.host, name.value.port), address);
  }
  return compiled;
}

/** An address in the one spelling that nobody reads otherwise: no short or octal IPv4, IPv6 in brackets. */
function isDialable(text: string): boolean {
  const parsed = parseAuthority(text);
  return (
    parsed.ok && isLiteral(parsed.value.host) && parsed.value.port !== null && authorityText(parsed.value) === text
  );
}

function resolveKey(host: NormalHost, port: number): string {
  return authorityText({ host, port });
}

/** Where the operator's `upstream.resolve` sends a host and port: `address:port`, or null. */
export function resolveTarget(policy: Policy, host: NormalHost, port: number): string | null {
  return policy.resolve.get(resolveKey(host, port)) ?? null;
}

const IMPLIED_PORTS: readonly number[] = [443, 80];

/**
 * The one route that decides for a host and port: exact before wildcard, longer wildcard before shorter, a named port
 * before none. There is no falling through: a more specific host that does not cover the port refuses.
 */
export function findRoute(policy: Policy, host: NormalHost, port: number): PolicyRoute | null {
  const candidates = hosting(policy, host);
  const named = candidates.find(({ pattern }) => pattern.port === port);
  if (named !== undefined) return named;
  if (!IMPLIED_PORTS.includes(port)) return null;
  return candidates.find(({ pattern }) => pattern.port === null) ?? null;
}

function hosting({ exact, wildcards }: Policy, host: NormalHost): readonly PolicyRoute[] {
  return mostSpecific(host, exact, wildcards) ?? [];
}

/** Whether TLS to that host goes through unopened (`tls: passthrough`). */
export function isPassedThrough(policy: Policy, authority: { readonly host: string; readonly port: number }): boolean {
  const host = normaliseHost(authority.host);
  return host.ok && findRoute(policy, host.value, authority.port)?.compiled.route.tls === 'passthrough';
}

/** For the DNS answerer: whether any route could be meant by this name. */
export function allowsName(policy: Policy, name: string): boolean {
  const host = normaliseHost(name);
  return host.ok && hosting(policy, host.value).length > 0;
}
