import type { Stage } from '../platform/staging.ts';

/**
 * The box that each process of the bundle runs in (SECURITY S5), as data: own user, mount, pid, ipc and uts
 * namespaces, a read-only system of libraries only, no home, nothing inherited. Only the gateway sees a network, and the
 * git gate where an upstream is on another machine; only that one sees programs, for it runs git.
 */
export const PROCESS_KINDS = ['init', 'egress', 'git-gate', 'supervise'] as const;
export type ProcessKind = (typeof PROCESS_KINDS)[number];

/** Where things are found inside the box. */
export const BOXED = {
  node: '/opt/bot-bottle/node',
  script: '/opt/bot-bottle/service.js',
  control: '/control',
  spill: '/spill',
  shown: '/shown',
  empty: '/empty',
} as const;

export interface SandboxFacts {
  readonly bwrap: string;
  readonly nodeBinary: string;
  readonly script: string;
  /** The host's directories of libraries, as they are: real ones are bound, links are made again. */
  readonly libraries: readonly SystemPath[];
  /** The git gate has upstreams on other machines. */
  readonly remoteUpstreams?: boolean;
  /** Host directory that becomes `/control`, for a service that is called, or calls, by sockets. */
  readonly controlDirectory: string | null;
  /** Host directory that becomes `/spill`, for the one service that holds what memory should not. */
  readonly spillDirectory: string | null;
  /** Host directory that becomes `/shown`, to be read only. */
  readonly shownDirectory?: string | null;
  /** Descriptor that the system call filter is read from; null where the filter does not know the machine. */
  readonly filterFd: number | null;
  /** Started by root: the host uid this process gets, and the stage that shows it our files. */
  readonly dropTo: { readonly uid: number; readonly stage: Stage } | null;
}
export type SystemPath =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Names that the gateway needs to resolve and to verify; nothing else of `/etc` is seen. */
const NETWORK_FILES = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/host.conf', '/etc/gai.conf'];

/** What git needs to run: itself, a shell for its hook, ssh; who it is by name, and the system's roots. */
const PROGRAMS = [
  ...['--ro-bind', '/usr/bin', '/usr/bin', '--symlink', 'usr/bin', '/bin', '--tmpfs', '/tmp'],
  ...[
    '/usr/libexec',
    '/usr/share/git-core',
    '/usr/share/ca-certificates',
    '/etc/ssl',
    '/etc/pki',
    '/etc/passwd',
  ].flatMap((file) => ['--ro-bind-try', file, file]),
];

/** No inspector by signal, no reports, no snapshots: each of them would put memory into a file or behind a port. */
/** What a request leaves behind is small and short-lived: a small young generation costs no speed and saves memory. */
const NODE_FLAGS = ['--disable-sigusr1', '--no-warnings', '--max-semi-space-size=2'];

/** Core files hold memory, and so secrets. */
const NO_CORE = ['/bin/sh', '-c', 'ulimit -c 0 && exec "$@"', 'no-core'];

const SETPRIV = '/usr/bin/setpriv';

export function planSandbox(kind: ProcessKind, facts: SandboxFacts): readonly string[] {
  return [
    ...outer(facts),
    facts.bwrap,
    ...namespaces(kind, facts),
    ...mounts(kind, facts),
    ...(facts.filterFd === null ? [] : ['--seccomp', String(facts.filterFd)]),
    '--',
    BOXED.node,
    ...NODE_FLAGS,
    BOXED.script,
  ];
}

/** Without bubblewrap: no box, but still another user, no core files, an end with the launcher and the same flags. */
export function planUnboxed(facts: SandboxFacts): readonly string[] {
  return [
    ...outer(facts),
    ...(facts.dropTo === null ? [SETPRIV, '--no-new-privs'] : []),
    '--pdeathsig',
    'KILL',
    shown(facts, facts.nodeBinary, 'node'),
    ...NODE_FLAGS,
    shown(facts, facts.script, 'service.js'),
  ];
}

function outer({ dropTo }: SandboxFacts): readonly string[] {
  if (dropTo === null) return NO_CORE;
  const id = String(dropTo.uid);
  return [
    ...dropTo.stage.prefix,
    ...NO_CORE,
    SETPRIV,
    '--reuid',
    id,
    '--regid',
    id,
    '--clear-groups',
    '--no-new-privs',
  ];
}

function shown({ dropTo }: SandboxFacts, source: string, name: string): string {
  return dropTo === null ? source : dropTo.stage.pathOf(name);
}

function seesNetwork(kind: ProcessKind, { remoteUpstreams }: SandboxFacts): boolean {
  return kind === 'egress' || (kind === 'git-gate' && remoteUpstreams === true);
}

function namespaces(kind: ProcessKind, facts: SandboxFacts): readonly string[] {
  return [
    '--unshare-user',
    '--unshare-pid',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-cgroup-try',
    ...(seesNetwork(kind, facts) ? [] : ['--unshare-net']),
    '--disable-userns',
    '--uid',
    '65534',
    '--gid',
    '65534',
    '--hostname',
    kind,
    '--cap-drop',
    'ALL',
    '--die-with-parent',
    '--new-session',
    '--clearenv',
    '--setenv',
    'LANG',
    'C.UTF-8',
  ];
}

function mounts(kind: ProcessKind, facts: SandboxFacts): readonly string[] {
  const control = facts.controlDirectory;
  const spill = facts.spillDirectory;
  const readable = facts.shownDirectory ?? null;
  return [
    ...facts.libraries.flatMap((system) =>
      system.kind === 'link' ? ['--symlink', system.target, system.path] : ['--ro-bind', system.path, system.path],
    ),
    '--ro-bind-try',
    '/etc/ld.so.cache',
    '/etc/ld.so.cache',
    ...(seesNetwork(kind, facts) ? NETWORK_FILES.flatMap((file) => ['--ro-bind-try', file, file]) : []),
    ...(kind === 'git-gate' ? PROGRAMS : []),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--ro-bind',
    shown(facts, facts.nodeBinary, 'node'),
    BOXED.node,
    '--ro-bind',
    shown(facts, facts.script, 'service.js'),
    BOXED.script,
    '--dir',
    BOXED.empty,
    ...(control === null ? [] : ['--bind', shown(facts, control, 'control'), BOXED.control]),
    ...(spill === null ? [] : ['--bind', shown(facts, spill, 'spill'), BOXED.spill]),
    ...(readable === null ? [] : ['--ro-bind', shown(facts, readable, 'shown'), BOXED.shown]),
    '--remount-ro',
    '/dev',
    '--remount-ro',
    '/',
    '--chdir',
    BOXED.empty,
  ];
}
