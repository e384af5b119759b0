import fs from 'node:fs';
import { BottleError } from '../../kernel/errors.ts';
import { pollUntil } from '../../launch/readiness.ts';
import { findBottle, listBottles, type KnownBottle } from '../../state/bottles.ts';
import { bottlePaths } from '../../state/paths.ts';
import { tryLock } from '../../state/lock.ts';
import { HURRY_SIGNAL, type CliContext } from '../context.ts';
import { runningBottle } from './running.ts';

/** Longer than drain, TERM, grace and KILL together. */
const STOP_DEADLINE_MS = 30_000;

export interface StopOptions {
  readonly all: boolean;
  /** The agent gets no time to end by itself. */
  readonly now: boolean;
  readonly json: boolean;
}

/** Asks the launchers to end their bottles in order, all at once, and waits until they have. */
export async function stopBottles(context: CliContext, ids: readonly string[], options: StopOptions): Promise<number> {
  if (options.all === ids.length > 0) {
    throw new BottleError('usage', {
      message: options.all ? 'either --all or names, not both' : 'stop which?',
      hint: 'bot-bottle list active',
    });
  }
  const bottles = listBottles(context.paths);
  // All are found before any is stopped: a name that is wrong stops nothing.
  const wanted = options.all ? bottles.filter(isRunning) : [...new Set(ids.map((id) => findBottle(bottles, id)))];
  const running = wanted.map((bottle) => runningBottle(bottle));
  await Promise.all(running.map((bottle) => stop(context, bottle, options)));
  const slugs = running.map(({ slug }) => slug);
  if (options.json) context.terminal.result(JSON.stringify({ stopped: slugs }));
  else if (slugs.length === 0) context.terminal.say('no bottles are running');
  else for (const slug of slugs) context.terminal.say(`${slug} stopped`);
  return 0;
}

function isRunning({ state, file }: KnownBottle): boolean {
  return state === 'live' && file !== null;
}

async function stop(
  context: CliContext,
  { slug, file }: ReturnType<typeof runningBottle>,
  { now }: StopOptions,
): Promise<void> {
  const { lock, root } = bottlePaths(context.paths, slug);
  context.signalProcess(file.launcherPid, now ? HURRY_SIGNAL : 'SIGTERM');
  await pollUntil(`the end of ${slug}`, STOP_DEADLINE_MS, () => (isReleased(lock, root) ? true : null));
}

function isReleased(lock: string, root: string): boolean {
  if (!fs.existsSync(root)) return true;
  const taken = tryLock(lock);
  taken?.[Symbol.dispose]();
  return taken !== null;
}
