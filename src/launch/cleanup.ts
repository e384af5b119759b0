import fs from 'node:fs';
import { z } from 'zod';
import { readJournal, type JournalEntry } from '../state/journal.ts';
import {
  abandonedDirectories,
  listBottles,
  removeBottle,
  writeBottleFile,
  type KnownBottle,
} from '../state/bottles.ts';
import { markedProcesses } from '../platform/processes.ts';
import { removeTree } from '../platform/remove-tree.ts';
import { systemClock } from '../platform/clock.ts';
import { noteInHistory } from '../state/history.ts';
import { tryLock } from '../state/lock.ts';
import { bottlePaths, type BottlePaths, type HomePaths } from '../state/paths.ts';
import { recoverAudit } from './audit.ts';

/**
 * What a crash left, found by the journals and put away. An orphan whose agent had begun keeps its workspace and home
 * and becomes preserved (G-KEEP); of one that never got so far nothing stays. Of a preserved one only what a killed look
 * into it left is put away, and live ones are not touched.
 */
export const CleanupActionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('kill'), slug: z.string(), pid: z.int(), startTime: z.string() }),
  z.strictObject({ kind: z.literal('container'), slug: z.string(), engine: z.string(), container: z.string() }),
  z.strictObject({ kind: z.literal('remove'), slug: z.string(), path: z.string() }),
  z.strictObject({ kind: z.literal('preserve'), slug: z.string() }),
]);
export type CleanupAction = z.infer<typeof CleanupActionSchema>;

export interface CleanupPlan {
  readonly slug: string;
  readonly actions: readonly CleanupAction[];
}

export function planCleanup(paths: HomePaths, options: { readonly preserved: boolean }): readonly CleanupPlan[] {
  const bottles = listBottles(paths)
    .filter(({ state }) => state === 'orphan' || (options.preserved && state === 'preserved'))
    .map((bottle) => planOne(paths, bottle));
  const abandoned = abandonedDirectories(paths, systemClock.now()).map((slug): CleanupPlan => ({
    slug,
    actions: [{ kind: 'remove', slug, path: bottlePaths(paths, slug).root }],
  }));
  const looks = options.preserved ? [] : listBottles(paths).flatMap((bottle) => leftByALook(paths, bottle));
  return [...bottles, ...looks, ...abandoned];
}

/** A command that looked into a preserved bottle, or had only begun to go on with it, and was killed there. */
function leftByALook(paths: HomePaths, bottle: KnownBottle): readonly CleanupPlan[] {
  const own = bottlePaths(paths, bottle.slug);
  if (bottle.state !== 'preserved' || !fs.existsSync(own.runtime) || isInUse(own)) return [];
  const { slug, actions } = planOne(paths, bottle);
  return [{ slug, actions: actions.filter((action) => action.kind !== 'remove' || action.path !== own.root) }];
}

function isInUse({ lock }: BottlePaths): boolean {
  const held = tryLock(lock);
  held?.[Symbol.dispose]();
  return held === null;
}

function planOne(paths: HomePaths, bottle: KnownBottle): CleanupPlan {
  const { slug } = bottle;
  const own = bottlePaths(paths, slug);
  const journal = readJournal(own.journal);
  const begun = journal.some(({ step }) => step === 'agent');
  const named = journal.flatMap((entry) => processOf(slug, entry));
  const marked = markedProcesses(own.root)
    .filter((pid) => !named.some((kill) => kill.pid === pid))
    .flatMap((pid): readonly (typeof named)[number][] => {
      const startTime = startTimeOf(pid);
      return startTime === null ? [] : [{ kind: 'kill', slug, pid, startTime }];
    });
  const kills = [...named, ...marked];
  const removed = new Set(journal.map(({ detail }) => detail['removed']));
  const containers = journal
    .filter(({ detail }) => detail['container'] !== undefined && !removed.has(detail['container']))
    .flatMap((entry) => containerOf(slug, entry));
  const directories = journal.flatMap(({ detail }) => (typeof detail['cgroup'] === 'string' ? [detail['cgroup']] : []));
  const remove = (path: string): CleanupAction => ({ kind: 'remove', slug, path });
  const keep = begun && bottle.state === 'orphan';
  return {
    slug,
    actions: [
      ...kills,
      ...containers,
      ...[...directories, own.runtime].filter((path) => fs.existsSync(path)).map(remove),
      keep ? { kind: 'preserve', slug } : remove(own.root),
    ],
  };
}

function containerOf(slug: string, { detail }: JournalEntry): readonly CleanupAction[] {
  const { engine, container } = detail;
  if (typeof engine !== 'string' || typeof container !== 'string') return [];
  return [{ kind: 'container', slug, engine, container }];
}

/** A process that the journal names and that still is the same one: pids are used again, start times are not. */
function processOf(slug: string, { detail }: JournalEntry): readonly Extract<CleanupAction, { kind: 'kill' }>[] {
  const { pid, startTime } = detail;
  if (typeof pid !== 'number' || startTime === undefined) return [];
  const expected = String(startTime);
  return startTimeOf(pid) === expected ? [{ kind: 'kill', slug, pid, startTime: expected }] : [];
}

/** Field 22 of `/proc/<pid>/stat`, after the command's closing parenthesis; null when there is no such process. */
export function startTimeOf(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

export interface CleanupFailure {
  readonly action: CleanupAction;
  readonly why: string;
}

/** Performs a plan under the bottle's lock, and goes on past a failure. */
export async function performCleanup(
  paths: HomePaths,
  plan: CleanupPlan,
  { removeContainer }: CleanupDrivers,
): Promise<readonly CleanupFailure[]> {
  const own = bottlePaths(paths, plan.slug);
  const lock = tryLock(own.lock);
  // It came to life meanwhile, or somebody else has put it away.
  if (lock === null) return [];
  using held = lock;
  void held;
  const failures: CleanupFailure[] = [];
  for (const action of plan.actions) {
    // What can't be ended is not taken out of the record: a later cleanup has to find it.
    if (failures.some((failure) => failure.action.kind === 'container') && action.kind === 'remove') continue;
    try {
      if (action.kind === 'container') await removeContainer(action.engine, action.container);
      else perform(paths, action);
    } catch (failure) {
      failures.push({ action, why: failure instanceof Error ? failure.message : String(failure) });
    }
  }
  return failures;
}

/** What only a backend can put away. */
export interface CleanupDrivers {
  /** Of the engine at this unix socket, by name; one that is gone is as good. */
  readonly removeContainer: (engine: string, container: string) => Promise<void>;
}

function perform(paths: HomePaths, action: Exclude<CleanupAction, { kind: 'container' }>): void {
  switch (action.kind) {
    case 'kill':
      if (startTimeOf(action.pid) === action.startTime) process.kill(action.pid, 'SIGKILL');
      return;
    case 'remove':
      if (action.path !== bottlePaths(paths, action.slug).root) removePlace(action.path);
      else {
        recoverAudit(paths, bottlePaths(paths, action.slug), action.slug, systemClock);
        removeBottle(paths, action.slug);
        note(paths, action.slug, 'removed');
      }
      return;
    case 'preserve':
      removeTree(bottlePaths(paths, action.slug).program);
      recoverAudit(paths, bottlePaths(paths, action.slug), action.slug, systemClock);
      preserveOrphan(paths, action.slug);
      return;
  }
}

/** A cgroup directory is removed as a directory: its files are the kernel's. */
function removePlace(path: string): void {
  if (path.startsWith('/sys/fs/cgroup/')) fs.rmdirSync(path);
  else removeTree(path);
}

function note(paths: HomePaths, slug: string, outcome: 'removed' | 'crashed'): void {
  noteInHistory(paths.home, (history) => {
    history.end({ slug, outcome, exitCode: null, endedAt: systemClock.timestamp() });
  });
}

function preserveOrphan(paths: HomePaths, slug: string): void {
  const bottle = listBottles(paths).find((known) => known.slug === slug);
  if (!bottle?.file) return;
  writeBottleFile(paths, { ...bottle.file, preserved: { reason: 'crash', exitCode: null } });
  note(paths, slug, 'crashed');
}
