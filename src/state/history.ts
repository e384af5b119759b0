import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';

/**
 * `bot-bottle.db`: which bottles there were, when they began and how they ended. What *is*, the bottles' own directories
 * say; so nothing is decided by this file, and a launch goes on without it. Written by the launcher and by `cleanup`,
 * by any number of them at once (SQLite, WAL).
 */
export const OUTCOMES = ['running', 'discarded', 'preserved', 'delivered', 'removed', 'crashed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

const RowSchema = z.strictObject({
  slug: z.string(),
  agent: z.string(),
  label: z.string().nullable(),
  backend: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  outcome: z.enum(OUTCOMES),
  /** The agent's, where it came to an end. */
  exitCode: z.int().nullable(),
});
export type PastBottle = z.infer<typeof RowSchema>;

/** How far a bottle's record is known to have come: what has less was cut (SECURITY S35). */
const HeadRowSchema = z.strictObject({ records: z.int(), hash: z.string() });
export type KnownHead = z.infer<typeof HeadRowSchema>;
export interface RecordName {
  readonly slug: string;
  readonly startedAt: string;
}

/** Each takes the file from the version before it to its own; `user_version` counts those that were applied. */
const MIGRATIONS = [
  `CREATE TABLE bottles (
     id INTEGER PRIMARY KEY,
     slug TEXT NOT NULL,
     agent TEXT NOT NULL,
     label TEXT,
     backend TEXT NOT NULL,
     started_at TEXT NOT NULL,
     ended_at TEXT,
     outcome TEXT NOT NULL,
     exit_code INTEGER
   ) STRICT;
   CREATE UNIQUE INDEX bottles_start ON bottles (slug, started_at);
   CREATE INDEX bottles_by_time ON bottles (started_at);`,
  `CREATE TABLE audit_heads (
     slug TEXT NOT NULL,
     started_at TEXT NOT NULL,
     records INTEGER NOT NULL,
     hash TEXT NOT NULL,
     PRIMARY KEY (slug, started_at)
   ) STRICT;`,
];

const BUSY_MS = 2_000;

export interface Beginning {
  readonly slug: string;
  readonly agent: string;
  readonly label: string | null;
  readonly backend: string;
  readonly startedAt: string;
}

export interface Ending {
  readonly slug: string;
  readonly outcome: Exclude<Outcome, 'running'>;
  readonly exitCode: number | null;
  readonly endedAt: string;
}

export class History implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** A file that is damaged is put aside, and a new one begun. */
  static open(home: string): History {
    const file = historyFile(home);
    try {
      return new History(openDatabase(file));
    } catch (failure) {
      if (!isDamaged(failure)) throw failure;
      for (const suffix of ['-wal', '-shm']) fs.rmSync(`${file}${suffix}`, { force: true });
      fs.renameSync(file, `${file}.damaged`);
      return new History(openDatabase(file));
    }
  }

  begin({ slug, agent, label, backend, startedAt }: Beginning): void {
    this.#database
      .prepare(
        `INSERT INTO bottles (slug, agent, label, backend, started_at, outcome) VALUES (?, ?, ?, ?, ?, 'running')
         ON CONFLICT DO NOTHING`,
      )
      .run(slug, agent, label, backend, startedAt);
  }

  /** The latest bottle of that name. */
  end({ slug, outcome, exitCode, endedAt }: Ending): void {
    this.#database
      .prepare(
        `UPDATE bottles SET outcome = ?, ended_at = ?, exit_code = coalesce(?, exit_code)
         WHERE id = (SELECT max(id) FROM bottles WHERE slug = ?)`,
      )
      .run(outcome, endedAt, exitCode, slug);
  }

  noteHead({ slug, startedAt }: RecordName, { records, hash }: KnownHead): void {
    this.#database
      .prepare(
        `INSERT INTO audit_heads (slug, started_at, records, hash) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET records = excluded.records, hash = excluded.hash
         WHERE excluded.records > records`,
      )
      .run(slug, startedAt, records, hash);
  }

  knownHead({ slug, startedAt }: RecordName): KnownHead | null {
    const row = this.#database
      .prepare('SELECT records, hash FROM audit_heads WHERE slug = ? AND started_at = ?')
      .get(slug, startedAt);
    return row === undefined ? null : HeadRowSchema.parse(row);
  }

  /** Newest first. */
  list(limit: number): readonly PastBottle[] {
    const rows = this.#database
      .prepare(
        `SELECT slug, agent, label, backend, started_at AS startedAt, ended_at AS endedAt, outcome,
                exit_code AS exitCode
         FROM bottles ORDER BY started_at DESC, id DESC LIMIT ?`,
      )
      .all(limit);
    return z.array(RowSchema).parse(rows);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** What a launch or an end notes down; what keeps it from that is nothing to stop for, and `doctor` tells it. */
export function noteInHistory(home: string, note: (history: History) => void): void {
  try {
    using history = History.open(home);
    note(history);
  } catch (failure) {
    if (!isFileFault(failure)) throw failure;
  }
}

/** Null when the file can be read and written, or is not there yet. */
export function historyProblem(home: string): string | null {
  if (!fs.existsSync(historyFile(home))) return null;
  try {
    History.open(home)[Symbol.dispose]();
    return null;
  } catch (failure) {
    if (isFileFault(failure)) return failure.message;
    throw failure;
  }
}

/** SQLite's faults and the file system's carry a code, ours too: a full disk, another's file, a newer version. */
function isFileFault(failure: unknown): failure is Error {
  return failure instanceof Error && 'code' in failure;
}

export function historyFile(home: string): string {
  return path.join(home, 'bot-bottle.db');
}

function openDatabase(file: string): DatabaseSync {
  if (!fs.existsSync(file)) fs.closeSync(fs.openSync(file, 'a', 0o600));
  const database = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    if (versionOf(database) < MIGRATIONS.length) migrate(database);
    if (versionOf(database) > MIGRATIONS.length) {
      throw new BottleError('state_invalid', {
        message: `${file} was written by a newer version of bot-bottle`,
        hint: `use that version, or move ${file} away`,
      });
    }
    return database;
  } catch (failure) {
    database.close();
    throw failure;
  }
}

/** Under the write lock: of many that begin at once, one migrates. */
function migrate(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const [at, statements] of MIGRATIONS.entries()) {
      if (versionOf(database) > at) continue;
      database.exec(`${statements} PRAGMA user_version = ${String(at + 1)}`);
    }
    database.exec('COMMIT');
  } catch (failure) {
    database.exec('ROLLBACK');
    throw failure;
  }
}

function versionOf(database: DatabaseSync): number {
  return z.object({ user_version: z.int() }).parse(database.prepare('PRAGMA user_version').get()).user_version;
}

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function isDamaged(failure: unknown): boolean {
  if (!(failure instanceof Error) || !('errcode' in failure) || typeof failure.errcode !== 'number') return false;
  return [SQLITE_CORRUPT, SQLITE_NOTADB].includes(failure.errcode & 0xff);
}
