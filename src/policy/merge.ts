import { err, ok, type Result } from '../kernel/result.ts';
import type { SourcePosition } from '../kernel/errors.ts';
import type { CompiledRoute } from '../schema/gateway-config.ts';
import type { Route } from '../schema/route.ts';
import { routeIdentity } from './compile.ts';
import { parseHostSpec, type HostPattern } from './host.ts';

/**
 * One pure merge, *provisioned wins* (HOTSPOTS H2): what a provider brings for a host stands, and a manifest route for
 * the same host is an error that names the line to delete, never a silent drop. Credential slots are given in one later
 * pass over the merged list.
 */
export interface SourcedRoute {
  readonly route: Route;
  /** For people: `bottles/acme.md:12`, or the provider's name. */
  readonly source: string;
  readonly position: SourcePosition | null;
}
export interface RouteClash {
  readonly host: string;
  readonly position: SourcePosition | null;
  readonly message: string;
}

export function mergeRoutes(
  provided: readonly SourcedRoute[],
  manifest: readonly SourcedRoute[],
): Result<readonly CompiledRoute[], RouteClash> {
  const reserved = provided.map((entry) => ({ entry, pattern: patternOf(entry) }));
  for (const own of manifest) {
    const pattern = patternOf(own);
    const clash = reserved.find(
      (other) => other.pattern !== null && pattern !== null && coversSame(other.pattern, pattern),
    );
    if (clash !== undefined) {
      return err({
        host: own.route.host,
        position: own.position,
        message: `the provider (${clash.entry.source}) brings its own route for ${clash.entry.route.host}; delete this one at ${own.source}`,
      });
    }
  }
  return ok(
    assignSlots([
      ...provided.map((entry) => ({ ...entry, origin: 'provider' as const })),
      ...manifest.map((entry) => ({ ...entry, origin: 'manifest' as const })),
    ]),
  );
}

function patternOf({ route }: SourcedRoute): HostPattern | null {
  const pattern = parseHostSpec(route.host);
  return pattern.ok ? pattern.value : null;
}

/** Same name and kind, on ports that overlap. */
function coversSame(left: HostPattern, right: HostPattern): boolean {
  return (
    left.kind === right.kind &&
    left.host === right.host &&
    (left.port === null || right.port === null || left.port === right.port)
  );
}

function assignSlots(
  routes: readonly (SourcedRoute & { readonly origin: CompiledRoute['origin'] })[],
): readonly CompiledRoute[] {
  const slots = credentialNames(routes.map(({ route }) => route));
  return routes.map(({ route, source, origin }) => {
    const pattern = parseHostSpec(route.host);
    const id = `${origin}:${pattern.ok ? routeIdentity(pattern.value) : route.host}`;
    if (route.auth === undefined) return { id, origin, source, route };
    return { id, origin, source, route, credential: slots.indexOf(route.auth.token_ref) };
  });
}

/** One slot per distinct `token_ref`, in the order of first use: index = slot. */
export function credentialNames(routes: readonly Route[]): readonly string[] {
  return [...new Set(routes.flatMap(({ auth }) => (auth === undefined ? [] : [auth.token_ref])))];
}
