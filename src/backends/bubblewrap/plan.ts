import { MiB } from '../../kernel/limits.ts';
import { INSIDE, rolesOf, type BottlePlan, type ListenerRole, type Resources } from '../../schema/plan.ts';
import { checkMount } from '../common/check-mount.ts';
import { planCgroups, type PlannedCgroup } from './cgroups.ts';
import type { HostFacts } from './facts.ts';
import { refuseWhatCannotBeHeld } from './limits.ts';
import { seccompEntries, type SeccompEntry } from '../common/seccomp.ts';
import type { Architecture } from '../common/syscalls.ts';
import { ETC_MADE, madeEtcFiles, type MadeEtcFile } from '../common/etc-files.ts';
import { PROC_READ_ONLY } from './visible.ts';

/**
 * What bubblewrap is going to be asked, as one printable value (HOTSPOTS H16). Pure: the same bottle on the same
 * machine gives the same plan. `invocation.ts` turns it into argument lists once the paths of this launch are known.
 */
export interface BubblewrapPlan {
  readonly slug: string;
  readonly architecture: Architecture;
  readonly bwrap: string;
  readonly operatorHome: string;
  /** The bottle runs under a host uid of its own; false when an ordinary user starts it, who has no other to give. */
  readonly ownHostUid: boolean;
  /** The network namespace is a fresh one, made with the listeners in it. */
  readonly ownNetwork: boolean;
  /** What is bound in it, for the services of this bottle. */
  readonly listeners: readonly ListenerRole[];
  /** Namespaces and identity, as options of bubblewrap. */
  readonly flags: readonly string[];
  /** In order: later ones cover earlier ones. */
  readonly mounts: readonly Mount[];
  readonly etc: Readonly<Record<MadeEtcFile, string>>;
  readonly seccomp: readonly SeccompEntry[] | null;
  readonly resources: Resources;
  readonly cgroups: readonly PlannedCgroup[];
  readonly support: HostFacts['limits'];
}

export type Mount =
  | { readonly kind: 'tmpfs'; readonly target: string; readonly mode: string; readonly sizeBytes: number | null }
  | { readonly kind: 'proc' | 'dev' | 'directory'; readonly target: string }
  | { readonly kind: 'link'; readonly target: string; readonly to: string }
  | { readonly kind: 'bind'; readonly source: MountSource; readonly target: string; readonly access: 'ro' | 'rw' };

export type MountSource =
  /** A path of the host that every user can reach. */
  | { readonly from: 'host'; readonly path: string }
  /** A path of the host that may lie where only its owner can go. */
  | { readonly from: 'operator'; readonly path: string }
  /** Below the bottle's state directory. */
  | { readonly from: 'state'; readonly path: string }
  | { readonly from: 'made'; readonly name: MadeEtcFile | 'empty' }
  | { readonly from: 'ours'; readonly name: 'node' | 'probe' };

/**
 * Walls that a test takes away one by one, to see the proof fail. A parameter of `planBottle` only: no flag, file or
 * variable leads here.
 */
export const WALLS = [
  'caps',
  'etc',
  'hosts-home',
  'ipcns',
  'netns',
  'pidns',
  'proc-sys',
  'read-only-system',
  'run',
  'seccomp',
  'uid',
  'utsns',
] as const;
export type Wall = (typeof WALLS)[number];

/** Names below `stateDirectory/ours` that a bottle sees in its own corner. */
export const CORNER_FILES = [INSIDE.caFile, INSIDE.caBundle, INSIDE.javaTrustStore].map((file) => ({
  inside: file,
  state: file.replace(INSIDE.ours, 'ours'),
}));

export function planBottle(bottle: BottlePlan, facts: HostFacts, withoutWall: Wall | null = null): BubblewrapPlan {
  refuseWhatCannotBeHeld(bottle.resources, facts.limits);
  const mounts = [
    ...systemMounts(facts, withoutWall),
    ...kernelMounts(facts, withoutWall),
    ...etcMounts(facts, withoutWall),
    ...scratchMounts(bottle.resources, withoutWall),
    ...agentMounts(bottle),
    ...cornerMounts(),
    ...(withoutWall === 'hosts-home' ? [bind('operator', facts.operatorHome, facts.operatorHome, 'rw')] : []),
  ];
  return {
    slug: bottle.slug,
    architecture: facts.architecture,
    bwrap: facts.bwrap,
    operatorHome: facts.operatorHome,
    ownHostUid: facts.uid === 0 && withoutWall !== 'uid',
    ownNetwork: withoutWall !== 'netns',
    listeners: rolesOf(bottle.services),
    flags: identity(bottle.slug, withoutWall),
    mounts,
    etc: madeEtcFiles(bottle.slug),
    seccomp: withoutWall === 'seccomp' ? null : seccompEntries(bottle.debug),
    resources: bottle.resources,
    cgroups: planCgroups(bottle.resources, facts.cgroups, `bot-bottle-${bottle.slug}-${facts.launcherPid}`),
    support: facts.limits,
  };
}

function identity(hostname: string, withoutWall: Wall | null): readonly string[] {
  const namespaces = [
    ['--unshare-user'],
    ['--disable-userns'],
    withoutWall === 'pidns' ? [] : ['--unshare-pid'],
    withoutWall === 'ipcns' ? [] : ['--unshare-ipc'],
    withoutWall === 'utsns' ? [] : ['--unshare-uts', '--hostname', hostname],
    ['--unshare-cgroup-try'],
  ];
  return [
    ...namespaces.flat(),
    '--uid',
    String(INSIDE.uid),
    '--gid',
    String(INSIDE.gid),
    withoutWall === 'caps' ? '--cap-add' : '--cap-drop',
    'ALL',
    '--die-with-parent',
    '--clearenv',
  ];
}

function systemMounts({ system }: HostFacts, withoutWall: Wall | null): readonly Mount[] {
  const access = withoutWall === 'read-only-system' ? 'rw' : 'ro';
  return system.map((entry) =>
    entry.kind === 'link'
      ? { kind: 'link', target: entry.path, to: entry.target }
      : bind('host', entry.path, entry.path, access),
  );
}

function kernelMounts(facts: HostFacts, withoutWall: Wall | null): readonly Mount[] {
  const readOnly = facts.procReadOnly.filter((file) => withoutWall !== 'proc-sys' || file !== PROC_READ_ONLY[3]);
  return [
    withoutWall === 'pidns' ? bind('host', '/proc', '/proc', 'rw') : { kind: 'proc', target: '/proc' },
    ...readOnly.map((file) => bind('host', file, file, 'ro')),
    ...facts.procMasked.map((entry): Mount =>
      entry.kind === 'file'
        ? { kind: 'bind', source: { from: 'made', name: 'empty' }, target: entry.path, access: 'ro' }
        : { kind: 'tmpfs', target: entry.path, mode: '0555', sizeBytes: MiB },
    ),
    { kind: 'dev', target: '/dev' },
  ];
}

function etcMounts(facts: HostFacts, withoutWall: Wall | null): readonly Mount[] {
  if (withoutWall === 'etc') return [bind('host', '/etc', '/etc', 'ro')];
  return [
    ...facts.etc.map((file) => bind('host', file, file, 'ro')),
    ...ETC_MADE.map((name): Mount => ({
      kind: 'bind',
      source: { from: 'made', name },
      target: `/etc/${name}`,
      access: 'ro',
    })),
    ...(facts.systemCaBundle === null ? [] : [bind('state', 'ours/ca-bundle.pem', facts.systemCaBundle, 'ro')]),
  ];
}

/** What is written here lives in memory, so a bottle with a memory limit gets a part of it. */
function scratchMounts({ memoryBytes }: Resources, withoutWall: Wall | null): readonly Mount[] {
  const part = (share: number): number | null => (memoryBytes === undefined ? null : Math.floor(memoryBytes * share));
  const tmpfs = (target: string, mode: string, sizeBytes: number | null): Mount => ({
    kind: 'tmpfs',
    target,
    mode,
    sizeBytes,
  });
  return [
    tmpfs('/tmp', '1777', part(0.5)),
    tmpfs('/dev/shm', '1777', part(0.25)),
    withoutWall === 'run' ? bind('host', '/run', '/run', 'ro') : tmpfs('/run', '0755', 16 * MiB),
    { kind: 'directory', target: '/var' },
    { kind: 'link', target: '/var/tmp', to: '/tmp' },
    { kind: 'link', target: '/var/run', to: '/run' },
  ];
}

function agentMounts(bottle: BottlePlan): readonly Mount[] {
  return [
    ...bottle.mounts.map(({ path, inside }) =>
      inside === undefined
        ? bind('operator', checkMount(path), path, 'ro')
        : bind('operator', path, checkMount(inside), 'ro'),
    ),
    bind('state', 'home', INSIDE.home, 'rw'),
    ...workspaceMounts(bottle.workspace),
  ];
}

function workspaceMounts(workspace: BottlePlan['workspace']): readonly Mount[] {
  if (workspace.mode !== 'bind') return [bind('state', 'workspace', INSIDE.workspace, 'rw')];
  const { source, pinned } = workspace;
  const inside = (name: string): string => `${INSIDE.workspace}/${name}`;
  return [
    bind('operator', source, INSIDE.workspace, 'rw'),
    ...pinned.map((name) => bind('operator', `${source}/${name}`, inside(name), 'rw')),
    ...workspace.protected.map(({ path: name, missing }): Mount => {
      switch (missing) {
        case null:
          return bind('operator', `${source}/${name}`, inside(name), 'ro');
        case 'file':
          return { kind: 'bind', source: { from: 'made', name: 'empty' }, target: inside(name), access: 'ro' };
        case 'directory':
          return { kind: 'tmpfs', target: inside(name), mode: '0555', sizeBytes: MiB };
      }
    }),
  ];
}

function cornerMounts(): readonly Mount[] {
  return [
    { kind: 'bind', source: { from: 'ours', name: 'node' }, target: OURS.node, access: 'ro' },
    { kind: 'bind', source: { from: 'ours', name: 'probe' }, target: OURS.probe, access: 'ro' },
    ...CORNER_FILES.map(({ inside, state }) => bind('state', state, inside, 'ro')),
  ];
}

/** Our programs inside. The probe's ending tells Node what it is without a look at a package file. */
export const OURS = { node: `${INSIDE.ours}/node`, probe: `${INSIDE.ours}/probe.mjs` } as const;

function bind(from: 'host' | 'operator' | 'state', path: string, target: string, access: 'ro' | 'rw'): Mount {
  return { kind: 'bind', source: { from, path }, target, access };
}
