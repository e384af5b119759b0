import { closeSync, fstatSync, fsync, openSync, readSync, writeSync } from 'node:fs';
import { err, ok, type Result } from '../kernel/result.ts';
import type { AuditSink } from '../ports/audit-sink.ts';

/** At most one fsync in this time while there is something to write through (SECURITY S35: loss on power failure). */
const FLUSH_INTERVAL_MS = 1_000;

const SHARED_BYTES = 16 * 1024;

/** The descriptor is a pipe or a terminal. */
const NOTHING_TO_SYNC = 'EINVAL';

/** The record on a descriptor that was opened for appending; the descriptor stays the opener's. */
export function createRecordFile(fd: number): AuditSink {
  /** Most lines fit: each is written before the next is asked for. */
  const shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
  let torn = false;
  let timer: NodeJS.Timeout | null = null;
  /** Once the disk has lost what it took, nothing more is recorded here, and so nothing more is let through. */
  let lost: string | null = null;

  const flushSoon = (): void => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      fsync(fd, (failure) => {
        if (failure !== null && failure.code !== NOTHING_TO_SYNC) lost = failure.message;
      });
    }, FLUSH_INTERVAL_MS);
    timer.unref();
  };

  return {
    append(line: string): Result<void, string> {
      if (lost !== null) return err(lost);
      // A line that was cut short is closed off first, so that it cannot swallow the next one.
      const text = torn ? `\n${line}\n` : `${line}\n`;
      const bytes = text.length * 3 <= shared.length ? shared : Buffer.from(text);
      const length = bytes === shared ? shared.write(text) : bytes.length;
      let written = 0;
      try {
        while (written < length) written += writeSync(fd, bytes, written, length - written);
      } catch (failure) {
        torn ||= written > 0;
        return err(failure instanceof Error ? failure.message : String(failure));
      }
      torn = false;
      flushSoon();
      return ok(undefined);
    },
    flush: () =>
      new Promise((resolve, reject) => {
        if (timer !== null) clearTimeout(timer);
        timer = null;
        fsync(fd, (failure) => {
          if (failure === null || failure.code === NOTHING_TO_SYNC) resolve();
          else reject(failure);
        });
      }),
  };
}

const NEWLINE = 0x0a;

/**
 * A writer that was killed may have left half a line. Its successor, which may only append, would go on in that very
 * line; so whoever starts it ends the line first.
 */
export function endTornLine(path: string): void {
  const fd = openSync(path, 'a+');
  try {
    const { size } = fstatSync(fd);
    const last = Buffer.alloc(1);
    if (size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE) writeSync(fd, '\n');
  } finally {
    closeSync(fd);
  }
}
