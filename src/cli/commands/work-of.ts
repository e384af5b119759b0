import { BottleError } from '../../kernel/errors.ts';
import { findBottle, listBottles, type BottleFile } from '../../state/bottles.ts';
import { bottlePaths, type BottlePaths } from '../../state/paths.ts';
import { tryLock, type BottleLock } from '../../state/lock.ts';
import type { CliContext } from '../context.ts';

/** A bottle that has ended with work in it, held so that nobody else resumes, delivers or removes it meanwhile. */
export interface HeldWork extends Disposable {
  readonly slug: string;
  readonly file: BottleFile;
  readonly paths: BottlePaths;
  /** The operator's directory that the workspace was made of; null when there was none. */
  readonly source: string | null;
}

export function holdWork(context: CliContext, id: string): HeldWork {
  const bottle = findBottle(listBottles(context.paths), id);
  const { slug, state, file } = bottle;
  if (state === 'live') {
    throw new BottleError('bottle_busy', {
      message: `${slug} is running; its work is looked at when it has ended`,
      hint: `bot-bottle stop ${slug}`,
    });
  }
  if (state === 'orphan' || file === null) {
    throw new BottleError('bottle_not_found', {
      message: `${slug} was left by a crash`,
      hint: 'bot-bottle cleanup   keeps its work, and then it can be looked at',
    });
  }
  const paths = bottlePaths(context.paths, slug);
  const lock: BottleLock | null = tryLock(paths.lock, LOCK_WAIT_MS);
  if (lock === null) throw new BottleError('bottle_busy', { message: `${slug} is in use by another command` });
  return {
    slug,
    file,
    paths,
    source: file.origin?.source ?? null,
    [Symbol.dispose]: () => {
      lock[Symbol.dispose]();
    },
  };
}

const LOCK_WAIT_MS = 1_000;
