import { MiB } from '../../kernel/limits.ts';
import { INSIDE, rolesOf, type BottlePlan, type ListenerRole, type Resources } from '../../schema/plan.ts';
import { checkMount } from '../common/check-mount.ts';
import { ETC_MADE, madeEtcFiles, type MadeEtcFile } from '../common/etc-files.ts';
import { seccompProfile, type SeccompProfile } from './seccomp-profile.ts';

/**
 * What the engine is going to be asked, as one printable value (HOTSPOTS H16). Pure: the same bottle with the same facts
 * gives the same plan. `container.ts` turns it into a request once the paths of this launch are known.
 */
export interface DockerPlan {
  readonly slug: string;
  /** By digest: what a name points to may change between the plan and the start. */
  readonly image: string;
  /** Null is the engine's own default, a container as usual. */
  readonly runtime: string | null;
  readonly ownHostUid: boolean;
  readonly operatorHome: string;
  readonly mounts: readonly Mount[];
  readonly tmpfs: Readonly<Record<string, string>>;
  /** Variables that the image sets, all to be set to nothing: no program of ours starts with them. */
  readonly imageVariables: readonly string[];
  readonly seccomp: SeccompProfile | null;
  readonly resources: Resources;
  readonly hostname: string;
  readonly listeners: readonly ListenerRole[];
  readonly withoutWall: Wall | null;
}

export interface Mount {
  readonly source: MountSource;
  readonly target: string;
  readonly access: 'ro' | 'rw';
}

export type MountSource =
  /** A path of the operator's. */
  | { readonly from: 'operator'; readonly path: string }
  /** Below the bottle's state directory. */
  | { readonly from: 'state'; readonly path: string }
  | { readonly from: 'made'; readonly name: MadeEtcFile | 'empty' | 'lib' | 'through' }
  | { readonly from: 'ours'; readonly name: 'node' | 'probe' };

/** What the plan needs to know of the engine and of this machine. */
export interface DockerFacts {
  readonly uid: number;
  readonly operatorHome: string;
  readonly image: ImageFacts;
  readonly runtime: string | null;
  /** Our node is started with the loader and the libraries of the host, which are shown beside it. */
  readonly loader: string | null;
}

export interface ImageFacts {
  readonly id: string;
  readonly variables: readonly string[];
  readonly volumes: readonly string[];
}

/**
 * Walls that a test takes away one by one, to see the proof fail. A parameter of `planContainer` only: no flag, file or
 * variable leads here.
 */
export const WALLS = ['caps', 'network', 'no-new-privileges', 'pidns', 'read-only-system', 'seccomp', 'uid'] as const;
export type Wall = (typeof WALLS)[number];

/** Where our own files are inside. */
export const OURS = {
  node: `${INSIDE.ours}/node`,
  probe: `${INSIDE.ours}/probe.js`,
  lib: `${INSIDE.ours}/lib`,
} as const;

/** Where Debian's and its kin's programs look for the system's roots; our bundle covers the file. */
const SYSTEM_CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
/** The loader of every program reads this first, whatever the environment says. */
const LOADER_PRELOAD = '/etc/ld.so.preload';

export function planContainer(bottle: BottlePlan, facts: DockerFacts, withoutWall: Wall | null = null): DockerPlan {
  return {
    slug: bottle.slug,
    hostname: bottle.slug,
    listeners: rolesOf(bottle.services),
    image: facts.image.id,
    runtime: facts.runtime,
    ownHostUid: facts.uid === 0 && withoutWall !== 'uid',
    operatorHome: facts.operatorHome,
    mounts: [...etcMounts(), ...ourMounts(facts), ...wayThrough(bottle, facts), ...agentMounts(bottle)],
    tmpfs: {
      ...tmpfsMounts(bottle.resources, facts.image),
      ...emptyDirectories(bottle.workspace),
    },
    imageVariables: [...new Set([...facts.image.variables, ...DANGEROUS])].sort(),
    seccomp: withoutWall === 'seccomp' ? null : seccompProfile(bottle.debug),
    resources: bottle.resources,
    withoutWall,
  };
}

/** Variables that make a loader or node run something else, whether the image names them or not. */
const DANGEROUS = ['LD_AUDIT', 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'NODE_PATH'];

const bind = (source: MountSource, target: string, access: 'ro' | 'rw'): Mount => ({ source, target, access });

function etcMounts(): readonly Mount[] {
  return [
    ...ETC_MADE.map((name) => bind({ from: 'made', name }, `/etc/${name}`, 'ro')),
    bind({ from: 'made', name: 'empty' }, LOADER_PRELOAD, 'ro'),
    bind({ from: 'state', path: 'ours/ca-bundle.pem' }, SYSTEM_CA_BUNDLE, 'ro'),
  ];
}

function ourMounts({ loader }: DockerFacts): readonly Mount[] {
  const corner = [INSIDE.caFile, INSIDE.caBundle, INSIDE.javaTrustStore].map((file) =>
    bind({ from: 'state', path: file.replace(INSIDE.ours, 'ours') }, file, 'ro'),
  );
  return [
    bind({ from: 'ours', name: 'node' }, OURS.node, 'ro'),
    bind({ from: 'ours', name: 'probe' }, OURS.probe, 'ro'),
    ...(loader === null ? [] : [bind({ from: 'made', name: 'lib' }, OURS.lib, 'ro')]),
    ...corner,
  ];
}

/** The image's directory of that name may let nobody but root pass to what is shown below it: ours lets everybody. */
function wayThrough({ mounts }: BottlePlan, { operatorHome }: DockerFacts): readonly Mount[] {
  const below = mounts.some(({ path, inside }) => isBelow(inside ?? path, operatorHome));
  return below ? [bind({ from: 'made', name: 'through' }, operatorHome, 'ro')] : [];
}

export const isBelow = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);

function agentMounts(bottle: BottlePlan): readonly Mount[] {
  return [
    bind({ from: 'state', path: 'home' }, INSIDE.home, 'rw'),
    ...workspaceMounts(bottle.workspace),
    ...bottle.mounts.map(({ path, inside }) => bind({ from: 'operator', path }, checkMount(inside ?? path), 'ro')),
  ];
}

function workspaceMounts(workspace: BottlePlan['workspace']): readonly Mount[] {
  if (workspace.mode !== 'bind') return [bind({ from: 'state', path: 'workspace' }, INSIDE.workspace, 'rw')];
  const { source, pinned } = workspace;
  const inside = (name: string): string => `${INSIDE.workspace}/${name}`;
  return [
    bind({ from: 'operator', path: source }, INSIDE.workspace, 'rw'),
    ...pinned.map((name) => bind({ from: 'operator', path: `${source}/${name}` }, inside(name), 'rw')),
    ...workspace.protected.flatMap(({ path: name, missing }) => {
      switch (missing) {
        case null:
          return [bind({ from: 'operator', path: `${source}/${name}` }, inside(name), 'ro')];
        case 'file':
          return [bind({ from: 'made', name: 'empty' }, inside(name), 'ro')];
        case 'directory':
          return [];
      }
    }),
  ];
}

function emptyDirectories(workspace: BottlePlan['workspace']): Readonly<Record<string, string>> {
  if (workspace.mode !== 'bind') return {};
  const missing = workspace.protected.filter((entry) => entry.missing === 'directory');
  return Object.fromEntries(
    missing.map(({ path }) => [`${INSIDE.workspace}/${path}`, `ro,nosuid,nodev,mode=0555,size=${String(MiB)}`]),
  );
}

/** Root's, and so empty for good. */
const SMALL = `rw,noexec,nosuid,nodev,mode=0755,size=${String(16 * MiB)}`;

/** What is written here lives in memory, so a bottle with a memory limit gets a part of it. */
function tmpfsMounts({ memoryBytes }: Resources, { volumes }: ImageFacts): Readonly<Record<string, string>> {
  const sized = (mode: string, share: number): string =>
    ['rw', 'exec', 'nosuid', 'nodev', `mode=${mode}`]
      .concat(memoryBytes === undefined ? [] : [`size=${String(Math.floor(memoryBytes * share))}`])
      .join(',');
  return {
    // An image's volumes would outlive the bottle on the engine's disk.
    ...Object.fromEntries(volumes.map((volume) => [volume, sized('0777', 0.25)])),
    '/tmp': sized('1777', 0.5),
    '/var/tmp': sized('1777', 0.25),
    '/run': SMALL,
  };
}

/** Of `/etc` what is made for the bottle; the rest of it is the image's own. */
export const madeFiles = (
  hostname: string,
  who: { readonly uid: number; readonly gid: number },
): Readonly<Record<MadeEtcFile | 'empty', string>> => ({ ...madeEtcFiles(hostname, who), empty: '' });
