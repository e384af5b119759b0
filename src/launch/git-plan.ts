import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { forgeRoutes } from '../policy/gitgate/forge-routes.ts';
import { parseRepoUrl, spellingsOf, type RepoUrl } from '../policy/gitgate/repo-url.ts';
import type { GateRepo, GitUpstream } from '../schema/git-gate.ts';
import { sizeInBytes, type GitRepo } from '../schema/manifest.ts';
import { INSIDE, LISTENER_PORTS, type BottlePlan } from '../schema/plan.ts';
import type { PlanInput } from './plan.ts';
import type { SecretRequest } from './secrets.ts';

/** `git-gate.repos` of a manifest, as the plan has them; every complaint with its line, before anything exists. */
export interface SourcedRepo {
  readonly name: string;
  readonly repo: GitRepo;
  /** Where a key of it is written, or else its name. */
  readonly at: (key: string | null) => SourcePosition | null;
}

export interface PlannedRepos {
  readonly repos: readonly GateRepo[];
  readonly secrets: readonly SecretRequest[];
  readonly files: BottlePlan['files'];
}

const MAX_PACK = '512MiB';

export function planRepos(sourced: readonly SourcedRepo[], slug: string, operatorHome: string): PlannedRepos {
  refuseSameNames(sourced);
  const planned = sourced.map((source) => planRepo(source, slug, operatorHome));
  return {
    repos: planned.map(({ repo }) => repo),
    secrets: planned.flatMap(({ secret }) => secret ?? []),
    files: planned.length === 0 ? [] : [gitConfiguration(planned)],
  };
}

function fail({ name, at }: SourcedRepo, key: string | null, message: string, hint?: string): never {
  const position = at(key);
  throw new BottleError('manifest_invalid', {
    message,
    key: ['git-gate.repos', name, ...(key === null ? [] : [key])].join('.'),
    ...(position === null ? {} : { position }),
    ...(hint === undefined ? {} : { hint }),
  });
}

function refuseSameNames(sourced: readonly SourcedRepo[]): void {
  const seen = new Map<string, string>();
  for (const source of sourced) {
    const folded = source.name.toLowerCase();
    const other = seen.get(folded);
    if (other !== undefined) fail(source, null, `${source.name} and ${other} are one name where case does not count`);
    seen.set(folded, source.name);
  }
}

interface PlannedRepo {
  readonly repo: GateRepo;
  readonly secret: SecretRequest | null;
  /** What the agent's git is to rewrite. */
  readonly spellings: readonly string[];
}

function planRepo(source: SourcedRepo, slug: string, operatorHome: string): PlannedRepo {
  const { name, repo } = source;
  if (repo.url === undefined) fail(source, null, 'it says no url', 'url: ssh://git@host/path.git');
  const parsed = parseRepoUrl(repo.url);
  if (!parsed.ok) fail(source, 'url', parsed.error);
  const url = atHome(parsed.value, operatorHome);
  const upstream = upstreamOf(source, url);
  const secret = secretOf(source, url);
  return {
    spellings: [...new Set([...spellingsOf(url), ...spellingsOf(parsed.value)])],
    secret,
    repo: {
      name,
      url: repo.url,
      upstream,
      credential: secret?.name ?? null,
      maxPackBytes: sizeInBytes(repo.max_pack ?? MAX_PACK) ?? 0,
      rules: {
        push: repo.push ?? null,
        allowDelete: repo.allow?.includes('delete') ?? false,
        allowForce: repo.allow?.includes('force') ?? false,
        allowTags: repo.allow?.includes('tags') ?? false,
        pushDefault: repo.push_default ?? 'ask',
        // The operator's own branches stay the operator's, unless the manifest names what may be pushed.
        landBelow: url.kind === 'local' && repo.push === undefined ? `refs/heads/${slug}/` : null,
        pathsProtected: repo.paths_protected ?? null,
        pushCi: repo.push_ci ?? 'warn',
      },
    },
  };
}

function atHome(url: RepoUrl, home: string): RepoUrl {
  return url.kind === 'local' && url.path.startsWith('~') ? { ...url, path: `${home}${url.path.slice(1)}` } : url;
}

const HOST_KEY =
  /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,2}(?: .*)?$/;

function upstreamOf(source: SourcedRepo, url: RepoUrl): GitUpstream {
  const { host_key: hostKey, key } = source.repo;
  if (url.kind !== 'ssh' && hostKey !== undefined) fail(source, 'host_key', 'only ssh has a host key');
  switch (url.kind) {
    case 'local':
      if (key !== undefined) fail(source, 'key', 'a repository on this machine needs no key');
      return { kind: 'local', directory: url.path };
    case 'https': {
      const { host, port, path, user } = url;
      return { kind: 'https', host, port, path, user: user ?? 'x-access-token' };
    }
    case 'ssh': {
      if (hostKey === undefined)
        fail(
          source,
          null,
          'it says no host_key, and nothing is trusted on first use',
          `ssh-keyscan -t ed25519 ${url.host}`,
        );
      if (!HOST_KEY.test(hostKey)) fail(source, 'host_key', 'must be a public key such as "ssh-ed25519 AAAA…"');
      const { user, host, port, path } = url;
      return { kind: 'ssh', user, host, port, path, hostKey: hostKey.split(' ').slice(0, 2).join(' ') };
    }
  }
}

function secretOf(source: SourcedRepo, url: RepoUrl): SecretRequest | null {
  const { key } = source.repo;
  const position = source.at('key');
  const request = { name: `git:${source.name}`, position, key: `git-gate.repos.${source.name}.key` };
  switch (key?.provider) {
    case undefined:
      if (url.kind === 'ssh') fail(source, null, 'ssh needs a key', 'key: {provider: static, path: ~/.ssh/id_bot}');
      return null;
    case 'token':
      if (url.kind !== 'https') fail(source, 'key', 'a token is for https; ssh takes provider: static');
      return { ...request, from: { kind: 'host', variable: key.token_ref } };
    case 'static':
      if (url.kind !== 'ssh') fail(source, 'key', 'a key file is for ssh; https takes provider: token');
      return { ...request, from: { kind: 'file', path: key.path } };
    case 'gitea':
    case 'github':
    case 'forgejo':
      throw new BottleError('feature_missing', {
        message: `deploy keys made by ${key.provider} are not built yet`,
        key: request.key,
        hint: 'key: {provider: static, path: ~/.ssh/id_bot}',
        ...(position === null ? {} : { position }),
      });
  }
}

/** A route by which the agent could write round the gate is an error, unless that is meant; then it is a warning. */
export function checkForgeRoutes({ routes, git }: Pick<PlanInput, 'routes' | 'git'>): readonly string[] {
  const hosts = (git?.repos ?? []).flatMap(({ repo }) => {
    const url = parseRepoUrl(repo.url ?? '');
    return url.ok && url.value.kind !== 'local' ? [url.value.host] : [];
  });
  const around = forgeRoutes(
    routes.map(({ route }) => route),
    hosts,
  );
  if (git?.forgeWrites === true)
    return around.map(
      ({ route, host }) => `the route to ${route.host} goes round the git gate of ${host} (forge_writes: allow)`,
    );
  const [first] = around;
  if (first === undefined) return [];
  const { route, host, problem } = first;
  const position = routes.find((sourced) => sourced.route === route)?.position ?? null;
  throw new BottleError('manifest_invalid', {
    message:
      problem === 'no matches'
        ? `${route.host} carries a credential and no matches, so it goes round the git gate of ${host}`
        : `${route.host} can write repository content, round the git gate of ${host}`,
    key: `egress.routes (${route.host})`,
    hint: 'matches: [{methods: [GET]}]   or, if it is meant, egress: {forge_writes: allow}',
    ...(position === null ? {} : { position }),
  });
}

/** The agent's git finds declared repositories at the gate, however they are spelled, and asks for no credential. */
function gitConfiguration(planned: readonly PlannedRepo[]): BottlePlan['files'][number] {
  const port = String(LISTENER_PORTS.git);
  const urls = planned.flatMap(({ repo, spellings }) => [
    `[url "http://git-gate:${port}/${repo.name}.git"]`,
    ...spellings.map((spelling) => `\tinsteadOf = ${quoted(spelling)}`),
  ]);
  const content = [
    '# Written by bot-bottle at each start. Your own settings go to ~/.gitconfig.',
    '[safe]',
    '\tdirectory = *',
    '[credential]',
    '\thelper =',
    '[ssh]',
    '\tvariant = ssh',
    '[core]',
    `\tsshCommand = ${quoted(`echo '${UNDECLARED}' >&2; false`)}`,
    ...urls,
    '',
  ].join('\n');
  return { path: `${INSIDE.home}/.config/git/config`, content, mode: 0o600 };
}

const UNDECLARED =
  'bot-bottle: no repository is declared for this address. The operator can declare it under git-gate.repos of the bottle.';

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, (character) => `\\${character}`)}"`;
}
