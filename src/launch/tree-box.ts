import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findProgram } from '../bundle/host-facts.ts';
import { serviceFilter } from '../bundle/service-filter.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { MARK } from '../platform/processes.ts';
import { planStage, prepareStage } from '../platform/staging.ts';
import { INSIDE } from '../schema/plan.ts';
import type { BottlePaths } from '../state/paths.ts';

/**
 * The one way into a tree that an agent could write (SECURITY S1): a program of the system, in a box of its own without
 * network, as the bottle's user and with the bottle's system call filter. What crosses to the host is a byte stream.
 */
export interface TreeTask {
  /** Absolute path of a program below /usr, and its arguments; paths are those inside. */
  readonly argv: readonly string[];
  readonly show: readonly Shown[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
}

export interface Shown {
  /** On the host. */
  readonly source: string;
  readonly inside: string;
  readonly access: 'ro' | 'rw';
}

export interface TreeAnswer {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Where the trees are shown. */
export const BOXED_TREE = {
  workspace: INSIDE.workspace,
  home: INSIDE.home,
  stamp: '/stamp',
  before: '/before',
} as const;

/** Starts the task; null where the programs for a box are missing. The caller reads stdout and waits for the end. */
export function startInTree(task: TreeTask, paths: BottlePaths): ChildProcess {
  const bwrap = findProgram('bwrap');
  if (bwrap === null) throw new BottleError('tool_missing', { message: 'bubblewrap is needed to look at the work' });
  const owner = fs.lstatSync(paths.workspace).uid;
  const uid = owner === process.getuid?.() ? null : owner;
  const staged = task.show.map(({ source }, index) => ({ source, name: String(index) }));
  const place = uid === null ? null : stagePlace(paths);
  const directory = place?.directory ?? '';
  if (place !== null) prepareStage(directory, staged);
  const stage = uid === null ? null : planStage(directory, staged);
  const filter = serviceFilter();
  const drop =
    uid === null ? [] : ['/usr/bin/setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  const argv = [
    ...(stage?.prefix ?? []),
    ...drop,
    bwrap,
    ...WALLS,
    ...(filter === null ? [] : ['--seccomp', '3']),
    ...SYSTEM,
    ...Object.entries({ ...QUIET_ENVIRONMENT, ...task.env }).flatMap(([name, value]) => ['--setenv', name, value]),
    ...task.show.flatMap(({ source, inside, access }, index) => [
      access === 'ro' ? '--ro-bind' : '--bind',
      stage?.pathOf(String(index)) ?? source,
      inside,
    ]),
    ...['--chdir', task.cwd ?? '/', '--', ...task.argv],
  ];
  const [command = '', ...rest] = argv;
  const child = spawn(command, rest, {
    env: { [MARK]: paths.root },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  child.once('close', () => {
    place?.remove();
  });
  const filterPipe = child.stdio[3];
  if (filterPipe !== null && filterPipe !== undefined && 'end' in filterPipe) {
    filterPipe.on('error', ignoreGone);
    filterPipe.end(filter ?? new Uint8Array());
  }
  child.stdin.on('error', ignoreGone);
  child.stdin.end(task.stdin ?? '');
  return child;
}

let stages = 0;

/** Everybody can pass through the runtime directory, which a bottle that has ended no longer has. */
function stagePlace({ runtime }: BottlePaths): { readonly directory: string; remove(): void } {
  const made = !fs.existsSync(runtime);
  if (made) fs.mkdirSync(runtime, { recursive: true, mode: 0o711 });
  stages += 1;
  const directory = path.join(runtime, `stage-tree-${String(process.pid)}-${String(stages)}`);
  return {
    directory,
    remove: () => {
      fs.rmSync(made ? runtime : directory, { recursive: true, force: true });
    },
  };
}

/** Runs the task to its end; an answer over the bound, or none in time, is a failure. */
export function runInTree(task: TreeTask, paths: BottlePaths, timeoutMs = LOOK_TIMEOUT_MS): Promise<TreeAnswer> {
  const child = startInTree(task, paths);
  const { promise, resolve, reject } = Promise.withResolvers<TreeAnswer>();
  const blocks: Buffer[] = [];
  let heldBytes = 0;
  let stderr = '';
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
  }, timeoutMs);
  child.stdout?.on('data', (block: Buffer) => {
    heldBytes += block.length;
    if (heldBytes <= LIMITS.treeAnswerBytes) blocks.push(block);
    else child.kill('SIGKILL');
  });
  child.stderr?.on('data', (block: Buffer) => {
    stderr = `${stderr}${block.toString('utf8')}`.slice(-LIMITS.toolOutputBytes);
  });
  child.once('error', reject);
  child.once('close', (status) => {
    clearTimeout(timer);
    resolve({ status: heldBytes > LIMITS.treeAnswerBytes ? null : status, stdout: Buffer.concat(blocks), stderr });
  });
  return promise;
}

const LOOK_TIMEOUT_MS = 60_000;

/** What an agent locked away (`chmod 000`) is its work too: it must not hide it from a look, nor end one. */
const READS_ALL = ['--cap-add', 'CAP_DAC_READ_SEARCH'];
const WALLS = [
  ...[
    '--unshare-all',
    '--unshare-user',
    '--disable-userns',
    '--cap-drop',
    'ALL',
    ...READS_ALL,
    '--die-with-parent',
    '--new-session',
  ],
  ...['--uid', String(INSIDE.uid), '--gid', String(INSIDE.gid), '--clearenv'],
];
const SYSTEM = [
  ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin', '--symlink', 'usr/lib', '/lib'],
  ...['--symlink', 'usr/lib64', '/lib64', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', '/home'],
];

/** Git in the box reads no configuration but the repository's own, which is the agent's and stays in the box (S27). */
const QUIET_ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/tmp',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
} as const;

function ignoreGone(failure: Error): void {
  if (!('code' in failure)) throw failure;
}
