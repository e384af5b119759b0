import type { ChildProcess, StdioOptions } from 'node:child_process';
import { BottleError } from '../kernel/errors.ts';
import type { Secret } from '../kernel/secret.ts';
import { reveal } from '../platform/reveal.ts';
import { collectWords, failedToStart, ignoreGone, lastWords, spawnGit } from './git.ts';

/** One fetch by git itself: objects only. No ref changes, no tag comes that was not asked for. */
export interface Fetch {
  readonly url: string;
  readonly directory: string;
  readonly refs: readonly string[];
  /** What git is told to fetch from, and the one transport that it may use for that. */
  readonly source: string;
  readonly protocol: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Descriptors of its own, from 3 on. */
  readonly descriptors?: Exclude<StdioOptions, string>;
  /** Given to whoever reads descriptor 3, once. */
  readonly secret?: Secret | null;
  /** Words of what is between git and the upstream; they say more than git's own. */
  readonly words?: () => string;
}

export async function fetchObjects(fetch: Fetch): Promise<void> {
  const { url, directory, refs, source, protocol, settings, env, descriptors = [], secret = null } = fetch;
  const child = spawnGit({
    directory,
    protocol,
    ...(settings === undefined ? {} : { settings }),
    ...(env === undefined ? {} : { env }),
    args: [...FETCH, source],
    stdio: ['pipe', 'ignore', 'pipe', ...(secret === null ? descriptors : (['pipe'] as const))],
  });
  if (secret !== null) giveSecret(child, secret);
  const words = collectWords(child.stderr);
  child.stdin?.on('error', ignoreGone);
  child.stdin?.end(refs.map((ref) => `${ref}\n`).join(''));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', () => {
    reject(failedToStart('git'));
  });
  child.once('close', resolve);
  if ((await promise) === 0) return;
  const said = lastWords(`${fetch.words?.() ?? ''}\n${words()}`);
  throw new BottleError('upstream_failed', { message: `${url} can't be fetched: ${said}` });
}

function giveSecret(child: ChildProcess, secret: Secret): void {
  const pipe = child.stdio[3];
  if (pipe === null || pipe === undefined || !('write' in pipe)) return;
  pipe.on('error', ignoreGone);
  pipe.end(`${reveal(secret, 'pipe')}\n`);
}

const FETCH = [
  'fetch',
  '--quiet',
  '--no-tags',
  '--no-write-fetch-head',
  '--no-auto-maintenance',
  '--no-recurse-submodules',
  '--refmap=',
  '--stdin',
] as const;
