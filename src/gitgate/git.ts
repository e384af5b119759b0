import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

/**
 * Git on the gate's own bare repositories (SECURITY S27): it borrows nothing from whoever starts it, runs no hook but
 * the one that is named, asks nobody, recurses into nothing.
 */
const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_OPTIONAL_LOCKS: '0',
} as const;

const SETTINGS: Readonly<Record<string, string>> = {
  'core.fsmonitor': 'false',
  'core.logAllRefUpdates': 'false',
  'core.alternateRefsCommand': 'true',
  'credential.helper': '',
  'fetch.recurseSubmodules': 'false',
  // Kept as packs: what is sent on is then copied, not made anew.
  'fetch.unpackLimit': '1',
  'fetch.writeCommitGraph': 'false',
  'gc.auto': '0',
  'http.followRedirects': 'false',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '30',
  'maintenance.auto': 'false',
  'receive.advertisePushOptions': 'false',
  'receive.autogc': 'false',
  'receive.denyCurrentBranch': 'ignore',
  'receive.denyDeleteCurrent': 'ignore',
  'receive.shallowUpdate': 'false',
  'receive.unpackLimit': '1',
  'safe.directory': '*',
  'submodule.recurse': 'false',
  'transfer.fsckObjects': 'true',
  'uploadpack.allowAnySHA1InWant': 'true',
  'uploadpack.allowFilter': 'true',
};

export interface GitCall {
  /** The gate's bare repository. */
  readonly directory: string;
  readonly args: readonly string[];
  /** The one transport that this call may use; none when absent. */
  readonly protocol?: string;
  /** The directory of hooks; none when absent. */
  readonly hooks?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdio?: StdioOptions;
}

/** A git whose three streams are pipes. */
export interface GitProcess extends ChildProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

export function spawnGit({ directory, args, protocol, hooks, settings, env, stdio }: GitCall): ChildProcess {
  const all = { ...SETTINGS, 'core.hooksPath': hooks ?? '/dev/null', ...settings };
  const named = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return spawn('git', [`--git-dir=${directory}`, ...named, ...args], {
    env: { ...ENVIRONMENT, ...(protocol === undefined ? {} : { GIT_ALLOW_PROTOCOL: protocol }), ...env },
    cwd: '/',
    stdio: stdio ?? ['pipe', 'pipe', 'pipe'],
  });
}

export function pipesOf(child: ChildProcess): { readonly stdin: Writable; readonly stdout: Readable } {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw failedToStart('git');
  stdin.on('error', ignoreGone);
  return { stdin, stdout };
}

export interface GitAnswer {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs to the end, with a bound on what it may answer. */
export function runGit(call: GitCall, input: string | Uint8Array = ''): Promise<GitAnswer> {
  const child = spawnGit(call);
  const { promise, resolve, reject } = Promise.withResolvers<GitAnswer>();
  const blocks: Buffer[] = [];
  let bytes = 0;
  child.stdout?.on('data', (block: Buffer) => {
    bytes += block.length;
    if (bytes <= LIMITS.gitAnswerBytes) blocks.push(block);
    else child.kill('SIGKILL');
  });
  const words = collectWords(child.stderr);
  child.once('error', () => {
    reject(failedToStart('git'));
  });
  child.once('close', (status) => {
    resolve({ status, stdout: Buffer.concat(blocks), stderr: words() });
  });
  child.stdin?.on('error', ignoreGone);
  child.stdin?.end(input);
  return promise;
}

/** What it prints, or a failure that says what it said. */
export async function askGit(call: GitCall, input: string | Uint8Array = ''): Promise<string> {
  const { status, stdout, stderr } = await runGit(call, input);
  if (status === 0) return stdout.toString('utf8');
  throw new BottleError('git_failed', { message: `git ${call.args[0] ?? ''}: ${lastWords(stderr)}` });
}

/** The end of what a process says on stderr, for whoever asks. */
export function collectWords(stream: Readable | null): () => string {
  let words = '';
  stream?.on('data', (block: Buffer) => {
    words = `${words}${block.toString('utf8')}`.slice(-LIMITS.toolOutputBytes);
  });
  return () => words;
}

export function lastWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.slice(-3).join('; ') || 'it failed without a word';
}

export function failedToStart(program: string): BottleError {
  return new BottleError('tool_missing', { message: `${program} can't be started`, hint: 'bot-bottle doctor' });
}

/** The other side is gone; that it is comes with its exit. */
export function ignoreGone(failure: Error): void {
  if (!('code' in failure)) throw failure;
}
