import type { GitService } from '../../schema/git.ts';

/**
 * What a request to the gate asks for. Repositories are looked up by name in a map (HOTSPOTS H15): no path is ever made
 * from what a request says. Whatever is not exactly what git sends is refused by name, with what to do instead.
 */
export const GATE_REFUSALS = [
  'bad_request',
  'unknown_repository',
  'unknown_path',
  'unknown_service',
  'dumb_http',
  'lfs',
  'webdav',
  'archive',
] as const;
export type GateRefusalReason = (typeof GATE_REFUSALS)[number];

export interface GateRefusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly reason: GateRefusalReason;
  /** What, and what to do instead; a sentence each. */
  readonly text: string;
}

export type GateRequest<Repository> =
  | { readonly kind: 'advertise'; readonly repository: Repository; readonly service: GitService }
  | { readonly kind: 'rpc'; readonly repository: Repository; readonly service: GitService }
  | GateRefusal;

export function routeGitRequest<Repository>(
  method: string,
  target: string,
  repositories: ReadonlyMap<string, Repository>,
): GateRequest<Repository> {
  const plain = /^\/([A-Za-z0-9._-]+)\.git(\/[^?#]*)?(?:\?([^#]*))?$/.exec(target);
  if (plain === null) return refuseTarget(target, repositories);
  const [, name = '', path = '/', query = ''] = plain;
  const repository = repositories.get(name);
  if (repository === undefined) return unknownRepository(name, repositories);
  if (/^(?:PUT|DELETE|MOVE|COPY|MKCOL|PROPFIND|PROPPATCH|LOCK|UNLOCK)$/.test(method) && !path.startsWith('/info/lfs'))
    return refused(405, 'webdav', 'Writing by WebDAV is not spoken here. Use git push.');
  if (path === '/info/refs') return advertise(method, query, repository);
  const service = RPC[path];
  if (service !== undefined) {
    if (query !== '') return refused(400, 'bad_request', 'This path takes no query.');
    if (method !== 'POST') return refused(405, 'bad_request', 'This path takes POST only.');
    return { kind: 'rpc', repository, service };
  }
  return refusePath(path);
}

const RPC: Readonly<Record<string, GitService>> = {
  '/git-upload-pack': 'git-upload-pack',
  '/git-receive-pack': 'git-receive-pack',
};

function advertise<Repository>(method: string, query: string, repository: Repository): GateRequest<Repository> {
  if (method !== 'GET') return refused(405, 'bad_request', 'This path takes GET only.');
  switch (query) {
    case 'service=git-upload-pack':
      return { kind: 'advertise', repository, service: 'git-upload-pack' };
    case 'service=git-receive-pack':
      return { kind: 'advertise', repository, service: 'git-receive-pack' };
    case '':
      return refused(
        403,
        'dumb_http',
        'The dumb HTTP protocol is not spoken here. Use a git of version 1.6.6 or later.',
      );
    default:
      return refused(
        403,
        'unknown_service',
        'The services here are git-upload-pack and git-receive-pack, in that very spelling. Use git itself.',
      );
  }
}

function refusePath(path: string): GateRefusal {
  if (path.startsWith('/info/lfs'))
    return refused(
      501,
      'lfs',
      'Git LFS is not served here, for its files could not be scanned. Commit the file itself, or ask the operator to deliver it.',
    );
  if (path === '/git-upload-archive')
    return refused(501, 'archive', 'git archive --remote is not served here. Clone, and archive the clone.');
  if (/^\/(?:HEAD$|objects\/|info\/|description$|config$|refs\/|packed-refs$)/.test(path))
    return refused(403, 'dumb_http', 'The dumb HTTP protocol is not spoken here. Use git clone or git fetch.');
  return refused(404, 'unknown_path', 'There is nothing here. Use git clone, fetch, pull and push.');
}

function refuseTarget(target: string, repositories: ReadonlyMap<string, unknown>): GateRefusal {
  const [, name, suffix] = /^\/([A-Za-z0-9._-]+?)(\.git)?(?:[/?]|$)/.exec(target) ?? [];
  if (name !== undefined && suffix === undefined && repositories.has(name))
    return refused(404, 'unknown_path', `Write the repository's address as http://git-gate:9420/${name}.git.`);
  if (name !== undefined && !repositories.has(name)) return unknownRepository(name, repositories);
  return refused(400, 'bad_request', `Write the address plainly: ${addresses(repositories)}.`);
}

function unknownRepository(name: string, repositories: ReadonlyMap<string, unknown>): GateRefusal {
  return refused(
    404,
    'unknown_repository',
    `No repository is declared as "${name.slice(0, 80)}". Here are: ${addresses(repositories)}. ` +
      'Only the operator can declare another, under git-gate.repos of the bottle.',
  );
}

function addresses(repositories: ReadonlyMap<string, unknown>): string {
  return [...repositories.keys()].map((name) => `http://git-gate:9420/${name}.git`).join(', ') || 'none';
}

function refused(status: number, reason: GateRefusalReason, text: string): GateRefusal {
  return { kind: 'refused', status, reason, text };
}
