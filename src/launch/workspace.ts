import fs from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';
import { MiB } from '../kernel/limits.ts';
import { quietGit } from './quiet-git.ts';
import type { BaseEntry } from './work.ts';

/**
 * Makes the workspace *before* the agent runs: the source is the operator's own, so the host may walk it here, and the
 * tree that comes of it never again afterwards (SECURITY S1).
 */
export interface CopyBounds {
  /** Left out wherever it lies below the source: our own home, which holds every bottle's state. */
  readonly exclude: string;
  /** Relative paths that stay behind: what the source's .gitignore ignores. */
  readonly without: ReadonlySet<string>;
}

/** Regular files, directories and links only; set-id bits are dropped. Answers what is there now. */
export async function copyWorkspace(
  source: string,
  target: string,
  bounds: CopyBounds,
  signal: AbortSignal,
): Promise<readonly BaseEntry[]> {
  fs.mkdirSync(target, { recursive: true, mode: 0o700 });
  const copy = { bounds, signal, entries: [], heardAt: performance.now() };
  await copyDirectory({ source, target, below: '' }, copy);
  return copy.entries;
}

interface Place {
  readonly source: string;
  readonly target: string;
  readonly below: string;
}

interface Copy {
  readonly bounds: CopyBounds;
  readonly signal: AbortSignal;
  readonly entries: BaseEntry[];
  /** When somebody else last had a turn. */
  heardAt: number;
}

/** A large tree takes long, and somebody may want it stopped: so often, signals are heard. */
const TURN_EVERY_MS = 50;
/** From this size on a file may be more than a moment's work, and is copied beside everything else. */
const LARGE_FILE_BYTES = 16 * MiB;

async function copyDirectory({ source, target, below }: Place, copy: Copy): Promise<void> {
  const { bounds, entries } = copy;
  for (const entry of fs.readdirSync(source, { withFileTypes: true })) {
    const from = path.join(source, entry.name);
    const to = path.join(target, entry.name);
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (from === bounds.exclude || bounds.without.has(name)) continue;
    if (performance.now() - copy.heardAt > TURN_EVERY_MS) await hear(copy);
    if (entry.isSymbolicLink()) {
      fs.symlinkSync(fs.readlinkSync(from), to);
      entries.push(baseEntry(name, 'link', fs.lstatSync(from)));
    } else if (entry.isDirectory()) {
      fs.mkdirSync(to, { mode: 0o700 });
      entries.push(baseEntry(name, 'directory', fs.lstatSync(from)));
      await copyDirectory({ source: from, target: to, below: name }, copy);
      keepModeAndTimes(from, to);
    } else if (entry.isFile()) {
      if (fs.statSync(from).size < LARGE_FILE_BYTES) fs.copyFileSync(from, to, fs.constants.COPYFILE_FICLONE);
      else await fs.promises.copyFile(from, to, fs.constants.COPYFILE_FICLONE);
      entries.push(baseEntry(name, 'file', keepModeAndTimes(from, to)));
    }
  }
}

async function hear(copy: Copy): Promise<void> {
  await setImmediate();
  copy.heardAt = performance.now();
  if (copy.signal.aborted)
    throw new BottleError('launch_failed', { message: 'stopped while the workspace was copied' });
}

function baseEntry(name: string, kind: BaseEntry['kind'], facts: fs.Stats): BaseEntry {
  return { path: name, kind, size: kind === 'file' ? facts.size : 0, mtimeMs: facts.mtimeMs };
}

/** Times are kept so that build tools inside don't take every file for changed. */
function keepModeAndTimes(from: string, to: string): fs.Stats {
  const facts = fs.statSync(from);
  fs.chmodSync(to, (facts.mode & 0o777) | 0o600);
  fs.utimesSync(to, facts.atimeMs / 1000, facts.mtimeMs / 1000);
  return facts;
}

/** What git would ignore in a source that is a repository; directories as a whole. Empty for any other source. */
export function ignoredIn(source: string): ReadonlySet<string> {
  if (!fs.existsSync(path.join(source, '.git'))) return new Set();
  const args = ['ls-files', '--others', '--ignored', '--exclude-standard', '--directory', '-z'];
  const { ok, stdout, stderr } = quietGit(source, args);
  if (!ok)
    throw new BottleError('workspace_invalid', { message: `git can't say what ${source} ignores: ${stderr.trim()}` });
  return new Set(
    stdout
      .split('\0')
      .filter(Boolean)
      .map((name) => name.replace(/\/$/, '')),
  );
}

/**
 * A clone of the operator's repository, without hard links into it and without a way back: its work comes home as a
 * bundle that is checked. Answers what is there now.
 */
export function cloneWorkspace(source: string, target: string): readonly BaseEntry[] {
  const { ok, stderr } = quietGit(path.dirname(target), ['clone', '--quiet', '--no-hardlinks', '--', source, target]);
  if (!ok) throw new BottleError('workspace_invalid', { message: `${source} can't be cloned: ${lastLine(stderr)}` });
  fs.chmodSync(target, 0o700);
  quietGit(target, ['remote', 'remove', 'origin']);
  const entries: BaseEntry[] = [];
  listDirectory(target, '', entries);
  return entries;
}

function listDirectory(directory: string, below: string, entries: BaseEntry[]): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    const file = path.join(directory, entry.name);
    const kind = entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'link' : 'file';
    entries.push(baseEntry(name, kind, fs.lstatSync(file)));
    if (kind === 'directory') listDirectory(file, name, entries);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** A repository that can be cloned: its own top, with at least one commit. */
export function checkCloneSource(source: string): void {
  const top = quietGit(source, ['rev-parse', '--show-toplevel']);
  if (!top.ok || fs.realpathSync(top.stdout.trim()) !== source) {
    throw new BottleError('workspace_invalid', {
      message: `${source} is not the top of a git repository, so it can't be cloned`,
      hint: '--workspace copy',
    });
  }
  if (!quietGit(source, ['rev-parse', '--verify', '--quiet', 'HEAD']).ok) {
    throw new BottleError('workspace_invalid', {
      message: `${source} has no commit yet, so there is nothing to clone`,
      hint: '--workspace copy',
    });
  }
}

/**
 * A workspace must not carry the operator's whole life into the bottle: the home directory, anything above it, and the
 * root are refused.
 */
export function checkWorkspaceSource(source: string, operatorHome: string): string {
  const resolved = realDirectory(source);
  const home = fs.existsSync(operatorHome) ? fs.realpathSync(operatorHome) : operatorHome;
  const relative = path.relative(resolved, home);
  const containsHome = relative === '' || !(relative.startsWith('..') || path.isAbsolute(relative));
  if (containsHome) {
    throw new BottleError('workspace_invalid', {
      message: `${resolved} holds your home directory, with your keys and tokens; it can't be a workspace`,
      hint: 'cd into the project first, or use --workspace none',
    });
  }
  return resolved;
}

function realDirectory(source: string): string {
  try {
    const resolved = fs.realpathSync(source);
    if (fs.statSync(resolved).isDirectory()) return resolved;
  } catch (failure) {
    throw new BottleError('workspace_invalid', { message: `${source} can't be read as a directory`, cause: failure });
  }
  throw new BottleError('workspace_invalid', { message: `${source} is not a directory` });
}
