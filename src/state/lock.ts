import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BottleError } from '../kernel/errors.ts';

/**
 * *Live* means: the launcher holds this lock. It is SQLite's exclusive lock on a file of its own, which the kernel
 * gives back when the process ends, however it ends; Node has no flock of its own, and a pid in a file can be reused.
 */
export interface BottleLock extends Disposable {
  readonly file: string;
}

/**
 * Takes the lock or answers null when another process still has it after `waitMs`, or has had it and taken the file
 * away meanwhile: what is locked then is nothing that anybody else sees.
 */
export function tryLock(file: string, waitMs = 0): BottleLock | null {
  const database = openLock(file, waitMs);
  if (database === null) return null;
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (failure) {
    database.close();
    if (isBusy(failure) || !hasDirectory(file)) return null;
    throw new BottleError('state_invalid', { message: `cannot lock ${file}`, cause: failure });
  }
  if (!fs.existsSync(file)) {
    database.close();
    return null;
  }
  return {
    file,
    [Symbol.dispose]: () => {
      database.close();
    },
  };
}

/** Null when the bottle's directory is there no more. */
function openLock(file: string, waitMs: number): DatabaseSync | null {
  try {
    return new DatabaseSync(file, { timeout: waitMs });
  } catch (failure) {
    if (!hasDirectory(file)) return null;
    throw new BottleError('state_invalid', { message: `cannot lock ${file}`, cause: failure });
  }
}

const hasDirectory = (file: string): boolean => fs.existsSync(path.dirname(file));

function isBusy(failure: unknown): boolean {
  return failure instanceof Error && 'errcode' in failure && failure.errcode === 5;
}
