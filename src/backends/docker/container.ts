import type { Resources } from '../../schema/plan.ts';
import { OURS, type DockerPlan, type MountSource } from './plan.ts';

/** Paths and identities of this launch, known when it is made. */
export interface Placement {
  readonly stateDirectory: string;
  readonly madeDirectory: string;
  readonly node: string;
  readonly probe: string;
  /** Name of the host's loader in `lib`; null for a node that needs none. */
  readonly loader: string | null;
  /** The user in the container, who is the same user on the host. */
  readonly uid: number;
  readonly gid: number;
  readonly terminal: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** Body of `POST /containers/create`. Pure. */
export function containerBody(plan: DockerPlan, place: Placement): Readonly<Record<string, unknown>> {
  return {
    Image: plan.image,
    Hostname: plan.hostname,
    User: `${String(place.uid)}:${String(place.gid)}`,
    WorkingDir: '/',
    Entrypoint: probeCommand(place.loader, 'by-lines'),
    Cmd: [],
    Env: plan.imageVariables.map((name) => `${name}=`),
    Labels: place.labels,
    Healthcheck: { Test: ['NONE'] },
    Tty: place.terminal,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: hostConfig(plan, place),
  };
}

/** No inspector by signal, no warnings between the probe's own words. */
const NODE_FLAGS = ['--disable-sigusr1', '--no-warnings'];

/** `entry` is for a further command, which asks no questions. */
export function probeCommand(loader: string | null, mode: 'by-lines' | 'entry'): readonly string[] {
  const node = [OURS.node, ...NODE_FLAGS, OURS.probe, mode];
  return loader === null ? node : [`${OURS.lib}/${loader}`, '--library-path', OURS.lib, ...node];
}

function hostConfig(plan: DockerPlan, place: Placement): Readonly<Record<string, unknown>> {
  const open = plan.withoutWall;
  return {
    // No network card, no route and no resolver of the engine's: the bundle's listeners are put in from outside.
    NetworkMode: open === 'network' ? 'host' : 'none',
    ...(open === 'network' ? {} : { Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '1024' } }),
    ReadonlyRootfs: open !== 'read-only-system',
    CapDrop: open === 'caps' ? [] : ['ALL'],
    SecurityOpt: [
      ...(open === 'no-new-privileges' ? [] : ['no-new-privileges:true']),
      plan.seccomp === null ? 'seccomp=unconfined' : `seccomp=${JSON.stringify(plan.seccomp)}`,
    ],
    Privileged: false,
    PidMode: open === 'pidns' ? 'host' : '',
    IpcMode: 'private',
    Init: true,
    // What the agent says is the operator's: the engine keeps no copy.
    LogConfig: { Type: 'none', Config: {} },
    RestartPolicy: { Name: 'no' },
    ...limits(plan.resources),
    Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
    Tmpfs: plan.tmpfs,
    Mounts: plan.mounts.map(({ source, target, access }) => ({
      Type: 'bind',
      Source: hostPath(source, place),
      Target: target,
      ReadOnly: access === 'ro',
      BindOptions: { Propagation: 'rprivate' },
    })),
    ...(plan.runtime === null ? {} : { Runtime: plan.runtime }),
  };
}

function hostPath(source: MountSource, place: Placement): string {
  switch (source.from) {
    case 'operator':
      return source.path;
    case 'state':
      return `${place.stateDirectory}/${source.path}`;
    case 'made':
      return `${place.madeDirectory}/${source.name}`;
    case 'ours':
      return source.name === 'node' ? place.node : place.probe;
  }
}

const NANOS = 1e9;

/** No swap beyond the memory: what is on a disk has left the limit, and is the engine's to forget. */
function limits({ memoryBytes, pids, cpus }: Resources): Readonly<Record<string, number>> {
  return {
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
    ...(pids === undefined ? {} : { PidsLimit: pids }),
    ...(cpus === undefined ? {} : { NanoCpus: Math.round(cpus * NANOS) }),
  };
}

/** Labels by which a container is found again, whatever became of its launcher. */
export const LABEL = { state: 'bot-bottle.state', slug: 'bot-bottle.slug' } as const;

export const containerName = (slug: string): string => `bot-bottle-${slug}`;

/** Mount points there may be inside, by whoever made them. */
export function expectedMounts(plan: DockerPlan): {
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
} {
  const binds = (access: 'ro' | 'rw'): readonly string[] =>
    plan.mounts.filter((mount) => mount.access === access).map(({ target }) => target);
  return {
    readOnly: ['/', '/sys', ...ENGINE_INIT, ...PROC_READ_ONLY, ...binds('ro')],
    writable: [...ENGINE_WRITABLE, ...Object.keys(plan.tmpfs), ...binds('rw')],
  };
}

/** Made by the engine in every container, as the OCI runtime specification asks. */
const PROC_READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
/** The engine's own first process, wherever the image's /sbin leads; Podman's is the second. */
const ENGINE_INIT = ['/sbin/docker-init', '/usr/sbin/docker-init', '/run/podman-init', '/dev/init'];
const ENGINE_WRITABLE = [
  // An empty directory of root's with the read-only control groups in it.
  '/sys/fs/cgroup',
  ...['/proc', '/dev', '/dev/pts', '/dev/mqueue', '/dev/shm', '/dev/console'],
  // Covered by the null device or an empty directory.
  ...['/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats'],
  ...['/proc/timer_list', '/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware'],
  ...['/sys/devices/virtual/powercap'],
];
