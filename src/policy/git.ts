import { decodings } from './decoding.ts';

/**
 * Git over HTTPS (REFERENCE 5.4, HOTSPOTS H14). Pushing that way would go round the git gate, so every spelling of it
 * is recognised: the query is decoded to a fixed point, split at every separator that some server knows, and read
 * generously. Seeing a push where there is none costs a refusal; missing one costs the gate.
 */
export type GitUse = 'push' | 'fetch' | 'none';

const GIT = /git-/i;
const PUSH = /(?<![\w-])git-receive-pack(?![\w-])/i;
const FETCH = /(?<![\w-])git-upload-(?:pack|archive)(?![\w-])/i;
/** `service`, and what frameworks fold into it: `service[]`, `service[0]`, ` service`, `"service"`, `service.x`. */
const SERVICE = /^[^\w-]*service(?![\w-])/i;

function mentionsGit(text: string): boolean {
  return GIT.test(text);
}

export function gitUse(readings: readonly string[], query: string): GitUse {
  const sent = decodings(query);
  if (!sent.settled) return 'push';
  // Every spelling that counts has this in it, once it is decoded.
  const mentioned = sent.texts.some(mentionsGit) || readings.some((path) => path.includes('%') || mentionsGit(path));
  if (!mentioned) return 'none';
  // A path that some server decodes before it looks for the query brings one of its own.
  const own = readings.flatMap((path) => decodings(path.split(/[?;#]/).slice(1).join('&')).texts);
  const services = [...sent.texts, ...own].flatMap(serviceValues);
  const segments = readings.flatMap((path) => path.split(/[/\\]/));
  if (services.some((value) => PUSH.test(value)) || segments.some((segment) => isService(segment, PUSH))) return 'push';
  if (services.some((value) => FETCH.test(value)) || segments.some((segment) => isService(segment, FETCH))) {
    return 'fetch';
  }
  return 'none';
}

const WEBDAV = new Set(['PUT', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'PROPPATCH', 'LOCK', 'UNLOCK', 'PATCH']);
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Ways to write a repository that are no service of git's (SECURITY S31): files and locks of LFS, and WebDAV below a
 * repository. What a batch of LFS is for stands in its body, so any is one that writes.
 */
export function writesRepository(method: string, readings: readonly string[]): boolean {
  const verb = method.toUpperCase();
  if (READS.has(verb)) return false;
  return readings.some((path) => {
    const segments = path
      .toLowerCase()
      .split(/[/\\]/)
      .map((segment) => segment.trim());
    if (segments.some((segment, index) => segment === 'lfs' && segments[index - 1] === 'info')) return true;
    return WEBDAV.has(verb) && segments.slice(0, -1).some((segment) => segment.endsWith('.git'));
  });
}

/** `git-receive-pack`, perhaps with something behind it that a server cuts off; not `about-git-receive-pack`. */
function isService(segment: string, service: RegExp): boolean {
  return segment.trim().search(service) === 0;
}

function serviceValues(query: string): readonly string[] {
  return query.split(/[&;?#]/).flatMap((pair) => {
    const separator = pair.indexOf('=');
    return separator !== -1 && SERVICE.test(pair.slice(0, separator)) ? [pair.slice(separator + 1)] : [];
  });
}
