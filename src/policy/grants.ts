import { err, ok, type Result } from '../kernel/result.ts';
import type { CompiledRoute, GatewayConfig } from '../schema/gateway-config.ts';
import type { AskedRoute } from '../schema/proposal.ts';
import type { Route, RouteMatch } from '../schema/route.ts';
import { compilePolicy } from './compile.ts';
import { authorityText, liesBelow, parseHostSpec, type HostPattern } from './host.ts';

/** A yes of the operator, as the policy sees it. */
export interface Grant {
  readonly id: string;
  readonly route: AskedRoute;
}

/** Every path of a host that has `matches`, as one more of them. */
const EVERYTHING: readonly RouteMatch[] = [{ paths: [{ type: 'prefix', value: '/' }] }];

/**
 * The policy with what was granted. For a host that is routed a grant adds matches and changes nothing else (SECURITY
 * S32): credential, scan and everything besides stay as the manifest has them. A grant adds; it never takes away.
 */
export function withGrants(config: GatewayConfig, grants: readonly Grant[]): Result<GatewayConfig, string> {
  let routes: readonly CompiledRoute[] = config.routes;
  for (const grant of grants) {
    const pattern = parseHostSpec(grant.route.host);
    if (!pattern.ok) return err(`host ${grant.route.host}: ${pattern.error}`);
    routes = withGrant(routes, grant, pattern.value);
  }
  const granted = { ...config, routes: [...routes] };
  const compiled = compilePolicy(granted);
  return compiled.ok ? ok(granted) : err(compiled.error.join('\n'));
}

function withGrant(before: readonly CompiledRoute[], grant: Grant, pattern: HostPattern): readonly CompiledRoute[] {
  const routes = materialised(before, grant, pattern);
  const own = routes.filter((route) => sameHost(patternOf(route), pattern));
  const exact = own.find((route) => patternOf(route)?.port === pattern.port);
  if (exact !== undefined) return routes.map((route) => (route === exact ? widened(route, grant) : route));
  // A named port takes over from the route without one, so it begins as that one's copy.
  const covering =
    pattern.port === 443 || pattern.port === 80 ? own.find((route) => patternOf(route)?.port === null) : undefined;
  if (covering !== undefined) return [...routes, widened(copyFor(covering, grant, pattern), grant)];
  return [...routes, newRoute(grant, pattern)];
}

/**
 * The most specific host alone decides, with no falling through. So a host that only a wildcard covers gets that
 * wildcard's routes as its own first: else the grant would take away what the wildcard allowed.
 */
function materialised(routes: readonly CompiledRoute[], grant: Grant, pattern: HostPattern): readonly CompiledRoute[] {
  if (routes.some((route) => sameHost(patternOf(route), pattern))) return routes;
  const above = routes
    .flatMap((route) => {
      const wildcard = patternOf(route);
      return wildcard?.kind === 'wildcard' && liesBelow(pattern.host, wildcard.host) ? [{ route, wildcard }] : [];
    })
    .toSorted((left, right) => right.wildcard.host.length - left.wildcard.host.length);
  const longest = above[0]?.wildcard.host;
  return [
    ...routes,
    ...above
      .filter(({ wildcard }) => wildcard.host === longest)
      .map(({ route, wildcard }) => copyFor(route, grant, { ...pattern, port: wildcard.port })),
  ];
}

function copyFor(route: CompiledRoute, grant: Grant, pattern: HostPattern): CompiledRoute {
  const host = spelled(pattern);
  return { ...route, id: `approved:${host}`, source: sourceOf(grant), route: { ...route.route, host } };
}

function newRoute(grant: Grant, pattern: HostPattern): CompiledRoute {
  const host = spelled(pattern);
  const { matches, gitFetch } = grant.route;
  const route: Route = {
    host,
    ...(matches === undefined ? {} : { matches }),
    ...(gitFetch === true ? { git: { fetch: true } } : {}),
  };
  return { id: `approved:${host}`, origin: 'manifest', source: sourceOf(grant), route };
}

function widened(compiled: CompiledRoute, { route: asked }: Grant): CompiledRoute {
  const { route } = compiled;
  const added = asked.matches ?? EVERYTHING;
  // Without matches it allows every path already.
  const matches = route.matches === undefined ? {} : { matches: [...route.matches, ...added] };
  const git = asked.gitFetch === true ? { git: { ...route.git, fetch: true } } : {};
  return { ...compiled, route: { ...route, ...matches, ...git } };
}

function sourceOf({ id }: Grant): string {
  return `approved ${id.slice(0, 8)}`;
}

function spelled({ kind, host, port }: HostPattern): string {
  const text = authorityText({ host, port });
  return kind === 'wildcard' ? `*.${text}` : text;
}

function patternOf({ origin, route }: CompiledRoute): HostPattern | null {
  const pattern = parseHostSpec(route.host);
  return origin !== 'probe' && pattern.ok ? pattern.value : null;
}

function sameHost(left: HostPattern | null, right: HostPattern): boolean {
  return left !== null && left.kind === right.kind && left.host === right.host;
}

/** The route that decides for a host now; null when none does. */
export function routeNow(config: GatewayConfig, pattern: HostPattern): CompiledRoute | null {
  const probe: Grant = { id: '', route: { host: '' } };
  const routes = materialised(config.routes, probe, pattern).filter((route) => sameHost(patternOf(route), pattern));
  const named = routes.find((route) => patternOf(route)?.port === pattern.port);
  const implied = pattern.port === null || pattern.port === 443 || pattern.port === 80;
  return named ?? (implied ? (routes.find((route) => patternOf(route)?.port === null) ?? null) : null);
}
