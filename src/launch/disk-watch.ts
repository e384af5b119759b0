import { BottleError } from '../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';
import { sizeText } from '../policy/resources.ts';
import type { GatedBottle } from '../ports/backend.ts';
import type { ReachedLimit } from '../schema/limits.ts';
import type { Journal } from '../state/journal.ts';
import type { BottlePaths } from '../state/paths.ts';
import { runInTree } from './tree-box.ts';

/**
 * What a bottle takes of the disk, where no quota holds it: its workspace and home are measured again and again by `du`,
 * in the box that every look into an agent's tree needs (SECURITY S1). The workspace of mode `bind` is the operator's own
 * and does not count.
 */
export interface DiskLimit extends AsyncDisposable {
  reached(): readonly ReachedLimit[];
}

/** Looks that fail one after the other: a tree that can't be measured is treated as one that is too large. */
const FAILURES = 3;
const QUIET_MS = 2_000;
/** With more than half of it used. */
const CLOSE_MS = 250;
/** Of one processor, looking may take so much at most. */
const SHARE_OF_TIME = 0.1;

/** Side by side: in the bottle one lies in the other, and would be counted twice. */
const SHOWN = { workspace: '/measured/workspace', home: '/measured/home' } as const;

export interface DiskLimitOptions {
  readonly paths: BottlePaths;
  readonly journal: Journal;
  readonly gated: GatedBottle;
  readonly limitBytes: number | undefined;
}

/** Over its limit the bottle is ended; its work is kept, as after any end. */
export function limitDisk({ paths, journal, gated, limitBytes }: DiskLimitOptions): DiskLimit {
  if (limitBytes === undefined) return { reached: () => [], [Symbol.asyncDispose]: () => Promise.resolve() };
  let reached = false;
  let failures = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    const startedAt = performance.now();
    const bytes = await measureDisk(paths);
    failures = bytes === null ? failures + 1 : 0;
    if (ended) return;
    if (failures >= FAILURES || (bytes ?? 0) > limitBytes) {
      reached = true;
      journal.append({ step: 'disk-limit', detail: { bytes: limitBytes } });
      gated.stop(0).catch(ignoreUnlessAwaited);
      return;
    }
    const waitMs = (bytes ?? limitBytes) > limitBytes / 2 ? CLOSE_MS : QUIET_MS;
    lookAfter(Math.max(waitMs, (performance.now() - startedAt) / SHARE_OF_TIME));
  };
  const lookAfter = (waitMs: number): void => {
    timer = setTimeout(() => {
      looking = look();
    }, waitMs).unref();
  };
  lookAfter(CLOSE_MS);
  return {
    reached: () => (reached ? [{ resource: 'disk', limit: limitBytes }] : []),
    [Symbol.asyncDispose]: async () => {
      ended = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

/** Before the agent starts: a copy that is over the limit already would be ended at the first look. */
export async function checkDisk(paths: BottlePaths, limitBytes: number | undefined): Promise<void> {
  if (limitBytes === undefined) return;
  const bytes = await measureDisk(paths);
  if (bytes !== null && bytes <= limitBytes) return;
  const found = bytes === null ? "can't be measured" : `take ${sizeText(bytes)} before the agent starts`;
  throw new BottleError('resource_unavailable', {
    message: `workspace and home ${found}; the bottle may have ${sizeText(limitBytes)} of disk`,
    key: 'resources.disk',
    hint: 'raise resources.disk, or leave ignored files out: workspace: {ignored: leave}',
  });
}

/**
 * Blocks that workspace and home take together, a file with several names once; null if they can't be measured. What
 * vanishes during the look makes `du` fail, and still counts the rest.
 */
async function measureDisk(paths: BottlePaths): Promise<number | null> {
  const { stdout } = await runInTree(
    {
      argv: ['/usr/bin/du', '-s', '-c', '--block-size=1', '--', SHOWN.workspace, SHOWN.home],
      show: [
        { source: paths.home, inside: SHOWN.home, access: 'ro' },
        { source: paths.workspace, inside: SHOWN.workspace, access: 'ro' },
      ],
    },
    paths,
  );
  const total = /^(\d+)\ttotal$/m.exec(stdout.toString('latin1'))?.[1];
  return total === undefined ? null : Number(total);
}
