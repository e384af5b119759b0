import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import type { Files } from '../ports/files.ts';
import { itemsAt, keyPathText, positionOf, stringAt, type KeyPath, type LocatedMap } from './located.ts';

/** Where programs keep credentials, as the last parts of a path; anything below them counts too. */
const CREDENTIAL_PLACES: readonly string[] = [
  '.ssh', '.aws', '.azure', '.gnupg', '.docker', '.kube', '.oci', '.password-store', '.terraform.d', '.mozilla',
  '.claude', '.codex', '.pi', '.gemini', '.cursor', '.bot-bottle', '.netrc', '_netrc', '.npmrc', '.yarnrc.yml', '.pypirc', '.pgpass',
  '.my.cnf', '.git-credentials', '.claude.json', '.vault-token', '.terraformrc', '.s3cfg', '.boto', '.msmtprc',
  '.fetchmailrc', '.bash_history', '.zsh_history', '.config/gh', '.config/glab-cli', '.config/hub', '.config/git/credentials',
  '.config/gcloud', '.config/op', '.config/sops', '.config/doctl', '.config/rclone', '.config/containers/auth.json',
  '.config/configstore', '.config/google-chrome', '.config/chromium', '.config/BraveSoftware', '.config/github-copilot',
  '.config/fly', '.config/netlify', '.config/heroku', '.fly', '.cargo/credentials', '.cargo/credentials.toml',
  '.gem/credentials', '.m2/settings.xml', '.m2/settings-security.xml', '.gradle/gradle.properties', '.composer/auth.json',
  '.config/composer/auth.json', '.local/share/keyrings', '.local/share/gh', '.local/share/containers', 'Library/Keychains',
]; // prettier-ignore

/** Directories of the system that hold secrets or sockets, or everybody's home; neither they nor what is above them. */
const SYSTEM_PLACES: readonly string[] = [
  '/root', '/home', '/Users', '/etc', '/run', '/var/run', '/var/lib', '/var/log', '/var/spool', '/proc', '/sys', '/dev', '/boot',
]; // prettier-ignore

/** Below these nothing at all may be shown, whatever its name. */
const CLOSED_PLACES: readonly string[] = [
  '/proc', '/sys', '/dev', '/run', '/etc', '/boot', '/var/run', '/var/log', '/var/spool', '/var/lib/docker',
  '/var/lib/containers', '/var/lib/kubelet', '/var/lib/sss',
]; // prettier-ignore

/** A mount's path as the host knows it: `~` put in, `.` and `..` taken out. */
export function mountPath(written: string, files: Files): string {
  return path.normalize(written.replace(/^~(?=\/|$)/, files.operatorHome)).replace(/(?<=.)\/+$/, '');
}

/**
 * Refuses mounts that would carry credentials into the bottle: the places themselves, what lies in them, and
 * directories that hold one. Names are looked at as written and with links followed.
 */
export function checkMounts(tree: LocatedMap, home: string, files: Files): void {
  itemsAt(tree, ['mounts']).forEach((_, index) => {
    const key: KeyPath = ['mounts', index, 'path'];
    const written = mountPath(stringAt(tree, key) ?? '', files);
    for (const candidate of new Set([written, files.realPath(written) ?? written])) {
      const why = whyRefused(candidate, home, files);
      if (why === null) continue;
      throw new BottleError('manifest_invalid', {
        message: `${why}; it can't be mounted`,
        key: keyPathText(key),
        position: positionOf(tree, key),
        hint: 'path: ~/.nvm',
      });
    }
  });
}

function whyRefused(candidate: string, home: string, files: Files): string | null {
  for (const own of [files.operatorHome, files.realPath(files.operatorHome) ?? files.operatorHome]) {
    if (isAtOrAbove(candidate, own)) return `${candidate} holds your home directory, with your keys and tokens`;
  }
  if (isAtOrAbove(candidate, home) || isAtOrAbove(home, candidate)) return `${candidate} is bot-bottle's own`;
  const system = SYSTEM_PLACES.find((place) => isAtOrAbove(candidate, place));
  if (system !== undefined) return `${candidate} holds secrets or sockets of the system`;
  const closed = CLOSED_PLACES.find((place) => isAtOrAbove(place, candidate));
  if (closed !== undefined) return `${candidate} lies in ${closed}, which holds secrets or sockets of the system`;
  return credentialPlace(candidate, files);
}

function isAtOrAbove(upper: string, lower: string): boolean {
  return upper === lower || upper === '/' || lower.startsWith(`${upper}/`);
}

function credentialPlace(candidate: string, files: Files): string | null {
  const folded = `${candidate.toLowerCase()}/`;
  for (const place of CREDENTIAL_PLACES) {
    if (folded.includes(`/${place.toLowerCase()}/`)) return `${candidate} is where credentials are kept (${place})`;
    const held = restOf(candidate, place).find((rest) => files.exists(path.join(candidate, rest)));
    if (held !== undefined) return `${candidate} holds credentials (${held})`;
  }
  return null;
}

/** What to look for in a directory: the whole place, and the part that is left when the directory is its beginning. */
function restOf(candidate: string, place: string): readonly string[] {
  const parts = place.split('/');
  return parts
    .map((_, taken) => ({ head: parts.slice(0, taken).join('/'), tail: parts.slice(taken).join('/') }))
    .filter(({ head }) => head === '' || candidate.endsWith(`/${head}`))
    .map(({ tail }) => tail);
}
