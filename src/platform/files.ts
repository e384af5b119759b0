import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { FileEntry, Files } from '../ports/files.ts';

export function hostFiles(operatorHome: string = os.homedir()): Files {
  return { operatorHome, exists, list, read, realPath };
}

function exists(file: string): boolean {
  return fs.existsSync(file);
}

function list(directory: string): readonly FileEntry[] | null {
  const names = absentAsNull(directory, () => fs.readdirSync(directory));
  if (names === null) return null;
  return names.sort().map((name) => ({
    name,
    isFile: fs.statSync(path.join(directory, name), { throwIfNoEntry: false })?.isFile() === true,
  }));
}

/** Opened without waiting and looked at before it is read: a FIFO or a device would hold the caller for ever. */
function read(file: string): string | null {
  const descriptor = absentAsNull(file, () => fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
  if (descriptor === null) return null;
  try {
    return decode(file, readBounded(file, descriptor));
  } finally {
    fs.closeSync(descriptor);
  }
}

function readBounded(file: string, descriptor: number): Buffer {
  const facts = fs.fstatSync(descriptor);
  if (!facts.isFile()) throw unreadable(file, 'it is not a regular file');
  if (facts.size > LIMITS.manifestBytes) {
    throw unreadable(file, `it is over ${String(LIMITS.manifestBytes / 1024)} KiB`);
  }
  return fs.readFileSync(descriptor);
}

function decode(file: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (failure) {
    if (failure instanceof TypeError) throw unreadable(file, 'it is not UTF-8 text', failure);
    throw failure;
  }
}

function realPath(file: string): string | null {
  return absentAsNull(file, () => fs.realpathSync(file));
}

function absentAsNull<Value>(file: string, act: () => Value): Value | null {
  try {
    return act();
  } catch (failure) {
    const code = failure instanceof Error && 'code' in failure ? failure.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw unreadable(file, typeof code === 'string' ? code : 'no reason given', failure);
  }
}

function unreadable(file: string, why: string, cause?: unknown): BottleError {
  return new BottleError('manifest_invalid', { message: `${file} can't be read: ${why}`, cause });
}
