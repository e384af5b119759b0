import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BottleError } from '../../src/kernel/errors.ts';
import { claudeProvider, type InstalledCli, type ProvisionPlan } from '../../src/providers/index.ts';
import { startConnectProxy, type ConnectProxy } from './connect-proxy.ts';
import { startMessagesApi, type MessagesApi, type Turn } from './messages-api.ts';
import { createTestCa } from './test-ca.ts';

/** The real Claude Code, fetched once per checkout, and a small world of loopback servers for it to talk to. */
export const CLI_CACHE = fileURLToPath(new URL('../../node_modules/.cache/bot-bottle', import.meta.url));

/** The CLI, or why it can't be had here: no npm, or no registry within its reach. Anything else is a failure. */
export async function managedClaude(): Promise<InstalledCli | { readonly missing: string }> {
  if (claudeProvider.install === null) throw new TypeError('the claude provider installs nothing');
  try {
    return await claudeProvider.install(
      {
        cacheRoot: CLI_CACHE,
        environment: process.env,
        progress: () => undefined,
        signal: new AbortController().signal,
      },
      { value: {}, position: null },
    );
  } catch (failure) {
    if (failure instanceof BottleError && isOutOfReach(failure)) return { missing: failure.message };
    throw failure;
  }
}

function isOutOfReach(failure: BottleError): boolean {
  if (failure.code === 'tool_missing') return true;
  const unreachable = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ENOTCACHED)\b/;
  return failure.code === 'provider_failed' && unreachable.test(failure.message);
}

/** Puts the fetched CLI into a bot-bottle home's cache. It is big: linked where that is possible, else copied. */
export function provideCli(cli: InstalledCli, home: string): void {
  const directory = path.join(home, 'cache', 'claude', path.basename(cli.mount));
  fs.mkdirSync(directory, { recursive: true });
  const target = path.join(directory, path.basename(cli.executable));
  try {
    fs.linkSync(cli.executable, target);
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'EXDEV')) throw failure;
    fs.copyFileSync(cli.executable, target);
  }
}

/** api.anthropic.com on loopback, the only way to it, and a home as a bottle would have it. */
export interface ClaudeWorld extends AsyncDisposable {
  readonly api: MessagesApi;
  readonly proxy: ConnectProxy;
  readonly home: string;
  readonly workspace: string;
  readonly caFile: string;
  /** The environment that every bottle gives, without any provider's part. */
  readonly environment: Readonly<Record<string, string>>;
}

export async function startClaudeWorld(turn: (toolResults: readonly string[]) => Turn): Promise<ClaudeWorld> {
  const ca = createTestCa();
  const api = await startMessagesApi({ tls: ca.issue(['api.anthropic.com']), elsewhere: 403, turn });
  const proxy = await startConnectProxy({ 'api.anthropic.com:443': api.port });
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'claude-home-'));
  const workspace = path.join(home, 'workspace');
  const caFile = path.join(home, 'ca.pem');
  fs.mkdirSync(workspace);
  fs.mkdirSync(path.join(home, 'tmp'));
  fs.writeFileSync(caFile, ca.certificate);
  const proxyUrl = `http://127.0.0.1:${String(proxy.port)}`;
  const environment = {
    HOME: home,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    TERM: 'xterm',
    TMPDIR: path.join(home, 'tmp'),
    CLAUDE_CODE_TMPDIR: path.join(home, 'tmp'),
    NODE_EXTRA_CA_CERTS: caFile,
    SSL_CERT_FILE: caFile,
    HTTP_PROXY: proxyUrl,
    http_proxy: proxyUrl,
    HTTPS_PROXY: proxyUrl,
    https_proxy: proxyUrl,
  };
  return {
    api,
    proxy,
    home,
    workspace,
    caFile,
    environment,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
      fs.rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
}

/** Disposing ends what still runs; declare it after its world, which must outlive it. */
export interface AgentRun extends AsyncDisposable {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when stdout so far, as a person reads it, matches; or with the end of the process. */
  readonly until: (pattern: RegExp) => Promise<boolean>;
  readonly exit: Promise<number | null>;
}

/** Runs a plan as the agent's user: uid 1000 where the test may choose, else the test's own. */
export function runPlan(
  plan: ProvisionPlan,
  world: ClaudeWorld,
  options: { readonly environment?: Readonly<Record<string, string>>; readonly terminal?: boolean } = {},
): AgentRun {
  for (const file of plan.files) {
    fs.mkdirSync(path.dirname(file.path), { recursive: true });
    fs.writeFileSync(file.path, file.content, { mode: file.mode });
  }
  const user = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : null;
  if (user !== null) giveAway(world.home, user.uid, user.gid);
  const argv = options.terminal === true ? onTerminal(plan.argv) : plan.argv;
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd: world.workspace,
    env: { ...(options.environment ?? world.environment), ...plan.env },
    stdio: [options.terminal === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(user ?? {}),
  });
  return observe(child, options.terminal === true);
}

/** util-linux's `script` lends a terminal; it takes one shell command. */
function onTerminal(argv: readonly string[]): readonly string[] {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return ['script', '--quiet', '--return', '--command', `stty rows 40 cols 110; exec ${quoted}`, '/dev/null'];
}

function observe(child: ChildProcess, onTerminal: boolean): AgentRun {
  let stdout = '';
  let stderr = '';
  const waiting = new Set<() => void>();
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const look of waiting) look();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
  const until = (pattern: RegExp): Promise<boolean> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!pattern.test(plainText(stdout))) return;
        waiting.delete(look);
        resolve(true);
      };
      waiting.add(look);
      look();
      void exit.then(() => {
        resolve(pattern.test(plainText(stdout)));
      });
    });
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    until,
    exit,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        // Behind a terminal the agent is a child of `script`, which ends when it does.
        if (onTerminal) for (const pid of childrenOf(child.pid ?? 0)) process.kill(pid, 'SIGKILL');
        else child.kill('SIGKILL');
      }
      await exit;
    },
  };
}

/** Direct children, from the fourth field of /proc/PID/stat; the second holds a name in brackets that may hold anything. */
function childrenOf(parent: number): readonly number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | null {
  try {
    const stat = fs.readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch (failure) {
    // It ended between the listing and the look.
    if (failure instanceof Error && 'code' in failure && (failure.code === 'ENOENT' || failure.code === 'ESRCH'))
      return null;
    throw failure;
  }
}

/** Terminal output without its control sequences; a move within the line is what a space looks like there. */
export function plainText(output: string): string {
  return output
    .replace(/\x1b\[\d*[CG]/g, ' ')
    .replace(/\x1b(?:\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])/g, '');
}

function giveAway(directory: string, uid: number, gid: number): void {
  fs.chownSync(directory, uid, gid);
  for (const entry of fs.readdirSync(directory, { withFileTypes: true, recursive: true })) {
    fs.lchownSync(path.join(entry.parentPath, entry.name), uid, gid);
  }
}
