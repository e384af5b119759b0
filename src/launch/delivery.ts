import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { findProgram } from '../bundle/host-facts.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { BottlePaths } from '../state/paths.ts';
import { BOXED_TREE, startInTree } from './tree-box.ts';
import { readBase, shownWork, type BaseEntry, type Work } from './work.ts';

/**
 * Work on its way home (SECURITY S1): the changed files come out of the box as a tar stream, are checked entry by entry,
 * and are laid down in a directory of ours. Only from there, and only by name, do they go to the operator's directory.
 */
export interface StagedFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly kind: 'file' | 'link' | 'directory';
  /** Of a link: what it says. */
  readonly target: string | null;
  readonly mode: number;
}

export interface Staging extends Disposable {
  readonly directory: string;
  readonly files: readonly StagedFile[];
}

/** Entries that a tree of work may have and a delivery may not; they stay behind and are named. */
export interface LeftBehind {
  readonly path: string;
  readonly why: string;
}

/** Git's own directory never comes home as files: its commits come as a bundle that is checked. */
export function comesAsFile(name: string): boolean {
  return !name.split('/').some((segment) => segment.toLowerCase() === '.git');
}

export async function stageWork(paths: BottlePaths, work: Work): Promise<Staging> {
  const directory = path.join(paths.root, 'delivery');
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { mode: 0o700 });
  const wanted = work.changed.filter(({ path: name, kind }) => kind !== 'other' && comesAsFile(name));
  const files =
    wanted.length === 0
      ? []
      : await receive(
          paths,
          wanted.map((entry) => entry.path),
          directory,
        );
  return {
    directory,
    files,
    [Symbol.dispose]: () => {
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

const TAR = ['--create', '--format=pax', '--hard-dereference', '--no-recursion', '--null', '--verbatim-files-from'];

async function receive(
  paths: BottlePaths,
  names: readonly string[],
  directory: string,
): Promise<readonly StagedFile[]> {
  const child = startInTree(
    {
      argv: [findProgram('tar') ?? 'tar', ...TAR, '--file=-', '--files-from=-'],
      cwd: BOXED_TREE.workspace,
      show: shownWork(paths),
      stdin: names.map((name) => `${name}\0`).join(''),
    },
    paths,
  );
  let words = '';
  child.stderr?.on('data', (block: Buffer) => {
    words = `${words}${block.toString('utf8')}`.slice(-LIMITS.toolOutputBytes);
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  if (child.stdout === null) throw new BottleError('workspace_invalid', { message: 'the work can’t be read' });
  const files: StagedFile[] = [];
  const reader = extract();
  const wanted = new Set(names);
  let receivedBytes = 0;
  reader.on('entry', (header, stream, next) => {
    const proceed = async (): Promise<void> => {
      const file = checkEntry(header, wanted);
      receivedBytes += header.size;
      if (receivedBytes > LIMITS.deliveryBytes || files.length >= LIMITS.deliveryEntries) throw tooMuch();
      files.push(file);
      if (file.kind === 'file') {
        const place = path.join(directory, nameOfStaged(file.path));
        await pipeline(stream, fs.createWriteStream(place, { flags: 'wx', mode: 0o600 }));
      } else stream.resume();
    };
    proceed().then(
      () => {
        next();
      },
      (failure: unknown) => {
        reader.destroy(failure instanceof Error ? failure : undefined);
      },
    );
  });
  try {
    await pipeline(child.stdout, reader);
  } catch (failure) {
    child.kill('SIGKILL');
    if (failure instanceof BottleError) throw failure;
    throw new BottleError('workspace_invalid', { message: 'the work came out of its box broken off', cause: failure });
  }
  const status = await closed;
  if (status === 0) return files;
  throw new BottleError('workspace_invalid', {
    message: `the work can't be read: ${words.trim() || 'no reason given'}`,
  });
}

/** Names of the agent's are no names of files of ours. */
export function nameOfStaged(name: string): string {
  return crypto.hash('sha256', name, 'hex');
}

/** What a tar of ours can hold, and nothing else: asked for, inside, a file, a directory or a link that stays inside. */
export function checkEntry(header: Header, wanted: ReadonlySet<string>): StagedFile {
  const name = header.name.replace(/\/$/, '');
  const mode = header.mode & 0o777;
  if (!wanted.has(name) || !isInside(name)) throw refused(name, 'it is not what was asked for');
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      return { path: name, kind: 'file', target: null, mode };
    case 'directory':
      return { path: name, kind: 'directory', target: null, mode };
    case 'symlink': {
      const target = header.linkname;
      if (!linkStaysInside(name, target)) throw refused(name, `it is a link that leads out, to ${target}`);
      return { path: name, kind: 'link', target, mode: 0o777 };
    }
    default:
      throw refused(name, `it is a ${header.type}`);
  }
}

export function isInside(name: string): boolean {
  return (
    name !== '' &&
    !name.startsWith('/') &&
    !name.includes('\0') &&
    !name.split('/').some((s) => s === '..' || s === '.' || s === '')
  );
}

/** By its words alone: where it would lead if no directory on the way were itself a link. */
export function linkStaysInside(name: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  let depth = name.split('/').length - 1;
  for (const segment of target.split('/')) {
    if (segment === '..') depth -= 1;
    else if (segment !== '.' && segment !== '') depth += 1;
    if (depth < 0) return false;
  }
  return true;
}

function refused(name: string, why: string): BottleError {
  return new BottleError('workspace_invalid', {
    message: `${name} can't come home: ${why}`,
    hint: 'remove it in the bottle:  bot-bottle resume SLUG',
  });
}

function tooMuch(): BottleError {
  return new BottleError('workspace_invalid', {
    message: `the work is over ${String(LIMITS.deliveryBytes / 1024 ** 3)} GiB or ${String(LIMITS.deliveryEntries)} files`,
  });
}

/** One thing that a delivery does to the operator's directory. */
export type DeliveryAction =
  { readonly kind: 'write'; readonly file: StagedFile } | { readonly kind: 'delete'; readonly path: string };

export interface DeliveryPlan {
  readonly actions: readonly DeliveryAction[];
  /** The operator changed these too since the start; they are left as they are. */
  readonly conflicts: readonly string[];
}

/** Looks at the operator's own directory, never at the agent's. */
export function planDelivery(paths: BottlePaths, work: Work, staging: Staging, target: string): DeliveryPlan {
  const base = readBase(paths);
  const conflicts: string[] = [];
  const actions: DeliveryAction[] = [];
  for (const file of staging.files) {
    if (isHomeAlready(staging, file, target)) continue;
    if (file.kind !== 'directory' && movedOn(target, file.path, base.get(file.path))) conflicts.push(file.path);
    else if (!hasRealParents(target, file.path)) conflicts.push(file.path);
    else actions.push({ kind: 'write', file });
  }
  for (const name of work.deleted.filter(comesAsFile)) {
    const before = base.get(name);
    if (fs.lstatSync(path.join(target, name), { throwIfNoEntry: false }) === undefined) continue;
    if (!hasRealParents(target, name) || (before?.kind !== 'directory' && movedOn(target, name, before)))
      conflicts.push(name);
    else actions.push({ kind: 'delete', path: name });
  }
  // Directories before what is in them; what is deleted goes from the innermost out.
  const order = ({ kind, ...rest }: DeliveryAction): number => (kind === 'write' && 'file' in rest ? 0 : 1);
  actions.sort((left, right) => order(left) - order(right) || compare(left, right));
  return { actions, conflicts };
}

function compare(left: DeliveryAction, right: DeliveryAction): number {
  if (left.kind === 'write' && right.kind === 'write') return left.file.path < right.file.path ? -1 : 1;
  if (left.kind === 'delete' && right.kind === 'delete') return left.path > right.path ? -1 : 1;
  return 0;
}

/** The operator's entry is no longer what the workspace was made of. */
function movedOn(target: string, name: string, before: BaseEntry | undefined): boolean {
  const now = fs.lstatSync(path.join(target, name), { throwIfNoEntry: false });
  if (before === undefined) return now !== undefined;
  if (now === undefined) return true;
  const kind = now.isSymbolicLink() ? 'link' : now.isDirectory() ? 'directory' : 'file';
  if (kind !== before.kind) return true;
  return kind === 'file' && (now.size !== before.size || Math.abs(now.mtimeMs - before.mtimeMs) >= 1);
}

/** Delivered before, by a delivery that was broken off. */
function isHomeAlready(staging: Staging, file: StagedFile, target: string): boolean {
  const place = path.join(target, file.path);
  const now = fs.lstatSync(place, { throwIfNoEntry: false });
  if (now === undefined) return false;
  switch (file.kind) {
    case 'directory':
      return now.isDirectory();
    case 'link':
      return now.isSymbolicLink() && fs.readlinkSync(place) === file.target;
    case 'file':
      return (
        now.isFile() &&
        fs.readFileSync(place).equals(fs.readFileSync(path.join(staging.directory, nameOfStaged(file.path)))) &&
        (now.mode & 0o111) === (file.mode & 0o111)
      );
  }
}

/** No link on the way, of the operator's or one that was delivered: what is written lands below the target. */
function hasRealParents(target: string, name: string): boolean {
  const segments = name.split('/').slice(0, -1);
  return segments.every((_, index) => {
    const facts = fs.lstatSync(path.join(target, ...segments.slice(0, index + 1)), { throwIfNoEntry: false });
    return facts === undefined || facts.isDirectory();
  });
}

/** Each file is written beside its place and renamed over it: whoever looks meanwhile sees the old or the new, whole. */
export function performDelivery(plan: DeliveryPlan, staging: Staging, target: string): void {
  for (const action of plan.actions) {
    if (action.kind === 'delete') remove(path.join(target, action.path));
    else put(action.file, staging, target);
  }
}

function put(file: StagedFile, staging: Staging, target: string): void {
  const place = path.join(target, file.path);
  fs.mkdirSync(path.dirname(place), { recursive: true });
  const now = fs.lstatSync(place, { throwIfNoEntry: false });
  if (file.kind === 'directory') {
    if (now !== undefined && !now.isDirectory()) fs.rmSync(place);
    fs.mkdirSync(place, { recursive: true });
    return;
  }
  if (now?.isDirectory() === true) fs.rmdirSync(place);
  const temporary = `${place}.bot-bottle-new`;
  fs.rmSync(temporary, { force: true });
  if (file.kind === 'link') fs.symlinkSync(file.target ?? '', temporary);
  else {
    fs.copyFileSync(path.join(staging.directory, nameOfStaged(file.path)), temporary);
    fs.chmodSync(temporary, file.mode | 0o600);
  }
  fs.renameSync(temporary, place);
}

function remove(place: string): void {
  const facts = fs.lstatSync(place, { throwIfNoEntry: false });
  if (facts === undefined) return;
  if (!facts.isDirectory()) fs.rmSync(place);
  else if (fs.readdirSync(place).length === 0) fs.rmdirSync(place);
}
