import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Secret } from '../kernel/secret.ts';
import { reveal } from '../platform/reveal.ts';
import { bracketed } from '../policy/host.ts';
import type { GitService } from '../schema/git.ts';
import type { GitUpstream } from '../schema/git-gate.ts';
import { fetchObjects } from './fetch.ts';
import { collectWords, failedToStart, ignoreGone, lastWords, pipesOf } from './git.ts';
import { LinkedUpstream } from './linked-upstream.ts';
import type { Link, Upstream } from './upstream.ts';

/**
 * A repository on another host, by ssh: to the host whose key was declared, with the key of this repository, which is in
 * an agent's memory and in no file. Nothing of anybody's ssh configuration plays a part (SECURITY S27).
 */
export interface SshUpstreamParts {
  readonly url: string;
  readonly name: string;
  readonly upstream: Extract<GitUpstream, { readonly kind: 'ssh' }>;
  readonly key: Secret;
  /** For the agent's socket and public keys. */
  readonly directory: string;
}

const ENVIRONMENT = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/nonexistent' } as const;

export function sshUpstream(parts: SshUpstreamParts): Upstream & Disposable {
  const agent = new KeyAgent(parts);
  const { upstream, url } = parts;
  const { host, user } = upstream;
  const directory = upstream.path.startsWith('/~') ? upstream.path.slice(1) : upstream.path;
  const link = async (service: GitService): Promise<Link> => {
    const options = await agent.options();
    const child = spawn('ssh', [...options, '-l', user, '--', host, `${service} '${directory}'`], {
      env: ENVIRONMENT,
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.once('error', ignoreGone);
    const words = collectWords(child.stderr);
    return {
      ...pipesOf(child),
      words,
      [Symbol.asyncDispose]: () => {
        if (child.exitCode === null) child.kill('SIGTERM');
        return Promise.resolve();
      },
    };
  };
  const fetch: Upstream['fetch'] = async (mirror, refs) => {
    const options = await agent.options();
    await fetchObjects({
      url,
      directory: mirror,
      refs,
      source: `${user}@${bracketed(host)}:${directory}`,
      protocol: 'ssh',
      settings: { 'ssh.variant': 'ssh' },
      env: { GIT_SSH_COMMAND: ['ssh', ...options].map(quote).join(' ') },
    });
  };
  const linked = new LinkedUpstream(url, link, fetch);
  return Object.assign(linked, {
    [Symbol.dispose]: () => {
      agent[Symbol.dispose]();
    },
  });
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Holds one key for one host; started when it is first needed. */
class KeyAgent implements Disposable {
  readonly #parts: SshUpstreamParts;
  #child: ChildProcess | null = null;
  #ready: Promise<readonly string[]> | null = null;

  constructor(parts: SshUpstreamParts) {
    this.#parts = parts;
  }

  /** Of ssh, for this host and key. */
  options(): Promise<readonly string[]> {
    this.#ready ??= this.#start().catch((failure: unknown) => {
      this.#ready = null;
      throw failure;
    });
    return this.#ready;
  }

  [Symbol.dispose](): void {
    this.#child?.kill('SIGTERM');
  }

  async #start(): Promise<readonly string[]> {
    const { directory, name, upstream, key, url } = this.#parts;
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = (ending: string): string => path.join(directory, `${name}.${ending}`);
    const socket = file('agent');
    const hosts = file('hosts');
    const publicKey = file('pub');
    const host = upstream.port === 22 ? upstream.host : `[${upstream.host}]:${upstream.port}`;
    fs.writeFileSync(hosts, `${host} ${upstream.hostKey}\n`, { mode: 0o600 });
    fs.rmSync(socket, { force: true });
    const child = spawn('ssh-agent', ['-D', '-a', socket], { env: ENVIRONMENT, cwd: '/', stdio: 'ignore' });
    const ended = new AbortController();
    for (const event of ['error', 'close'])
      child.once(event, () => {
        ended.abort();
      });
    this.#child = child;
    for (let left = STARTS; !fs.existsSync(socket); left -= 1) {
      if (ended.signal.aborted || left === 0) throw failedToStart('ssh-agent');
      await sleep(START_STEP_MS);
    }
    const env = { ...ENVIRONMENT, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: 'never' };
    const text = reveal(key, 'pipe');
    const added = await runTool('ssh-add', ['-q', '-'], env, text.endsWith('\n') ? text : `${text}\n`);
    if (added.status !== 0)
      throw new BottleError('upstream_failed', {
        message: `the key of ${url} can't be used; it must be a private key without a passphrase: ${lastWords(added.stderr)}`,
      });
    const listed = await runTool('ssh-add', ['-L'], env, '');
    fs.writeFileSync(publicKey, listed.stdout, { mode: 0o600 });
    return [
      ...OPTIONS,
      ...['-o', `UserKnownHostsFile=${hosts}`, '-o', `IdentityAgent=${socket}`],
      ...['-i', publicKey, '-p', String(upstream.port)],
    ];
  }
}

const STARTS = 200;
const START_STEP_MS = 25;

const OPTIONS = [
  '-F',
  'none',
  '-T',
  ...[
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    'IdentitiesOnly=yes',
    'PubkeyAuthentication=yes',
    'PasswordAuthentication=no',
    'KbdInteractiveAuthentication=no',
    'GSSAPIAuthentication=no',
    'HostbasedAuthentication=no',
    'ForwardAgent=no',
    'ForwardX11=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'ControlMaster=no',
    'ControlPath=none',
    'ProxyCommand=none',
    'CanonicalizeHostname=no',
    'LogLevel=ERROR',
    `ConnectTimeout=${LIMITS.upstreamConnectTimeoutMs / 1000}`,
    'ServerAliveInterval=15',
    'ServerAliveCountMax=4',
  ].flatMap((option) => ['-o', option]),
];

interface ToolAnswer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function runTool(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string,
): Promise<ToolAnswer> {
  const child = spawn(program, args, { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout = collectWords(child.stdout);
  const stderr = collectWords(child.stderr);
  child.stdin.on('error', ignoreGone);
  child.stdin.end(input);
  const { promise, resolve, reject } = Promise.withResolvers<ToolAnswer>();
  child.once('error', () => {
    reject(failedToStart(program));
  });
  child.once('close', (status) => {
    resolve({ status, stdout: stdout(), stderr: stderr() });
  });
  return promise;
}
