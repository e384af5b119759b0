import { parseHostSpec } from '../policy/host.ts';
import type { JsonObject } from '../schema/json.ts';
import { looksLikeToken } from './token-shapes.ts';

/**
 * Old manifests in today's spelling, as a list of edits on one bottle: pure, so that the same list is applied to a file
 * that keeps its comments and to a file that is made anew. What can't be carried over is said, and left for a person.
 */
export type Edit =
  | { readonly kind: 'delete'; readonly path: readonly (string | number)[] }
  | { readonly kind: 'set'; readonly path: readonly (string | number)[]; readonly value: unknown };

export interface Conversion {
  readonly edits: readonly Edit[];
  /** One line each: what was there and what to do about it. */
  readonly left: readonly string[];
}

type Rule = (value: unknown, bottle: JsonObject) => Conversion;

const TEMPLATES = ['claude', 'codex', 'pi'];

export function convertBottle(bottle: JsonObject): Conversion {
  const conversions = Object.entries(bottle).flatMap(([key, value]) => {
    const rule = RULES[key];
    if (rule !== undefined) {
      const { edits, left } = rule(value, bottle);
      return [{ edits: [{ kind: 'delete', path: [key] } as const, ...edits], left }];
    }
    return key === 'egress' ? [convertRoutes(value)] : key === 'git-gate' ? [convertRepos(value)] : [];
  });
  return { edits: conversions.flatMap(({ edits }) => edits), left: conversions.flatMap(({ left }) => left) };
}

const RULES: Readonly<Record<string, Rule>> = {
  git_user: (value) => set(['git-gate', 'user'], value),
  git: (value, bottle) => {
    if (!isObject(value)) return leave('git', 'describe each repository under git-gate.repos');
    const { user, repos, ...others } = value;
    const repositories = isObject(repos) ? repos : others;
    const before = isObject(bottle['git-gate']) ? bottle['git-gate'] : {};
    const known = isObject(before['repos']) ? before['repos'] : {};
    const converted = Object.entries(repositories).map(([name, repo]) => [name, convertRepo(repo)] as const);
    return join([
      user === undefined ? NOTHING : set(['git-gate', 'user'], user),
      converted.length === 0 ? NOTHING : set(['git-gate', 'repos'], { ...Object.fromEntries(converted), ...known }),
    ]);
  },
  ssh: (value) => leave('ssh', 'give each repository its key: git-gate.repos.<name>.key', value),
  identity: () => leave('identity', 'give each repository its key: git-gate.repos.<name>.key'),
  runtime: (value) =>
    typeof value === 'string' && TEMPLATES.includes(value)
      ? set(['agent_provider', 'template'], value)
      : leave('runtime', 'walls are chosen by --backend or in settings.yml', value),
  cred_proxy: (value, bottle) => {
    const listed = Array.isArray(value)
      ? value
      : isObject(value) && Array.isArray(value['routes'])
        ? value['routes']
        : null;
    if (listed === null) return leave('cred_proxy', 'write each host as egress.routes[].auth', value);
    const routes = listed.map(routeOfProxy);
    const before =
      isObject(bottle['egress']) && Array.isArray(bottle['egress']['routes']) ? bottle['egress']['routes'] : [];
    const good = routes.flatMap((route) => (typeof route === 'string' ? [] : [route]));
    const bad = routes.flatMap((route) => (typeof route === 'string' ? [route] : []));
    return {
      edits:
        good.length === 0
          ? []
          : [{ kind: 'set', path: ['egress', 'routes'], value: [...convertList(before), ...good] }],
      left: bad.map((why) => `cred_proxy: ${why}`),
    };
  },
  pipelock: (value) =>
    value === false || (isObject(value) && value['enabled'] === false)
      ? leave('pipelock: off', 'scanning is turned off by route: dlp: {outbound_detectors: false}')
      : { edits: [], left: [] },
  path_allowlist: (value) => leave('path_allowlist', 'write it as matches of the route that it belongs to', value),
};

/** A route of the old credential proxy. A string says why it can't be carried over. */
function routeOfProxy(entry: unknown): JsonObject | string {
  if (!isObject(entry)) return 'an entry is no map';
  const upstream = entry['upstream'] ?? entry['host'] ?? entry['url'];
  if (typeof upstream !== 'string') return 'an entry names no upstream';
  const host = upstream.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  if (!parseHostSpec(host).ok) return `"${host}" is no host`;
  const scheme = entry['auth_scheme'] ?? entry['scheme'] ?? 'Bearer';
  const token = entry['token_ref'] ?? entry['token_env'] ?? entry['token'];
  if (typeof token !== 'string') return `${host} names no token_ref`;
  return {
    host,
    auth: { scheme, token_ref: token, ...(entry['name'] === undefined ? {} : { name: entry['name'] }) },
    ...matchesOf(entry['path_allowlist']),
  };
}

function convertRoutes(egress: unknown): Conversion {
  if (!isObject(egress) || !Array.isArray(egress['routes'])) return NOTHING;
  return join(egress['routes'].map((route, index) => convertRoute(route, index)));
}

function convertRoute(route: unknown, index: number): Conversion {
  if (!isObject(route)) return NOTHING;
  const at = ['egress', 'routes', index] as const;
  const remove = (key: string): Edit => ({ kind: 'delete', path: [...at, key] });
  const edits: Edit[] = [];
  const left: string[] = [];
  if (route['path_allowlist'] !== undefined) {
    edits.push(remove('path_allowlist'));
    const { matches } = matchesOf(route['path_allowlist']);
    if (matches !== undefined && route['matches'] === undefined)
      edits.push({ kind: 'set', path: [...at, 'matches'], value: matches });
    else left.push(`egress.routes[${String(index)}].path_allowlist: write it as matches`);
  }
  if (route['pipelock'] !== undefined) {
    edits.push(remove('pipelock'));
    if (route['pipelock'] === false)
      edits.push({ kind: 'set', path: [...at, 'dlp'], value: { outbound_detectors: false } });
  }
  if (route['cred_proxy'] !== undefined) {
    edits.push(remove('cred_proxy'));
    edits.push({ kind: 'set', path: [...at, 'auth'], value: route['cred_proxy'] });
  }
  return { edits, left };
}

/** Routes as a value, for when the list is written anew. */
function convertList(routes: readonly unknown[]): readonly unknown[] {
  return routes.map((route) => {
    if (!isObject(route)) return route;
    const { path_allowlist: paths, pipelock, ...rest } = route;
    return {
      ...rest,
      ...(rest['matches'] === undefined ? matchesOf(paths) : {}),
      ...(pipelock === false ? { dlp: { outbound_detectors: false } } : {}),
    };
  });
}

function matchesOf(paths: unknown): { readonly matches?: readonly JsonObject[] } {
  if (!Array.isArray(paths) || paths.length === 0) return {};
  const values = paths.filter((path): path is string => typeof path === 'string' && path.startsWith('/'));
  if (values.length !== paths.length) return {};
  return {
    matches: [
      {
        paths: values.map((value) => ({ type: 'prefix', value: value.replace(/\*+$/, '') })),
      },
    ],
  };
}

function convertRepos(gitGate: unknown): Conversion {
  if (!isObject(gitGate) || !isObject(gitGate['repos'])) return NOTHING;
  const edits = Object.entries(gitGate['repos']).flatMap(([name, repo]): readonly Edit[] =>
    isObject(repo) && repo['identity'] !== undefined
      ? [{ kind: 'set', path: ['git-gate', 'repos', name], value: convertRepo(repo) }]
      : [],
  );
  return { edits, left: [] };
}

function convertRepo(repo: unknown): unknown {
  if (typeof repo === 'string') return { url: repo };
  if (!isObject(repo)) return repo;
  const { identity, ...rest } = repo;
  return typeof identity === 'string' ? { ...rest, key: { provider: 'static', path: identity } } : rest;
}

const NOTHING: Conversion = { edits: [], left: [] };

function set(path: readonly string[], value: unknown): Conversion {
  return { edits: [{ kind: 'set', path, value }], left: [] };
}

/** The old value itself is said too, since the person who moves it needs it; what looks like a token is not. */
function leave(key: string, advice: string, value?: unknown): Conversion {
  const shown = value === undefined ? '' : ` (it was ${JSON.stringify(value, masked)})`;
  return { edits: [], left: [`${key}: ${advice}${shown}`] };
}

function masked(_key: string, value: unknown): unknown {
  return typeof value === 'string' && looksLikeToken(value) ? '(secret)' : value;
}

function join(conversions: readonly Conversion[]): Conversion {
  return {
    edits: conversions.flatMap(({ edits }) => edits),
    left: conversions.flatMap(({ left }) => left),
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
