import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startGate } from '../../../src/gitgate/service.ts';
import { Scope } from '../../../src/kernel/scope.ts';
import { openLocalRepository, serveUpstreams } from '../../../src/launch/git-upstreams.ts';
import type { AuditSink } from '../../../src/ports/audit-sink.ts';
import type { GateRepo, GitUpstream, PushRules } from '../../../src/schema/git-gate.ts';

/** A gate in this process, in front of real repositories; git is the system's. */
export interface TestGate extends AsyncDisposable {
  /** Address of a repository, as git in a bottle has it. */
  url(name?: string): string;
  readonly port: number;
  /** Everything lies below it. */
  readonly root: string;
  /** The upstream of the repository "web", a bare one. */
  readonly upstream: string;
  readonly record: readonly Record<string, unknown>[];
  readonly bugs: readonly unknown[];
  /** Runs git below the root. */
  git(args: readonly string[], options?: GitOptions): Promise<GitResult>;
  /** Git that must succeed; its output. */
  must(args: readonly string[], options?: GitOptions): Promise<string>;
  /** A clone of "web" by way of the gate, with a committer. */
  clone(name?: string, args?: readonly string[]): Promise<string>;
}

export interface GitOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

export interface GitResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const RULES: PushRules = {
  push: null,
  allowDelete: false,
  allowForce: false,
  allowTags: false,
  pushDefault: 'allow',
  landBelow: null,
  pathsProtected: null,
  pushCi: 'warn',
};

export interface GateOptions {
  readonly rules?: Partial<PushRules>;
  readonly upstream?: GitUpstream;
  readonly credential?: { readonly name: string; readonly value: string };
  readonly knownValues?: readonly { readonly name: string; readonly value: string }[];
  readonly standIns?: readonly string[];
  readonly maxPackBytes?: number;
  readonly format?: 'sha1' | 'sha256';
  /** The upstream begins without a commit. */
  readonly empty?: boolean;
  readonly extraCa?: readonly string[];
  readonly sink?: AuditSink;
}

const ENVIRONMENT = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  LANG: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Agent',
  GIT_AUTHOR_EMAIL: 'agent@example.com',
  GIT_COMMITTER_NAME: 'Agent',
  GIT_COMMITTER_EMAIL: 'agent@example.com',
};

export function runGit(args: readonly string[], cwd: string, options: GitOptions = {}): Promise<GitResult> {
  const { promise, resolve, reject } = Promise.withResolvers<GitResult>();
  const child = spawn('git', ['-c', 'init.defaultBranch=main', '-c', 'safe.directory=*', ...args], {
    cwd: options.cwd ?? cwd,
    env: { ...ENVIRONMENT, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  child.once('error', reject);
  child.once('close', (status) => {
    resolve({ status, stdout, stderr });
  });
  return promise;
}

export async function openGate(options: GateOptions = {}): Promise<TestGate> {
  const scope = new Scope();
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bb-gate-'));
  scope.defer('root', () => {
    fs.rmSync(root, { recursive: true, force: true });
  });
  const upstream = path.join(root, 'upstream.git');
  const must = async (args: readonly string[], given: GitOptions = {}): Promise<string> => {
    const result = await runGit(args, root, given);
    if (result.status !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
    return result.stdout.trim();
  };
  const format = options.format ?? 'sha1';
  await must(['init', '-q', '--bare', `--object-format=${format}`, upstream]);
  if (options.empty !== true) {
    const seed = path.join(root, 'seed');
    await must(['init', '-q', `--object-format=${format}`, seed]);
    fs.writeFileSync(path.join(seed, 'README.md'), '# web\n');
    await must(['add', '.'], { cwd: seed });
    await must(['commit', '-q', '-m', 'Begin'], { cwd: seed });
    await must(['push', '-q', upstream, 'main'], { cwd: seed });
  }
  const repo: GateRepo = {
    name: 'web',
    url: options.upstream === undefined ? upstream : 'the upstream',
    upstream: options.upstream ?? { kind: 'local', directory: upstream },
    credential: options.credential?.name ?? null,
    rules: { ...RULES, ...options.rules },
    maxPackBytes: options.maxPackBytes ?? 512 * 1024 ** 2,
  };
  const sockets = path.join(root, 'sockets');
  const gate = path.join(root, 'gate');
  fs.mkdirSync(sockets);
  fs.mkdirSync(gate);
  const local = openLocalRepository(repo);
  await serveUpstreams({
    repositories: local === null ? [] : [local],
    directory: sockets,
    stateDirectory: path.join(root, 'state'),
    scope,
  });
  const record: Record<string, unknown>[] = [];
  const bugs: unknown[] = [];
  const sink: AuditSink = options.sink ?? {
    append: (line) => {
      record.push(JSON.parse(line) as Record<string, unknown>);
      return { ok: true, value: undefined };
    },
    flush: () => Promise.resolve(),
  };
  const running = await startGate({
    document: {
      slug: 'web-12345',
      repos: [repo],
      secrets: {
        credentials: options.credential === undefined ? [] : [options.credential],
        knownValues: [...(options.knownValues ?? [])],
        standIns: [...(options.standIns ?? [])],
      },
      extraCa: [...(options.extraCa ?? [])],
      listenerFd: 3,
      directory: gate,
      sockets,
    },
    record: sink,
    onBug: (failure) => bugs.push(failure),
    listenOn: { host: '127.0.0.1', port: 0 },
  });
  scope.defer('gate', async () => {
    await running[Symbol.asyncDispose]();
  });
  const url = (name = 'web'): string => `http://127.0.0.1:${running.port}/${name}.git`;
  return {
    url,
    port: running.port,
    root,
    upstream,
    record,
    bugs,
    git: (args, given) => runGit(args, root, given),
    must,
    clone: async (name = 'clone', args = []) => {
      const directory = path.join(root, name);
      await must(['clone', '-q', ...args, url(), directory]);
      return directory;
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

/** A file, committed. */
export async function commit(
  gate: TestGate,
  directory: string,
  files: Readonly<Record<string, string | Buffer>>,
  message = 'Work',
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    fs.writeFileSync(path.join(directory, name), content);
  }
  await gate.must(['add', '-A'], { cwd: directory });
  await gate.must(['commit', '-q', '--allow-empty', '-m', message], { cwd: directory });
  return gate.must(['rev-parse', 'HEAD'], { cwd: directory });
}

/** A credential of a shape that every scanner knows, put together here so that no scanner finds it in this file. */
export const PLANTED = ['ghp', '_', 'Zx9Kq2Lm7Rt4Wv8Yb3Nc6Hd1Jf5Gs0PaEuTi'].join('');
