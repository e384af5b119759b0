import { assertNever } from '../kernel/assert-never.ts';
import { MiB } from '../kernel/limits.ts';
import type { LimitSupport, ReachedLimit, ResourceName } from '../schema/limits.ts';
import type { Resources } from '../schema/plan.ts';

/** A limit that a bottle asks for and this machine does not hold to the letter. */
export interface Unenforced {
  readonly resource: ResourceName;
  /** `absent`: nothing holds it here. `watched`: looked at a few times a second, and ended when it is over. */
  readonly level: 'absent' | 'watched';
  readonly why: string;
}

export const WATCHED_MEMORY =
  'watched, not held: no control group with the memory controller, so it is summed up several times a second';
export const NO_CPUS = 'not held: no control group with the cpu controller';
export const WATCHED_DISK =
  'watched, not held: there is no quota here, so home, workspace and temporary files are measured again and again';
export const NO_DISK = 'not held: there is no quota here, and no du (coreutils) to measure with';

/** Pure: what of `resources` the machine can't hold exactly, in the order of the keys. */
export function unenforced(resources: Resources, support: LimitSupport): readonly Unenforced[] {
  const { memoryBytes, cpus, diskBytes } = resources;
  const found: Unenforced[] = [];
  if (memoryBytes !== undefined && support.memory === 'watchdog') {
    found.push({ resource: 'memory', level: 'watched', why: WATCHED_MEMORY });
  }
  if (cpus !== undefined && support.cpus === 'none') {
    found.push({ resource: 'cpus', level: 'absent', why: NO_CPUS });
  }
  if (diskBytes !== undefined) {
    found.push(
      support.disk === 'watchdog'
        ? { resource: 'disk', level: 'watched', why: WATCHED_DISK }
        : { resource: 'disk', level: 'absent', why: NO_DISK },
    );
  }
  return found;
}

/** `memory limit 256 MiB reached`. */
export function reachedText({ resource, limit }: ReachedLimit): string {
  switch (resource) {
    case 'memory':
    case 'disk':
      return `${resource} limit ${sizeText(limit)} reached`;
    case 'pids':
      return `process limit ${String(limit)} reached`;
    default:
      return assertNever(resource);
  }
}

/** In the units that a manifest knows. */
export function sizeText(bytes: number): string {
  const mebibytes = bytes / MiB;
  return mebibytes >= 1024 && mebibytes % 1024 === 0
    ? `${String(mebibytes / 1024)} GiB`
    : `${String(Math.round(mebibytes))} MiB`;
}
