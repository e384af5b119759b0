import type { PathMatch, Route, RouteMatch } from '../../schema/route.ts';
import { matchesHost, normaliseHost, parseHostSpec } from '../host.ts';

/**
 * The way round the gate (SECURITY S31): a forge's API writes what a push writes, and is not scanned as one. So a route
 * with a credential to the forge of a declared repository says what it is for, and nothing that writes content.
 */
export interface ForgeRoute {
  readonly route: Route;
  readonly host: string;
  readonly problem: 'no matches' | 'can write repository content';
}

export function forgeRoutes(routes: readonly Route[], forgeHosts: readonly string[]): readonly ForgeRoute[] {
  return routes.flatMap((route): ForgeRoute[] => {
    const host = forgeHosts.find((candidate) => isForgeOf(route, candidate));
    if (route.auth === undefined || host === undefined) return [];
    if (route.matches === undefined) return [{ route, host, problem: 'no matches' }];
    return route.matches.some(canWrite) ? [{ route, host, problem: 'can write repository content' }] : [];
  });
}

/** The forge itself, and the name that it keeps its API under. */
function isForgeOf({ host }: Route, forge: string): boolean {
  const spec = parseHostSpec(host);
  if (!spec.ok) return false;
  return [forge, `api.${forge}`].some((name) => {
    const normal = normaliseHost(name);
    return normal.ok && matchesHost(spec.value, normal.value);
  });
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

function canWrite({ methods, paths }: RouteMatch): boolean {
  if (methods?.every((method) => READS.has(method)) === true) return false;
  return paths === undefined || !paths.every(isHarmless);
}

/** Known to write nothing that a checkout would hold. What is not known may, and so may all that lies above it. */
function isHarmless({ type, value }: PathMatch): boolean {
  if (type === 'regex') return false;
  const below = /\/(?:repos\/[^/]+|projects)\/[^/]+\/([^/?]+)(\/[^?]*)?$/.exec(value);
  const [, word = '', rest = ''] = below ?? [];
  if (HARMLESS.has(word)) return true;
  return type === 'exact' && (word === 'pulls' || word === 'merge_requests') && rest === '';
}

const HARMLESS = new Set([
  'issues',
  'labels',
  'milestones',
  'comments',
  'statuses',
  'check-runs',
  'notes',
  'reactions',
]);
