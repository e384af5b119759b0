import { assertNever } from '../../kernel/assert-never.ts';
import type { Stage, StagedPath } from '../../platform/staging.ts';
import { OURS, type BubblewrapPlan, type Mount, type MountSource } from './plan.ts';

/**
 * The plan as argument lists. The chain of programs is: root only — join control groups, show what root alone can
 * reach, become the bottle's uid; then a bubblewrap that makes user and network namespace, in it the helper that makes
 * the listeners, and in its place the bubblewrap that makes the bottle, whose first program is our probe.
 */
export interface Placement {
  readonly stateDirectory: string;
  /** Holds the files that are made for the bottle. */
  readonly madeDirectory: string;
  readonly node: string;
  readonly probe: string;
  readonly helper: string;
  /** The bottle's uid on the host, when root gives it one. */
  readonly hostUid: number | null;
  /** Shows paths below directories that the bottle's uid can't enter; root only. */
  readonly stage: Stage | null;
  readonly setpriv: string;
  /** Files that take the pid of whoever is to be in a control group. */
  readonly joins: readonly string[];
  /** Standard input is a terminal that the agent is to have. */
  readonly terminal: boolean;
}

/** Descriptors of the chain. The shell's redirections know only one digit. */
export const CHAIN_FD = { report: 3, orders: 4, args: 5, seccomp: 6, info: 7, channel: 8, stderr: 9 } as const;

export interface Invocation {
  readonly argv: readonly string[];
  /** What bubblewrap reads from its argument pipe, NUL-terminated each: command lines are for everyone to see. */
  readonly bottleArguments: readonly string[];
}

export function renderInvocation(plan: BubblewrapPlan, place: Placement): Invocation {
  const shown = shower(plan, place);
  const bottle = bottleSteps(plan);
  return {
    argv: [
      ...rootSteps(place),
      ...networkSteps(plan, [shown(place.node), shown(place.helper), plan.listeners.join(',')], bottle),
    ],
    bottleArguments: [
      ...plan.flags,
      ...(place.terminal ? [] : ['--new-session']),
      ...plan.mounts.flatMap((mount) => renderMount(mount, (from) => shown(hostPathOf(from, place)))),
      '--remount-ro',
      '/',
      '--chdir',
      '/',
      ...(plan.seccomp === null ? [] : ['--seccomp', String(CHAIN_FD.seccomp)]),
      '--info-fd',
      String(CHAIN_FD.info),
    ],
  };
}

/** What has to be staged: everything of ours, of the state and of the operator's. */
export function stagedPaths(plan: BubblewrapPlan, place: Omit<Placement, 'stage'>): readonly StagedPath[] {
  const { stateDirectory, madeDirectory, node, probe, helper } = place;
  const ours = ['ours', 'home', 'workspace'].map((name) => `${stateDirectory}/${name}`);
  const operators = plan.mounts.flatMap((mount) =>
    mount.kind === 'bind' && mount.source.from === 'operator' ? [mount.source.path] : [],
  );
  return [...ours, madeDirectory, node, probe, helper, ...operators].map((source, index) => ({
    source,
    name: String(index),
  }));
}

function hostPathOf(source: MountSource, place: Placement): string {
  switch (source.from) {
    case 'host':
    case 'operator':
      return source.path;
    case 'state':
      return `${place.stateDirectory}/${source.path}`;
    case 'made':
      return `${place.madeDirectory}/${source.name}`;
    case 'ours':
      return place[source.name];
    default:
      return assertNever(source);
  }
}

/** Where the chain finds a path of the host: on the stage, if there is one and it or a directory above it is there. */
function shower(plan: BubblewrapPlan, place: Placement): (path: string) => string {
  const { stage } = place;
  if (stage === null) return (path) => path;
  const staged = stagedPaths(plan, place);
  return (path) => {
    const root = staged.find(({ source }) => path === source || path.startsWith(`${source}/`));
    return root === undefined ? path : `${stage.pathOf(root.name)}${path.slice(root.source.length)}`;
  };
}

const JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';

/** A job of its own in the terminal: else the agent could signal our process group, which no namespace hides. */
const OWN_JOB = 'set -m; "$@"';

function rootSteps({ joins, hostUid, stage, setpriv, terminal }: Placement): readonly string[] {
  const id = String(hostUid);
  return [
    ...(terminal ? [setpriv, '--pdeathsig', 'KILL', '/bin/sh', '-c', OWN_JOB, 'job'] : []),
    ...(joins.length === 0 ? [] : ['/bin/sh', '-c', JOIN, 'join', ...joins, '--']),
    ...(stage === null ? [] : stage.prefix),
    ...(hostUid === null ? [] : [setpriv, '--reuid', id, '--regid', id, '--clear-groups']),
  ];
}

const NETWORK_FLAGS = ['--unshare-user', '--unshare-net', '--uid', '0', '--gid', '0', '--cap-add', 'ALL'];

/** Runs the helper with nothing of the agent's open, then becomes the next program, which gets no channel to us. */
const HELPER =
  'ulimit -c 0; "$1" --no-warnings "$2" "$3" </dev/null >/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 9>&- || exit 125';
const HAND_OVER = `${HELPER}; shift 3; exec "$@" 8>&-`;

function networkSteps(plan: BubblewrapPlan, helper: readonly string[], bottle: readonly string[]): readonly string[] {
  const namespace = [plan.bwrap, ...NETWORK_FLAGS, '--die-with-parent', '--dev-bind', '/', '/', '/bin/sh', '-c'];
  if (plan.ownNetwork) return [...namespace, HAND_OVER, 'hand-over', ...helper, ...bottle];
  // The wall taken away: the listeners are made in a namespace, and the bottle stays outside of it.
  const outside = [...namespace, HELPER, 'hand-over', ...helper].map(quote).join(' ');
  return ['/bin/sh', '-c', `${outside} || exit 125; exec "$@" 8>&-`, 'outside', ...bottle];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The probe's standard error is the agent's, which was kept aside so that our own failures don't mix with it. */
const PROBE = 'exec "$0" --no-warnings --disable-sigusr1 "$1" 2>&9 9>&-';

function bottleSteps(plan: BubblewrapPlan): readonly string[] {
  return [
    ...inheritedLimits(plan),
    plan.bwrap,
    '--args',
    String(CHAIN_FD.args),
    '--',
    '/bin/sh',
    '-c',
    PROBE,
    OURS.node,
    OURS.probe,
  ];
}

/** Set between the two user namespaces: so only the bottle's own processes count, not all of the operator's. */
function inheritedLimits({ resources, support }: BubblewrapPlan): readonly string[] {
  if (resources.pids === undefined || support.pids !== 'rlimit') return [];
  return ['/usr/bin/prlimit', `--nproc=${resources.pids}`];
}

function renderMount(mount: Mount, source: (from: MountSource) => string): readonly string[] {
  switch (mount.kind) {
    case 'tmpfs':
      return [
        '--perms',
        mount.mode,
        ...(mount.sizeBytes === null ? [] : ['--size', String(mount.sizeBytes)]),
        '--tmpfs',
        mount.target,
      ];
    case 'proc':
      return ['--proc', mount.target];
    case 'dev':
      return ['--dev', mount.target];
    case 'directory':
      return ['--dir', mount.target];
    case 'link':
      return ['--symlink', mount.to, mount.target];
    case 'bind':
      return [mount.access === 'ro' ? '--ro-bind' : '--bind', source(mount.source), mount.target];
    default:
      return assertNever(mount);
  }
}
