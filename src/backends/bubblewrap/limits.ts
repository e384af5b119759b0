import { BottleError } from '../../kernel/errors.ts';
import { MiB } from '../../kernel/limits.ts';
import type { LimitSupport } from '../../schema/limits.ts';
import type { Resources } from '../../schema/plan.ts';

/**
 * What a bottle asks for and this machine can't hold is refused before anything starts, by name. `strict` also
 * refuses what is only watched: a watchdog looks a few times a second, the kernel at every page.
 */
export function refuseWhatCannotBeHeld(resources: Resources, support: LimitSupport): void {
  const missing = [
    resources.cpus !== undefined && support.cpus === 'none' ? 'cpus (no cgroup with the cpu controller)' : null,
    resources.diskBytes !== undefined ? 'disk (this backend has no quota for the workspace)' : null,
    resources.memoryBytes !== undefined && support.memory === 'watchdog' && resources.strict
      ? 'memory, strictly (no cgroup with the memory controller; without strict it is watched)'
      : null,
  ].filter((what) => what !== null);
  if (missing.length > 0) {
    throw new BottleError('resource_unavailable', {
      message: `this machine can't hold: ${missing.join('; ')}`,
      key: 'resources',
      hint: 'leave it out, or run where the controller is delegated: systemd-run --user --scope -p Delegate=yes bot-bottle …',
    });
  }
  refuseTooLittle(resources);
}

/** Less than this and the bottle could not even be proved: the probe is a Node process. */
export const LEAST = { memoryBytes: 64 * MiB, pids: 4, cpus: 0.01 } as const;

function refuseTooLittle({ memoryBytes, pids, cpus }: Resources): void {
  const low = [
    memoryBytes !== undefined && memoryBytes < LEAST.memoryBytes ? 'memory below 64 MiB' : null,
    pids !== undefined && pids < LEAST.pids ? `pids below ${LEAST.pids}` : null,
    cpus !== undefined && cpus < LEAST.cpus ? `cpus below ${LEAST.cpus}` : null,
  ].filter((what) => what !== null);
  if (low.length === 0) return;
  throw new BottleError('resource_unavailable', {
    message: `no bottle can work with ${low.join(', ')}`,
    key: 'resources',
    hint: 'memory: 512MiB',
  });
}
