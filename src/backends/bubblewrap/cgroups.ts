import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import type { LimitSupport, ReachedLimit } from '../../schema/limits.ts';
import { readTextOrNull } from '../../platform/processes.ts';
import type { Resources } from '../../schema/plan.ts';

/**
 * Control groups, where this process may make them. What is offered is what was tried: a directory is made, looked at
 * and removed again, for neither the version nor the mount options tell whether a controller is delegated.
 */
export const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;
export type Controller = (typeof CONTROLLERS)[number];

export interface CgroupBase {
  readonly version: 1 | 2;
  /** Below it, groups of ours are made. */
  readonly directory: string;
}
export type CgroupBases = Readonly<Record<Controller, CgroupBase | null>>;

/** A file that is there exactly when the controller works in a group. */
const SIGN = {
  1: { memory: 'memory.limit_in_bytes', pids: 'pids.max', cpu: 'cpu.cfs_quota_us' },
  2: { memory: 'memory.max', pids: 'pids.max', cpu: 'cpu.max' },
} as const;

const MOUNT = '/sys/fs/cgroup';
let trial = 0;

/**
 * `self` is `/proc/self/cgroup`; lines `id:controllers:path`, version 2 with id 0 and no controllers. `works` tries
 * whether groups made below a place have the controller.
 */
export function findCgroupBases(
  self: string,
  works: (base: CgroupBase, controller: Controller) => boolean = tryOut,
): CgroupBases {
  const lines = self.split('\n').flatMap((line) => {
    const [, controllers, ...rest] = line.split(':');
    return controllers === undefined ? [] : [{ controllers: controllers.split(','), path: rest.join(':') }];
  });
  const find = (controller: Controller): CgroupBase | null => {
    const first = lines.find(({ controllers }) => controllers.includes(controller));
    const second = lines.find(({ controllers }) => controllers.length === 1 && controllers[0] === '');
    const candidates: CgroupBase[] = [
      ...(first === undefined ? [] : versionOne(controller, first.path)),
      ...(second === undefined ? [] : versionTwo(second.path)),
    ];
    return candidates.find((base) => works(base, controller)) ?? null;
  };
  return { memory: find('memory'), pids: find('pids'), cpu: find('cpu') };
}

function versionOne(controller: Controller, own: string): readonly CgroupBase[] {
  const places = controller === 'cpu' ? ['cpu', 'cpu,cpuacct'] : [controller];
  // In a container the mount begins at the container's own group, while the path is told from the host's root.
  return places.flatMap((place) => [
    { version: 1, directory: path.join(MOUNT, place, own) },
    { version: 1, directory: path.join(MOUNT, place) },
  ]);
}

/** A group with processes can't hand controllers down, so the place is beside us or, for root, at the top. */
function versionTwo(own: string): readonly CgroupBase[] {
  return [path.join(MOUNT, path.dirname(own)), MOUNT].map((directory) => ({ version: 2, directory }));
}

function tryOut(base: CgroupBase, controller: Controller): boolean {
  trial += 1;
  const directory = path.join(base.directory, `bot-bottle-trial-${process.pid}-${trial}`);
  try {
    fs.mkdirSync(directory);
  } catch (failure) {
    if (isSystemError(failure)) return false;
    throw failure;
  }
  try {
    fs.accessSync(path.join(directory, SIGN[base.version][controller]), fs.constants.W_OK);
    fs.accessSync(path.join(directory, 'cgroup.procs'), fs.constants.W_OK);
    if (base.version === 2) fs.accessSync(path.join(base.directory, 'cgroup.procs'), fs.constants.W_OK);
    return true;
  } catch (failure) {
    if (isSystemError(failure)) return false;
    throw failure;
  } finally {
    fs.rmdirSync(directory);
  }
}

/** The launcher measures the trees with it, from a box that shows it `/usr`. */
export function measuresDisk(): boolean {
  return fs.existsSync('/usr/bin/du');
}

export function supportFrom(bases: CgroupBases, measuresDisk: boolean): LimitSupport {
  const by = (base: CgroupBase | null): 'cgroup1' | 'cgroup2' | null =>
    base === null ? null : base.version === 1 ? 'cgroup1' : 'cgroup2';
  return {
    memory: by(bases.memory) ?? 'watchdog',
    pids: by(bases.pids) ?? 'rlimit',
    cpus: by(bases.cpu) ?? 'none',
    disk: measuresDisk ? 'watchdog' : 'none',
  };
}

/** The groups of one bottle: a directory for each hierarchy that a limit needs. */
export interface PlannedCgroup {
  readonly directory: string;
  readonly settings: readonly CgroupSetting[];
}
export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
}

const CPU_PERIOD_US = 100_000;

/** Pure: the directories to make, and what is to be written into them before the agent starts. */
export function planCgroups(resources: Resources, bases: CgroupBases, name: string): readonly PlannedCgroup[] {
  const groups = new Map<string, CgroupSetting[]>();
  const set = (base: CgroupBase | null, settings: readonly (readonly [file: string, value: string])[]): void => {
    if (base === null) return;
    const directory = path.join(base.directory, name);
    groups.set(directory, [...(groups.get(directory) ?? []), ...settings.map(([file, value]) => ({ file, value }))]);
  };
  const { memoryBytes, pids, cpus } = resources;
  if (memoryBytes !== undefined) set(bases.memory, memorySettings(bases.memory, memoryBytes));
  if (pids !== undefined) set(bases.pids, [['pids.max', String(pids)]]);
  if (cpus !== undefined) set(bases.cpu, cpuSettings(bases.cpu, cpus));
  return [...groups].map(([directory, settings]) => ({ directory, settings }));
}

/** Swap counts too, where the kernel counts it: else the limit would only move memory to the disk. */
function memorySettings(base: CgroupBase | null, bytes: number): readonly (readonly [string, string])[] {
  const value = String(bytes);
  return base?.version === 1
    ? [
        ['memory.limit_in_bytes', value],
        ['memory.memsw.limit_in_bytes', value],
      ]
    : [
        ['memory.max', value],
        ['memory.swap.max', '0'],
      ];
}

function cpuSettings(base: CgroupBase | null, cpus: number): readonly (readonly [string, string])[] {
  const quota = Math.round(cpus * CPU_PERIOD_US);
  return base?.version === 1
    ? [
        ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
        ['cpu.cfs_quota_us', String(quota)],
      ]
    : [['cpu.max', `${quota} ${CPU_PERIOD_US}`]];
}

/** Where a group counts how often a limit had to be held, by the setting that it belongs to. */
const COUNTERS: readonly { readonly setting: string; readonly file: string; readonly key: string }[] = [
  { setting: 'memory.limit_in_bytes', file: 'memory.oom_control', key: 'oom_kill' },
  { setting: 'memory.max', file: 'memory.events', key: 'oom_kill' },
  { setting: 'pids.max', file: 'pids.events', key: 'max' },
];

/** Asked at the bottle's end, before its groups are removed. */
export function reachedIn(groups: readonly PlannedCgroup[], { memoryBytes, pids }: Resources): readonly ReachedLimit[] {
  const wasHeld = (kind: 'memory' | 'pids'): boolean =>
    groups.some(({ directory, settings }) =>
      COUNTERS.some(
        ({ setting, file, key }) =>
          setting.startsWith(`${kind}.`) &&
          settings.some((planned) => planned.file === setting) &&
          countIn(readTextOrNull(path.join(directory, file)) ?? '', key) > 0,
      ),
    );
  return [
    ...(memoryBytes !== undefined && wasHeld('memory') ? [{ resource: 'memory' as const, limit: memoryBytes }] : []),
    ...(pids !== undefined && wasHeld('pids') ? [{ resource: 'pids' as const, limit: pids }] : []),
  ];
}

/** Of the kernel's flat keyed files: `oom_kill 3`. */
export function countIn(text: string, key: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${key} `));
  return Number(line?.slice(key.length + 1) ?? 0);
}

/** Counts of swap are optional in the kernel; everything else must be writable, or the limit would not hold. */
const OPTIONAL = new Set(['memory.memsw.limit_in_bytes', 'memory.swap.max']);

export function applyCgroup({ directory, settings }: PlannedCgroup): void {
  for (const { file, value } of settings) {
    const target = path.join(directory, file);
    if (OPTIONAL.has(file) && !fs.existsSync(target)) continue;
    try {
      fs.writeFileSync(target, value);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      throw new BottleError('resource_unavailable', {
        message: `the kernel does not take ${file} = ${value}: ${failure.message}`,
        key: 'resources',
        cause: failure,
      });
    }
  }
}

/** The kernel takes a moment to see that the last process of a group is gone; `false`: not yet. */
export function removeCgroup(directory: string): boolean {
  try {
    fs.rmdirSync(directory);
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    if (failure.code === 'ENOENT') return true;
    if (failure.code === 'EBUSY') return false;
    throw failure;
  }
}

function isSystemError(failure: unknown): failure is NodeJS.ErrnoException {
  return failure instanceof Error && 'code' in failure;
}
