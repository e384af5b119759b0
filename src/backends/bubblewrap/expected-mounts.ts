import type { BubblewrapPlan } from './plan.ts';

/** Mount points that there may be inside; anything else is a hole in the plan or in what carried it out. */
export interface ExpectedMounts {
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
}

/** Made by bubblewrap itself: the devices one by one, and covers over what it finds writable in /proc. */
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'pts', 'console', 'shm', 'mqueue'];
const COVERED = ['/proc/sys', '/proc/sysrq-trigger', '/proc/irq', '/proc/bus'];

export function expectedMounts({ mounts }: BubblewrapPlan): ExpectedMounts {
  const binds = (access: 'ro' | 'rw'): readonly string[] =>
    mounts.flatMap((mount) => (mount.kind === 'bind' && mount.access === access ? [mount.target] : []));
  const made = mounts.flatMap(({ kind, target }) =>
    kind === 'tmpfs' || kind === 'proc' || kind === 'dev' ? [target] : [],
  );
  return {
    readOnly: ['/', ...COVERED, ...binds('ro')],
    writable: [...made, ...binds('rw'), ...DEVICES.map((name) => `/dev/${name}`)],
  };
}
