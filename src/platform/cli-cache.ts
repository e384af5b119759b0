import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';

/** One directory of a cache, made once and then only read. */
export interface CacheEntry {
  readonly root: string;
  readonly entry: string;
  /** Looks whether a directory holds what it should. */
  readonly isComplete: (directory: string) => boolean;
  /** Fills an empty directory; it becomes the entry only if this succeeds. */
  readonly fill: (staging: string) => Promise<void>;
  /** Called once when another process is at it. */
  readonly waiting: () => void;
  readonly signal: AbortSignal;
}

const LOCK_POLL_MS = 200;
const STAGING_PREFIX = '.staging-';

/**
 * Answers the entry's directory, filling it first if need be. Readers see all of it or nothing: it is filled beside
 * its place, synced, and moved there under a lock that the kernel gives back if this process dies.
 */
export async function ensureCached(cache: CacheEntry): Promise<string> {
  const directory = path.join(cache.root, cache.entry);
  if (cache.isComplete(directory)) return directory;
  fs.mkdirSync(cache.root, { recursive: true, mode: 0o755 });
  const lock = await lockCache(cache);
  try {
    if (cache.isComplete(directory)) return directory;
    removeLeftovers(cache.root, directory);
    await fillAndMove(cache, directory);
    return directory;
  } finally {
    lock.close();
  }
}

async function fillAndMove(cache: CacheEntry, directory: string): Promise<void> {
  const staging = fs.mkdtempSync(path.join(cache.root, STAGING_PREFIX));
  try {
    await cache.fill(staging);
    if (!cache.isComplete(staging)) {
      throw new BottleError('provider_failed', { message: `what was fetched for ${cache.entry} is not complete` });
    }
    fs.chmodSync(staging, 0o755);
    for (const name of fs.readdirSync(staging)) syncFile(path.join(staging, name));
    fs.renameSync(staging, directory);
  } finally {
    fs.rmSync(staging, { recursive: true, force: true });
  }
}

/** Only under the lock: whatever is half-made here belongs to a process that is gone. */
function removeLeftovers(root: string, directory: string): void {
  for (const name of fs.readdirSync(root)) {
    if (name.startsWith(STAGING_PREFIX)) fs.rmSync(path.join(root, name), { recursive: true });
  }
  fs.rmSync(directory, { recursive: true, force: true });
}

/** After a power loss a file that was moved into place must not be shorter than it was. */
function syncFile(file: string): void {
  const fd = fs.openSync(file, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

async function lockCache(cache: CacheEntry): Promise<DatabaseSync> {
  for (let told = false; ; told = true) {
    const lock = tryLock(path.join(cache.root, '.lock'));
    if (lock !== null) return lock;
    if (!told) cache.waiting();
    if (cache.signal.aborted)
      throw new BottleError('provider_failed', { message: `waiting for ${cache.entry} was stopped` });
    await sleep(LOCK_POLL_MS);
  }
}

/** SQLite's exclusive lock, as for bottles: Node has no flock of its own, and a pid in a file can be reused. */
function tryLock(file: string): DatabaseSync | null {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return database;
  } catch (failure) {
    database.close();
    if (failure instanceof Error && 'errcode' in failure && failure.errcode === 5) return null;
    throw new BottleError('state_invalid', { message: `cannot lock ${file}`, cause: failure });
  }
}
