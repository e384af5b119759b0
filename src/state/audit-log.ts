import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { MiB } from '../kernel/limits.ts';
import { appendToChain, EMPTY_CHAIN, signedText, type ChainHead } from '../protocol/audit-chain.ts';
import type { Clock } from '../ports/clock.ts';
import { sha256, type AuditKey } from '../platform/audit-keys.ts';
import type { AuditBody, AuditKind } from '../schema/audit.ts';
import { auditParts, checkAudit } from './audit-verdict.ts';

/**
 * The one writer of a bottle's tamper-evident record (SECURITY S35): numbers, links and signs. A line is in the kernel
 * when `append` returns, and on the disk within a second; at once for `appendSynced` and the seal.
 */
export interface AuditLogParts {
  /** Holds nothing but this record's parts. */
  readonly directory: string;
  readonly key: AuditKey;
  readonly clock: Clock;
  /** A part that has reached this is followed by the next one. */
  readonly partBytes?: number;
}

export interface AuditStart {
  readonly slug: string;
  readonly startedAt: string;
  /** How many lines of the gateway's file belong to an earlier record. */
  readonly from: number;
}

const PART_BYTES = 64 * MiB;
/** What a power failure can take (SECURITY S35). */
const SYNC_INTERVAL_MS = 1_000;

export class AuditLog {
  readonly #parts: AuditLogParts;
  #head: ChainHead;
  #part: number;
  #partBytes: number;
  #descriptor: number;
  #syncTimer: NodeJS.Timeout | null = null;
  #tornBytes = 0;
  #closed = false;

  private constructor(parts: AuditLogParts, head: ChainHead, part: number) {
    this.#parts = parts;
    this.#head = head;
    this.#part = part;
    this.#descriptor = this.#open(part);
    this.#partBytes = fs.fstatSync(this.#descriptor).size;
  }

  static create(parts: AuditLogParts, { slug, startedAt, from }: AuditStart): AuditLog {
    fs.mkdirSync(parts.directory, { recursive: true, mode: 0o700 });
    const log = new AuditLog(parts, EMPTY_CHAIN, 1);
    const { keyId, publicKey } = parts.key;
    log.append('opened', { version: 1, slug, startedAt, keyId, publicKey, from });
    return log;
  }

  /**
   * Goes on with a record whose writer was killed: a last line that was cut short is taken away, and the seal will say
   * so. Null when there is nothing to go on with: it is sealed, or it was tampered with, which nobody mends.
   */
  static reopen(
    parts: AuditLogParts,
  ): { readonly log: AuditLog; readonly from: number; readonly spooled: number } | null {
    const { verdict, state, spooled } = checkAudit(parts.directory);
    if (verdict.kind !== 'open' || state.opened === null) return null;
    const files = auditParts(parts.directory);
    const last = files.at(-1) ?? '';
    if (verdict.tornBytes > 0) fs.truncateSync(last, fs.statSync(last).size - verdict.tornBytes);
    const log = new AuditLog(parts, verdict.head, files.length);
    log.#tornBytes = verdict.tornBytes;
    return { log, from: state.opened.from, spooled };
  }

  get head(): ChainHead {
    return this.#head;
  }

  /** Throws when it can't be written: what it would say must then not happen. */
  append(kind: AuditKind, body: AuditBody): void {
    this.#rotateIfFull();
    this.#write(kind, body);
  }

  /** On the disk when it returns; for what a person decided. */
  appendSynced(kind: AuditKind, body: AuditBody): void {
    this.append(kind, body);
    fs.fsyncSync(this.#descriptor);
  }

  /** Signs all that is there; a record that is cut short later is known to have been longer. */
  signHead(): void {
    this.#rotateIfFull();
    this.#write('head', { signature: this.#parts.key.sign(signedText('head', this.#head)) });
  }

  /** The last record there is. */
  seal(how: 'ended' | 'recovered'): void {
    if (this.#closed) return;
    const { records } = this.#head;
    const signature = this.#parts.key.sign(signedText('sealed', this.#head));
    this.#write('sealed', { records, how, tornBytes: this.#tornBytes, signature });
    fs.fsyncSync(this.#descriptor);
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    fs.closeSync(this.#descriptor);
  }

  #write(kind: AuditKind, body: AuditBody): void {
    if (this.#closed) throw new BottleError('audit_invalid', { message: 'the record is closed' });
    const next = appendToChain(this.#head, { at: this.#parts.clock.timestamp(), kind, body }, sha256);
    const bytes = Buffer.from(`${next.line}\n`);
    try {
      for (let written = 0; written < bytes.length;) written += fs.writeSync(this.#descriptor, bytes, written);
    } catch (failure) {
      // Half a line would break the chain for whoever reads it.
      fs.ftruncateSync(this.#descriptor, this.#partBytes);
      throw new BottleError('audit_invalid', { message: "the record can't be written", cause: failure });
    }
    this.#head = next.head;
    this.#partBytes += bytes.length;
    this.#syncSoon();
  }

  #syncSoon(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = null;
      if (!this.#closed) fs.fsync(this.#descriptor, this.#synced);
    }, SYNC_INTERVAL_MS).unref();
  }

  /** A disk that lost what it took: nothing more is recorded, and so nothing more is decided. */
  readonly #synced = (failure: Error | null): void => {
    if (failure !== null) this.close();
  };

  #rotateIfFull(): void {
    if (this.#partBytes < (this.#parts.partBytes ?? PART_BYTES)) return;
    fs.fsyncSync(this.#descriptor);
    fs.closeSync(this.#descriptor);
    this.#part += 1;
    this.#descriptor = this.#open(this.#part);
    this.#partBytes = 0;
    this.#write('continued', { part: this.#part });
  }

  #open(part: number): number {
    const file = path.join(this.#parts.directory, `${String(part).padStart(4, '0')}.jsonl`);
    return fs.openSync(file, 'a', 0o600);
  }
}
