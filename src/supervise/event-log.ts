import fs from 'node:fs';
import type { z } from 'zod';
import { KiB } from '../kernel/limits.ts';
import { decodeJson } from '../schema/json.ts';

/**
 * A file of JSON lines that several processes append to, and any of which may be killed in the middle of a line. Each
 * line begins with a line's end of its own, so that half a line never swallows the next; what is no event is passed over.
 * Links are not followed: the directory may be another user's.
 */
const NEW_FILE = 0o644;
const NO_LINK = fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;
/** Of one log; a proposal that was asked more often is not read further. */
const LOG_BYTES = 256 * KiB;

export function appendEvent(file: string, event: unknown): void {
  const descriptor = fs.openSync(
    file,
    fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT | NO_LINK,
    NEW_FILE,
  );
  try {
    writeWhole(descriptor, `\n${JSON.stringify(event)}\n`);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Made whole or not at all, and once: false when the file is there already. */
export function createLog(file: string, event: unknown): boolean {
  const temporary = `${file}.${String(process.pid)}.new`;
  const descriptor = fs.openSync(temporary, 'w', NEW_FILE);
  try {
    writeWhole(descriptor, `${JSON.stringify(event)}\n`);
  } finally {
    fs.closeSync(descriptor);
  }
  try {
    fs.linkSync(temporary, file);
    return true;
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'EEXIST') return false;
    throw failure;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

export function readLog<Schema extends z.ZodType>(file: string, schema: Schema): readonly z.output<Schema>[] {
  const text = readBounded(file);
  if (text === null) return [];
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole.split('\n').flatMap((line) => {
    if (line === '') return [];
    const event = decodeJson(schema, line);
    return event.ok ? [event.value] : [];
  });
}

/** Null for what is not there, or is no plain file. */
function readBounded(file: string): string | null {
  const descriptor = openOrNull(file);
  if (descriptor === null) return null;
  try {
    if (!fs.fstatSync(descriptor).isFile()) return null;
    const bytes = Buffer.alloc(LOG_BYTES);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = fs.readSync(descriptor, bytes, length, bytes.length - length, length);
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    fs.closeSync(descriptor);
  }
}

function openOrNull(file: string): number | null {
  try {
    return fs.openSync(file, fs.constants.O_RDONLY | NO_LINK);
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && (failure.code === 'ENOENT' || failure.code === 'ELOOP'))
      return null;
    throw failure;
  }
}

function writeWhole(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) written += fs.writeSync(descriptor, bytes, written);
  fs.fsyncSync(descriptor);
}
