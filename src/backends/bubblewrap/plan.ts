import { INSIDE, type BottlePlan } from '../../schema/plan.ts';
import { etcFiles } from './etc-files.ts';
import type { LimitsPlan } from './limits.ts';
import { compileFilter, FILTER, type Architecture } from './seccomp.ts';

/**
 * The bottle as data (HOTSPOTS H16): from a resolved plan and the machine's facts to everything that will be run, so
 * that it can be printed and tested without running it.
 */
export interface HostFacts {
  readonly bwrap: string;
  readonly nodeBinary: string;
  readonly helper: string;
  readonly probe: string;
  readonly architecture: Architecture;
  /** `/bin`, `/lib` …: real directories are bound, links are made again. */
  readonly system: readonly SystemPath[];
  /** Existing entries of `/etc` that are shown, links resolved by binding what they lead to. */
  readonly etc: readonly string[];
  /** Existing files of `/proc` that tell of the host or act on it. */
  readonly maskedProc: readonly { readonly path: string; readonly kind: 'file' | 'directory' }[];
  /** Started by root: the bottle then gets a host uid of its own. */
  readonly root: boolean;
}
export type SystemPath =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Walls that a test can leave out, one at a time, to see the proof fail. Nothing else ever sets it. */
export const WALLS = ['netns', 'pidns', 'ipcns', 'utsns', 'seccomp', 'caps', 'uid', 'proc-sys', 'etc', 'hidden', 'root-ro'] as const;
export type Wall = (typeof WALLS)[number];

export interface BubblewrapPlan {
  readonly bottle: BottlePlan;
  readonly host: HostFacts;
  readonly limits: LimitsPlan;
  readonly withoutWall: Wall | null;
  readonly etcFiles: Readonly<Record<string, string>>;
}

/** Host paths that only exist once the bottle is being made; under root they lie on the stage. */
export interface Places {
  readonly home: string;
  readonly workspace: string;
  readonly ours: string;
  readonly etc: string;
  readonly node: string;
  readonly helper: string;
  readonly probe: string;
  /** In the order of the plan's mounts. */
  readonly mounts: readonly string[];
}

export const FD = { report: 3, orders: 4, options: 5, ipc: 6, filter: 7, info: 8 } as const;
export const OURS_INSIDE = { node: `${INSIDE.ours}/node`, probe: `${INSIDE.ours}/probe.js` } as const;
const TRUST_FILES = [INSIDE.caFile, INSIDE.caBundle, INSIDE.javaTrustStore];

export function planBubblewrap(
  bottle: BottlePlan,
  host: HostFacts,
  limits: LimitsPlan,
  withoutWall: Wall | null,
): BubblewrapPlan {
  return { bottle, host, limits, withoutWall, etcFiles: etcFiles(bottle.slug) };
}

export function filterOf(plan: BubblewrapPlan): Uint8Array {
  const entries = plan.withoutWall === 'seccomp' ? [] : FILTER;
  return compileFilter(entries, { architecture: plan.host.architecture, debug: plan.bottle.debug });
}

/** Options of the bwrap that makes the bottle; they travel by descriptor, so no path of them shows in a process list. */
export function bottleOptions(plan: BubblewrapPlan, places: Places, terminal: boolean): readonly string[] {
  return [...namespaces(plan, terminal), ...fileSystem(plan, places), '--chdir', '/'];
}

function namespaces({ bottle, withoutWall }: BubblewrapPlan, terminal: boolean): readonly string[] {
  const wall = (name: Wall, options: readonly string[]): readonly string[] => (withoutWall === name ? [] : options);
  return [
    '--unshare-user',
    ...wall('pidns', ['--unshare-pid']),
    ...wall('ipcns', ['--unshare-ipc']),
    ...wall('utsns', ['--unshare-uts', '--hostname', bottle.slug]),
    '--unshare-cgroup-try',
    '--disable-userns',
    ...['--uid', String(INSIDE.uid), '--gid', String(INSIDE.gid)],
    ...(withoutWall === 'caps' ? ['--cap-add', 'ALL'] : ['--cap-drop', 'ALL']),
    '--die-with-parent',
    ...(terminal ? [] : ['--new-session']),
    '--clearenv',
    ...wall('seccomp', ['--seccomp', String(FD.filter)]),
    ...['--info-fd', String(FD.info)],
  ];
}

function fileSystem(plan: BubblewrapPlan, places: Places): readonly string[] {
  const { bottle, host, withoutWall } = plan;
  const show = (source: string, target = source): readonly string[] => ['--ro-bind', source, target];
  return [
    ...host.system.flatMap((entry) =>
      entry.kind === 'link' ? ['--symlink', entry.target, entry.path] : show(entry.path),
    ),
    ...(withoutWall === 'etc'
      ? show('/etc')
      : [
          ...host.etc.flatMap((path) => show(path)),
          ...Object.keys(plan.etcFiles).flatMap((name) => show(`${places.etc}/${name}`, `/etc/${name}`)),
        ]),
    ...['--proc', '/proc'],
    ...(withoutWall === 'proc-sys' ? [] : show('/proc/sys')),
    ...host.maskedProc.flatMap(({ path, kind }) =>
      kind === 'file' ? show('/dev/null', path) : ['--tmpfs', path, '--remount-ro', path],
    ),
    ...['--dev', '/dev'],
    ...['/tmp', '/var/tmp'].flatMap((path) => ['--perms', '1777', '--tmpfs', path]),
    ...(withoutWall === 'hidden' ? show('/root') : []),
    ...['--perms', '0755', '--tmpfs', '/run', '--symlink', '../run', '/var/run'],
    ...bottle.mounts.flatMap(({ path }, index) => show(places.mounts[index] ?? path, path)),
    ...['--bind', places.home, INSIDE.home],
    ...(bottle.workspace.mode === 'none' ? [] : ['--bind', places.workspace, INSIDE.workspace]),
    ...show(places.node, OURS_INSIDE.node),
    ...show(places.probe, OURS_INSIDE.probe),
    ...TRUST_FILES.flatMap((file) => [
      '--ro-bind-try',
      `${places.ours}/${file.slice(INSIDE.ours.length + 1)}`,
      file,
    ]),
    ...(withoutWall === 'root-ro' ? [] : ['--remount-ro', '/']),
  ];
}

/** Mount points that there may be inside; anything else is a hole in the plan or in what carried it out. */
export function expectedMounts({ bottle, host, etcFiles: files }: BubblewrapPlan): {
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
} {
  return {
    readOnly: [
      '/',
      ...host.system.flatMap((entry) => (entry.kind === 'directory' ? [entry.path] : [])),
      ...host.etc,
      ...Object.keys(files).map((name) => `/etc/${name}`),
      '/proc/sys',
      ...host.maskedProc.map(({ path }) => path),
      // bubblewrap itself covers these where it finds them writable.
      ...['/proc/sysrq-trigger', '/proc/irq', '/proc/bus'],
      ...bottle.mounts.map(({ path }) => path),
      OURS_INSIDE.node,
      OURS_INSIDE.probe,
      ...TRUST_FILES,
    ],
    writable: [
      '/proc',
      ...['', '/null', '/zero', '/full', '/random', '/urandom', '/tty', '/pts', '/console'].map((name) => `/dev${name}`),
      '/tmp',
      '/var/tmp',
      '/run',
      INSIDE.home,
      ...(bottle.workspace.mode === 'none' ? [] : [INSIDE.workspace]),
    ],
  };
}

const HELPER_THEN_BOTTLE =
  'ulimit -c 0 && "$1" --no-warnings "$2" </dev/null >/dev/null && shift 2 && exec "$@" 6>&-';

/**
 * The command that makes the bottle's network namespace, has the helper bind our listeners there and hand them out, and
 * then becomes the bottle: the second bwrap stays in the namespace, the helper is gone.
 */
export function innerCommand(plan: BubblewrapPlan, places: Places): readonly string[] {
  const { bwrap } = plan.host;
  const owner = [bwrap, '--unshare-user', '--unshare-net', '--uid', '0', '--gid', '0', '--cap-add', 'ALL'];
  const namespace = [...owner, '--die-with-parent', '--dev-bind', '/', '/', '--'];
  const bottle = [
    ...plan.limits.prefix,
    bwrap,
    ...['--args', String(FD.options), '--', OURS_INSIDE.node],
    ...['--no-warnings', '--disable-sigusr1', OURS_INSIDE.probe],
  ];
  const shell = ['/bin/sh', '-c', HELPER_THEN_BOTTLE, 'bottle'];
  if (plan.withoutWall !== 'netns') return [...namespace, ...shell, places.node, places.helper, ...bottle];
  return ['/bin/sh', '-c', withoutNetwork(namespace, places), 'bottle', ...bottle];
}

function withoutNetwork(namespace: readonly string[], places: Places): string {
  const quoted = [...namespace, places.node, '--no-warnings', places.helper].map((word) => `'${word}'`).join(' ');
  return `${quoted} </dev/null >/dev/null && exec "$@" 6>&-`;
}

/** In front of everything: limits joined, paths staged, root given up. */
export function outerCommand(
  plan: BubblewrapPlan,
  places: Places,
  outer: { readonly stage: readonly string[]; readonly uid: number | null; readonly cgroups: readonly string[] },
): readonly string[] {
  return [...joinCgroups(outer.cgroups), ...outer.stage, ...dropRoot(outer.uid), ...innerCommand(plan, places)];
}

const JOIN = 'set -e; while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"';

function joinCgroups(directories: readonly string[]): readonly string[] {
  if (directories.length === 0) return [];
  return ['/bin/sh', '-c', JOIN, 'limits', ...directories.map((directory) => `${directory}/cgroup.procs`), '--'];
}

function dropRoot(uid: number | null): readonly string[] {
  if (uid === null) return [];
  return ['/usr/bin/setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
}
