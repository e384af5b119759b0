import { err, ok, type Result } from '../../kernel/result.ts';
import { normaliseHost } from '../host.ts';

/** Where a repository is, as people write it for git; one reader for all of its spellings. */
export type RepoUrl =
  | { readonly kind: 'local'; readonly path: string }
  | {
      readonly kind: 'https';
      readonly user: string | null;
      readonly host: string;
      readonly port: number;
      /** With its leading slash. */
      readonly path: string;
    }
  | {
      readonly kind: 'ssh';
      readonly user: string;
      readonly host: string;
      readonly port: number;
      readonly path: string;
    };

const HTTPS_PORT = 443;
const SSH_PORT = 22;

export function parseRepoUrl(text: string): Result<RepoUrl, string> {
  if (/[\p{Cc}\s]/u.test(text)) return err('an address has no spaces in it');
  if (/^(?:\/|~\/|~$)/.test(text)) return ok({ kind: 'local', path: text });
  if (text.startsWith('file:///')) return ok({ kind: 'local', path: text.slice('file://'.length) });
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return parseSchemed(text);
  const [, user, host, path] = /^(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9.-]+):(?!\/\/|:)(.+)$/.exec(text) ?? [];
  if (host === undefined || path === undefined)
    return err('write ssh://git@host/path, git@host:path, https://host/path, or a path on this machine');
  return sshUrl(user ?? 'git', host, SSH_PORT, path);
}

function parseSchemed(text: string): Result<RepoUrl, string> {
  const url = URL.parse(text);
  if (url === null) return err('this is no address');
  if (url.password !== '')
    return err('a password does not stand in the address; name its variable under key.token_ref');
  if (url.search !== '' || text.includes('#')) return err('an address has no query and no fragment');
  const path = decoded(url.pathname);
  if (path === null || path === '/' || path === '') return err('it names a host and no repository');
  if (url.protocol === 'https:') {
    const host = normaliseHost(url.hostname);
    if (!host.ok) return err(host.error);
    const port = url.port === '' ? HTTPS_PORT : Number(url.port);
    return ok({ kind: 'https', user: url.username || null, host: host.value, port, path });
  }
  if (url.protocol === 'ssh:' || url.protocol === 'git+ssh:')
    return sshUrl(url.username || 'git', url.hostname, url.port === '' ? SSH_PORT : Number(url.port), path);
  if (url.protocol === 'http:' || url.protocol === 'git:')
    return err(`${url.protocol}// is neither secret nor safe from change; use https or ssh`);
  return err(`${url.protocol}// is not spoken; use https, ssh or a path on this machine`);
}

function decoded(path: string): string | null {
  if (!path.includes('%')) return path;
  return /%(?:00|0a|0d|2f|5c)/i.test(path)
    ? null
    : path.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

function sshUrl(user: string, host: string, port: number, path: string): Result<RepoUrl, string> {
  const normal = normaliseHost(host);
  if (!normal.ok) return err(normal.error);
  // Each of these goes to ssh's command line, or to a shell on the other side.
  if (/^-/.test(user) || !/^[A-Za-z0-9._-]+$/.test(user)) return err('the user is none that ssh takes');
  if (/['"`$\\!]/.test(path) || path.startsWith('-')) return err('the path has characters that a shell would read');
  return ok({ kind: 'ssh', user, host: normal.value, port, path });
}

/**
 * Every way in which git is told of this repository: what the bottle's git rewrites to the gate. Longer ones first, as
 * git itself takes the longest that fits.
 */
export function spellingsOf(url: RepoUrl): readonly string[] {
  const all = new Set<string>();
  for (const path of pathsOf(url.path)) {
    if (url.kind === 'local') {
      all.add(path).add(`file://${path}`);
      continue;
    }
    const { host, user, port, kind } = url;
    const bare = path.replace(/^\//, '');
    const users = [...new Set(['', 'git@', ...(user === null ? [] : [`${user}@`])])];
    const sshPorts = kind === 'ssh' && port !== SSH_PORT ? [`:${port}`] : ['', `:${SSH_PORT}`];
    const httpsPorts = kind === 'https' && port !== HTTPS_PORT ? [`:${port}`] : ['', `:${HTTPS_PORT}`];
    for (const name of users) {
      for (const at of sshPorts)
        for (const scheme of ['ssh', 'git+ssh']) all.add(`${scheme}://${name}${host}${at}/${bare}`);
      for (const at of httpsPorts) all.add(`https://${name}${host}${at}/${bare}`);
      all.add(`http://${name}${host}/${bare}`);
      if (sshPorts.includes('')) all.add(`${name}${host}:${bare}`).add(`${name}${host}:/${bare}`);
    }
    all.add(`git://${host}/${bare}`);
  }
  return [...all].sort((left, right) => right.length - left.length || (left < right ? -1 : 1));
}

/** With `.git` and without, whichever was written. */
function pathsOf(path: string): readonly string[] {
  const plain = path.replace(/\/+$/, '').replace(/\.git$/, '');
  return [`${plain}.git`, plain];
}
