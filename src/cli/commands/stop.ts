import fs from 'node:fs';
import { BottleError } from '../../kernel/errors.ts';
import { pollUntil } from '../../launch/readiness.ts';
import { findBottle, listBottles } from '../../state/bottles.ts';
import { bottlePaths } from '../../state/paths.ts';
import { tryLock } from '../../state/lock.ts';
import type { CliContext } from '../context.ts';

/** Longer than drain, TERM, grace and KILL together. */
const STOP_DEADLINE_MS = 30_000;

/** Asks the launcher to end its bottle in order, and waits until it has. */
export async function stopBottle(context: CliContext, id: string): Promise<number> {
  const bottle = findBottle(listBottles(context.paths), id);
  if (bottle.state !== 'live' || bottle.file === null) {
    throw new BottleError('bottle_not_found', {
      message: `${bottle.slug} is not running (${bottle.state})`,
      hint: bottle.state === 'orphan' ? 'bot-bottle cleanup' : 'bot-bottle list active',
    });
  }
  const { lock, root } = bottlePaths(context.paths, bottle.slug);
  context.signalProcess(bottle.file.launcherPid, 'SIGTERM');
  await pollUntil(`the end of ${bottle.slug}`, STOP_DEADLINE_MS, () => (isReleased(lock, root) ? true : null));
  context.terminal.say(`${bottle.slug} stopped`);
  return 0;
}

function isReleased(lock: string, root: string): boolean {
  if (!fs.existsSync(root)) return true;
  const taken = tryLock(lock);
  taken?.[Symbol.dispose]();
  return taken !== null;
}
