import { DatabaseSync } from 'node:sqlite';
import { BottleError } from '../kernel/errors.ts';

/**
 * *Live* means: the launcher holds this lock. It is SQLite's exclusive lock on a file of its own, which the kernel
 * gives back when the process ends, however it ends; Node has no flock of its own, and a pid in a file can be reused.
 */
export interface BottleLock extends Disposable {
  readonly file: string;
}

/** Takes the lock or answers null when another process still has it after `waitMs`. */
export function tryLock(file: string, waitMs = 0): BottleLock | null {
  const database = new DatabaseSync(file, { timeout: waitMs });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (failure) {
    database.close();
    if (isBusy(failure)) return null;
    throw new BottleError('state_invalid', { message: `cannot lock ${file}`, cause: failure });
  }
  return {
    file,
    [Symbol.dispose]: () => {
      database.close();
    },
  };
}

function isBusy(failure: unknown): boolean {
  return failure instanceof Error && 'errcode' in failure && failure.errcode === 5;
}
