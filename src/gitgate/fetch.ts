import type { StdioOptions } from 'node:child_process';
import { BottleError } from '../kernel/errors.ts';
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
  /** Words of what is between git and the upstream; they say more than git's own. */
  readonly words?: () => string;
}

export async function fetchObjects(fetch: Fetch): Promise<void> {
  const { url, directory, refs, source, protocol, settings, env, descriptors = [] } = fetch;
  const child = spawnGit({
    directory,
    protocol,
    ...(settings === undefined ? {} : { settings }),
    ...(env === undefined ? {} : { env }),
    args: [...FETCH, source],
    stdio: ['pipe', 'ignore', 'pipe', ...descriptors],
  });
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
