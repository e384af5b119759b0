import { BottleError } from '../../kernel/errors.ts';
import { signalProcess } from '../../platform/processes.ts';
import type { ReachedLimit } from '../../schema/limits.ts';
import { measureMemory } from './memory.ts';

/**
 * Holds the bottle's memory where no control group does. As the kernel would, it ends the process that uses most; if
 * that does not help, the bottle.
 */
export interface MemoryWatch extends Disposable {
  reached(): readonly ReachedLimit[];
}

const QUIET_MS = 250;
/** With more than half of it used, a few more looks tell how fast it grows. */
const CLOSE_MS = 40;
/** Of the launcher's time, a look may take so much at most. */
const SHARE_OF_TIME = 0.1;
const STRIKES = 3;

export interface WatchedBottle {
  readonly firstPid: number;
  readonly limitBytes: number;
  /** All that live in the bottle now. */
  readonly processes: () => readonly number[];
  readonly onReached: () => void;
}

export function watchMemory({ firstPid, limitBytes, processes, onReached }: WatchedBottle): MemoryWatch {
  if (measureMemory(firstPid, processes(), limitBytes).largest === null) {
    throw new BottleError('resource_unavailable', {
      message: "the memory of the bottle's processes can't be read here, so nothing would hold its limit",
      key: 'resources.memory',
      hint: 'run where the controller is delegated: systemd-run --user --scope -p Delegate=yes bot-bottle …',
    });
  }
  let reached = false;
  let strikes = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const startedAt = performance.now();
    const { bytes, largest } = measureMemory(firstPid, processes(), limitBytes);
    strikes = bytes > limitBytes ? strikes + 1 : 0;
    if (strikes > 0) {
      if (!reached) onReached();
      reached = true;
      const pid = strikes < STRIKES && largest !== null ? largest.pid : firstPid;
      if (processes().includes(pid)) signalProcess(pid, 'SIGKILL');
    }
    const waitMs = bytes > limitBytes / 2 ? CLOSE_MS : QUIET_MS;
    timer = setTimeout(look, Math.max(waitMs, (performance.now() - startedAt) / SHARE_OF_TIME)).unref();
  };
  look();
  return {
    reached: () => (reached ? [{ resource: 'memory', limit: limitBytes }] : []),
    [Symbol.dispose]: () => {
      clearTimeout(timer);
    },
  };
}
