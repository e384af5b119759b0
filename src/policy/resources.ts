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

/** What keeps a bottle with these limits from being started here. */
export interface ResourceComplaint {
  readonly resource: ResourceName;
  readonly message: string;
  readonly hint: string;
}

/** Less than this and the bottle could not even be proved: the probe is a Node process. */
const LEAST = { memoryBytes: 64 * MiB, pids: 4, cpus: 0.01, diskBytes: 16 * MiB } as const;
export const DELEGATE =
  'systemd-run --user --scope -p Delegate=yes bot-bottle …   (where controllers are delegated), or without strict: true';

/** `strict` refuses what is only watched too: a watchdog looks a few times a second, the kernel at every page. */
export function resourceComplaints(resources: Resources, support: LimitSupport): readonly ResourceComplaint[] {
  const notHeld = unenforced(resources, support).filter(
    ({ resource, level }) => resources.strict || (resource === 'disk' && level === 'absent'),
  );
  return [
    ...notHeld.map(({ resource, why }) => ({
      resource,
      message: `${resource} is ${why}`,
      hint: resource === 'disk' ? 'leave it out, or write it without strict: true' : DELEGATE,
    })),
    ...tooLittle(resources),
  ];
}

function tooLittle({ memoryBytes, pids, cpus, diskBytes }: Resources): readonly ResourceComplaint[] {
  const complaint = (resource: ResourceName, least: string, hint: string): ResourceComplaint => ({
    resource,
    message: `no bottle can work with ${resource} below ${least}`,
    hint,
  });
  return [
    ...(memoryBytes !== undefined && memoryBytes < LEAST.memoryBytes
      ? [complaint('memory', sizeText(LEAST.memoryBytes), 'memory: 512MiB')]
      : []),
    ...(pids !== undefined && pids < LEAST.pids ? [complaint('pids', String(LEAST.pids), 'pids: 256')] : []),
    ...(cpus !== undefined && cpus < LEAST.cpus ? [complaint('cpus', String(LEAST.cpus), 'cpus: 0.5')] : []),
    ...(diskBytes !== undefined && diskBytes < LEAST.diskBytes
      ? [complaint('disk', sizeText(LEAST.diskBytes), 'disk: 1GiB')]
      : []),
  ];
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
