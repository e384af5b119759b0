import fs from 'node:fs';
import { BottleError } from '../kernel/errors.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Clock } from '../ports/clock.ts';
import { openAuditKey, sha256 } from '../platform/audit-keys.ts';
import { LineTail } from '../platform/line-tail.ts';
import { AuditBodySchema, type AuditBody } from '../schema/audit.ts';
import { decodeJson } from '../schema/json.ts';
import { AuditLog } from '../state/audit-log.ts';
import { auditDirectory, listAudits } from '../state/audit-places.ts';
import { noteInHistory, type RecordName } from '../state/history.ts';
import type { BottlePaths, HomePaths } from '../state/paths.ts';

/**
 * The writer of a bottle's record. What the gateway decides it writes itself, before the effect, into a file of its
 * own; the launcher, which no byte from bottle or network reaches, takes each line over into the chain a moment later.
 * So the gateway waits for nobody, and a gateway that was taken over can't rewrite what the chain already has.
 */
export interface AuditParts {
  readonly home: HomePaths;
  readonly slug: string;
  readonly paths: BottlePaths;
  readonly clock: Clock;
  readonly onProblem: (why: string) => void;
}

export interface BottleAudit {
  /** Written and on the disk when it returns; what it tells must not happen if it throws. */
  operator(body: AuditBody): void;
  event(body: AuditBody): void;
}

const FOLLOW_MS = 200;
/** So many lines, and then the launcher's other work has its turn. */
const LINES_PER_TURN = 2_000;
const NEXT_TURN_MS = 5;
const HEAD_INTERVAL_MS = 1_000;
const SIGN_INTERVAL_MS = 60_000;

export function keepAudit(parts: AuditParts, scope: Scope): BottleAudit {
  const keeper = new Keeper(parts);
  scope.defer('audit', () => {
    keeper.end();
  });
  return keeper;
}

class Keeper implements BottleAudit {
  readonly #parts: AuditParts;
  readonly #name: RecordName;
  readonly #log: AuditLog;
  readonly #spool: Spool;
  #timer: NodeJS.Timeout | null = null;
  #notedAt = 0;
  #noted = 0;
  #signedAt: number;

  constructor(parts: AuditParts) {
    const { home, slug, paths, clock } = parts;
    this.#parts = parts;
    this.#name = { slug, startedAt: clock.timestamp() };
    this.#spool = new Spool(paths.record);
    const from = this.#spool.skipAll();
    this.#log = AuditLog.create(
      { directory: auditDirectory(home, slug, this.#name.startedAt), key: openAuditKey(home.home), clock },
      { ...this.#name, from },
    );
    this.#signedAt = clock.monotonic();
    this.#later(FOLLOW_MS);
  }

  operator(body: AuditBody): void {
    this.#log.appendSynced('operator', body);
  }

  event(body: AuditBody): void {
    this.#log.append('event', body);
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      this.#spool.moveInto(this.#log, Infinity);
      this.#log.seal('ended');
      this.#noteHead();
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      this.#parts.onProblem(`the record could not be sealed: ${failure.message}`);
    } finally {
      this.#spool[Symbol.dispose]();
      this.#log.close();
    }
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#follow();
    }, ms);
    this.#timer.unref();
  }

  /** What can't be written now is tried again; the gateway's own file has it meanwhile. */
  #follow(): void {
    let more = false;
    try {
      more = this.#spool.moveInto(this.#log, LINES_PER_TURN);
      this.#mark();
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      this.#parts.onProblem(failure.message);
    }
    this.#later(more ? NEXT_TURN_MS : FOLLOW_MS);
  }

  #mark(): void {
    const now = this.#parts.clock.monotonic();
    if (this.#log.head.records === this.#noted) return;
    if (now - this.#signedAt >= SIGN_INTERVAL_MS) {
      this.#signedAt = now;
      this.#log.signHead();
    }
    if (now - this.#notedAt < HEAD_INTERVAL_MS) return;
    this.#notedAt = now;
    this.#noteHead();
  }

  #noteHead(): void {
    const { head } = this.#log;
    this.#noted = head.records;
    noteInHistory(this.#parts.home.home, (history) => {
      history.noteHead(this.#name, head);
    });
  }
}

/** The gateway's own file, line by line. */
class Spool implements Disposable {
  readonly #tail: LineTail;
  #lines: Iterator<string, unknown> | null = null;
  /** Read, and not yet in the chain. */
  #waiting: string | null = null;

  constructor(file: string) {
    this.#tail = new LineTail(file);
  }

  /** Lines that are there already. */
  skipAll(): number {
    return [...this.#tail.lines()].length;
  }

  skip(count: number): void {
    for (let skipped = 0; skipped < count; skipped += 1) if (this.#next() === null) return;
  }

  /** True when there is more. */
  moveInto(log: AuditLog, limit: number): boolean {
    for (let moved = 0; moved < limit; moved += 1) {
      this.#waiting ??= this.#next();
      if (this.#waiting === null) return false;
      appendLine(log, this.#waiting);
      this.#waiting = null;
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#tail[Symbol.dispose]();
  }

  #next(): string | null {
    this.#lines ??= this.#tail.lines();
    const next = this.#lines.next();
    if (next.done !== true) return next.value;
    this.#lines = null;
    return null;
  }
}

/** A gateway that was killed may have left half a line. */
function appendLine(log: AuditLog, line: string): void {
  const body = decodeJson(AuditBodySchema, line);
  if (body.ok) log.append('decision', body.value);
  else log.append('unreadable', { bytes: Buffer.byteLength(line), sha256: sha256(line) });
}

/**
 * The newest record of a bottle whose launcher was killed: what the gateway wrote last is taken over, and it is sealed.
 * The caller holds the bottle's lock. What was tampered with is left as it is, for `audit verify` to tell.
 */
export function recoverAudit(home: HomePaths, paths: BottlePaths, slug: string, clock: Clock): void {
  const directory = listAudits(home, slug).at(-1);
  if (directory === undefined || !fs.existsSync(paths.record)) return;
  const reopened = AuditLog.reopen({ directory, key: openAuditKey(home.home), clock });
  if (reopened === null) return;
  using spool = new Spool(paths.record);
  const { log, from, spooled } = reopened;
  spool.skip(from + spooled);
  spool.moveInto(log, Infinity);
  log.seal('recovered');
}
