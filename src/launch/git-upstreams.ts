import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import net, { type Socket } from 'node:net';
import path from 'node:path';
import { findProgram } from '../bundle/host-facts.ts';
import { serviceFilter } from '../bundle/service-filter.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Scope } from '../kernel/scope.ts';
import { MARK } from '../platform/processes.ts';
import { textPkt } from '../protocol/git/pkt-line.ts';
import type { GateRepo } from '../schema/git-gate.ts';
import { quietGit } from './quiet-git.ts';

/**
 * Local upstreams of the git gate. The operator's repository is opened here and nowhere else: a socket for each, and
 * behind it git's own service in a box without network that sees this one repository. Counterpart:
 * gitgate/local-upstream.ts. Hooks are off, and branches land only where the rules say (SECURITY S27).
 */
export interface LocalRepository {
  readonly name: string;
  /** The repository proper: `.git` of a checkout, or a bare one. */
  readonly gitDirectory: string;
  /** What it borrows objects from. */
  readonly alternates: readonly string[];
  readonly landBelow: string | null;
}

export function openLocalRepository(repo: GateRepo): LocalRepository | null {
  if (repo.upstream.kind !== 'local') return null;
  const { directory } = repo.upstream;
  const answer = quietGit(directory, ['rev-parse', '--path-format=absolute', '--git-common-dir']);
  if (!answer.ok)
    throw new BottleError('manifest_invalid', {
      message: `${directory} is no git repository: ${answer.stderr.trim()}`,
      key: `git-gate.repos.${repo.name}.url`,
    });
  const gitDirectory = fs.realpathSync(answer.stdout.replace(/\n$/, ''));
  return { name: repo.name, gitDirectory, alternates: alternatesOf(gitDirectory), landBelow: repo.rules.landBelow };
}

function alternatesOf(gitDirectory: string): readonly string[] {
  const file = path.join(gitDirectory, 'objects', 'info', 'alternates');
  if (!fs.existsSync(file)) return [];
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => path.resolve(gitDirectory, 'objects', line))
    .filter((directory) => fs.existsSync(directory));
}

export interface UpstreamSockets {
  readonly repositories: readonly LocalRepository[];
  /** Directory of the sockets, which the gate is shown. */
  readonly directory: string;
  readonly stateDirectory: string;
  readonly scope: Scope;
}

/** The sockets listen when the promise resolves. */
export async function serveUpstreams({
  repositories,
  directory,
  stateDirectory,
  scope,
}: UpstreamSockets): Promise<void> {
  for (const repository of repositories) {
    const children = new Set<ChildProcess>();
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket) => {
      serveOne(repository, socket, stateDirectory, children);
    });
    const file = path.join(directory, `${repository.name}.sock`);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(file, resolve);
    });
    fs.chmodSync(file, 0o600);
    const { uid, gid } = fs.statSync(directory);
    if (process.getuid?.() === 0) fs.chownSync(file, uid, gid);
    scope.defer(`upstream ${repository.name}`, () => {
      server.close();
      for (const child of children) child.kill('SIGKILL');
    });
  }
}

const SERVICES = ['git-upload-pack', 'git-receive-pack'] as const;
const SERVICE_LINE_BYTES = 64;

/** One line says which service; everything after it is git's. */
function serveOne(
  repository: LocalRepository,
  socket: Socket,
  stateDirectory: string,
  children: Set<ChildProcess>,
): void {
  socket.on('error', () => socket.destroy());
  let begun = false;
  socket.once('data', (chunk: Buffer) => {
    const end = chunk.indexOf(0x0a);
    const service = SERVICES.find((name) => name === chunk.toString('latin1', 0, end));
    if (service === undefined || end > SERVICE_LINE_BYTES || begun) {
      socket.destroy();
      return;
    }
    begun = true;
    const child = startOrSay(repository, service, stateDirectory, socket);
    if (child === null) return;
    children.add(child);
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) {
      socket.destroy();
      return;
    }
    stdin.on('error', () => socket.resume());
    stdin.write(chunk.subarray(end + 1));
    socket.pipe(stdin);
    let told = 0;
    stdout.on('data', (part: Buffer) => (told += part.length));
    stdout.pipe(socket, { end: false });
    let words = '';
    child.stderr?.on('data', (part: Buffer) => {
      words = `${words}${part.toString('utf8')}`.slice(-LIMITS.toolOutputBytes);
    });
    child.once('error', () => socket.destroy());
    child.once('close', () => {
      children.delete(child);
      // Of a service that ended before it said anything, its last words are the answer.
      socket.end(told === 0 && words !== '' ? refusal(words) : '');
    });
    socket.once('close', () => {
      if (child.exitCode === null) child.kill('SIGKILL');
    });
  });
}

function startOrSay(
  repository: LocalRepository,
  service: (typeof SERVICES)[number],
  stateDirectory: string,
  socket: Socket,
): ChildProcess | null {
  try {
    return startService(repository, service, stateDirectory);
  } catch (failure) {
    socket.end(refusal(failure instanceof Error ? failure.message : String(failure)));
    return null;
  }
}

/** As git's own servers refuse. */
function refusal(words: string): Uint8Array {
  return textPkt(`ERR ${words.trim().split('\n').at(-1) ?? ''}`);
}

function startService(
  repository: LocalRepository,
  service: (typeof SERVICES)[number],
  stateDirectory: string,
): ChildProcess {
  const bwrap = findProgram('bwrap');
  if (bwrap === null) throw new BottleError('tool_missing', { message: 'bubblewrap is needed for a local upstream' });
  const { gitDirectory, alternates } = repository;
  const owner = fs.statSync(gitDirectory).uid;
  const own = process.getuid?.() ?? owner;
  const drop =
    own === 0 && owner !== 0
      ? ['/usr/bin/setpriv', '--reuid', String(owner), '--regid', String(owner), '--clear-groups']
      : [];
  const filter = serviceFilter();
  const writes = service === 'git-receive-pack';
  const argv = [
    ...drop,
    bwrap,
    ...WALLS,
    ...(filter === null ? [] : ['--seccomp', '3']),
    ...SYSTEM,
    ...Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['--setenv', name, value]),
    ...[writes ? '--bind' : '--ro-bind', gitDirectory, gitDirectory],
    ...alternates.flatMap((directory) => ['--ro-bind', directory, directory]),
    ...['--chdir', '/', '--', '/usr/bin/git', ...settingsFor(repository)],
    ...(writes ? ['receive-pack', gitDirectory] : ['upload-pack', '--strict', gitDirectory]),
  ];
  const [command = '', ...rest] = argv;
  const child = spawn(command, rest, {
    env: { [MARK]: stateDirectory },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const pipe = child.stdio[3];
  if (pipe !== null && pipe !== undefined && 'end' in pipe) {
    pipe.on('error', () => undefined);
    pipe.end(filter ?? new Uint8Array());
  }
  return child;
}

function settingsFor({ landBelow }: LocalRepository): readonly string[] {
  const hidden =
    landBelow === null
      ? []
      : ['-c', 'receive.hideRefs=refs/', '-c', `receive.hideRefs=!${landBelow.replace(/\/$/, '')}`];
  return [...SETTINGS.flatMap((setting) => ['-c', setting]), ...hidden];
}

const WALLS = [
  ...['--unshare-all', '--unshare-user', '--disable-userns', '--cap-drop', 'ALL'],
  ...['--die-with-parent', '--new-session', '--clearenv'],
];
const SYSTEM = [
  ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin', '--symlink', 'usr/lib', '/lib'],
  ...['--symlink', 'usr/lib64', '/lib64', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
];
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
} as const;
/** The repository's own configuration is the operator's; what could run or reach something is off all the same. */
const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.alternateRefsCommand=true',
  'gc.auto=0',
  'maintenance.auto=false',
  'receive.advertisePushOptions=false',
  'receive.autogc=false',
  'receive.shallowUpdate=false',
  'receive.updateServerInfo=false',
  'transfer.fsckObjects=true',
  'safe.directory=*',
] as const;
