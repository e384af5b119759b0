import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { findProgram } from '../bundle/host-facts.ts';
import { BottleError } from '../kernel/errors.ts';
import { runsOnOpen } from '../policy/runs-on-open.ts';
import { decodeJson } from '../schema/json.ts';
import type { BottlePaths } from '../state/paths.ts';
import { BOXED_TREE, runInTree, type Shown } from './tree-box.ts';

/**
 * What an agent did to its workspace, told by `find` in a box: new and changed entries by their change time, which no
 * unprivileged program can set, and deleted ones by the list that was written when the workspace was made.
 */
export interface Work {
  readonly changed: readonly WorkEntry[];
  readonly deleted: readonly string[];
  /** New or changed files that tools run unasked (SECURITY S2). */
  readonly runsOnOpen: readonly string[];
}

export interface WorkEntry {
  /** Relative, with `/`; never empty. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  /** It was there at the start. */
  readonly existed: boolean;
}

/** One entry of the workspace as it was made: enough to see later what was deleted, and whether the source moved on. */
const BaseEntrySchema = z.strictObject({
  path: z.string(),
  kind: z.enum(['file', 'directory', 'link']),
  size: z.int(),
  mtimeMs: z.number(),
});
export type BaseEntry = z.infer<typeof BaseEntrySchema>;

/** A moment of the state's file system, taken right before the gate opens: later changes carry a later ctime. */
export function stampWorkspace(paths: BottlePaths): void {
  fs.writeFileSync(stampOf(paths), '', { mode: 0o600 });
}

const stampOf = (paths: BottlePaths): string => path.join(paths.root, 'stamp');
const baseOf = (paths: BottlePaths): string => path.join(paths.root, 'base.jsonl');

export function writeBase(paths: BottlePaths, entries: readonly BaseEntry[]): void {
  fs.writeFileSync(baseOf(paths), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 });
}

export function readBase(paths: BottlePaths): ReadonlyMap<string, BaseEntry> {
  const file = baseOf(paths);
  if (!fs.existsSync(file)) return new Map();
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return new Map(
    lines.map((line) => {
      const entry = decodeJson(BaseEntrySchema, line);
      if (!entry.ok) throw new BottleError('state_invalid', { message: `${file} is not what a start writes` });
      return [entry.value.path, entry.value];
    }),
  );
}

/** The trees as every look has them: the work read-only, and the moment it began. */
export function shownWork(paths: BottlePaths): readonly Shown[] {
  return [
    { source: paths.workspace, inside: BOXED_TREE.workspace, access: 'ro' },
    { source: stampOf(paths), inside: BOXED_TREE.stamp, access: 'ro' },
  ];
}

/** Null when it can't be told: then the work is kept. Stops at the first change. */
export async function hasChanged(paths: BottlePaths): Promise<boolean | null> {
  const find = findProgram('find');
  if (find === null) return null;
  const argv = [find, BOXED_TREE.workspace, '-cnewer', BOXED_TREE.stamp, '-print', '-quit'];
  const { status, stdout } = await runInTree({ argv, show: shownWork(paths) }, paths);
  return status === 0 ? stdout.length > 0 : null;
}

/** `%y` kind, `+` or `-` for newer or not, `%P` path: NUL between entries, since a name can hold all else. */
const PRINT = ['(', '-cnewer', BOXED_TREE.stamp, '-printf', '+%y%P\\0', ')', '-o', '-printf', '-%y%P\\0'];

export async function lookAtWork(paths: BottlePaths): Promise<Work> {
  const argv = [findProgram('find') ?? 'find', BOXED_TREE.workspace, '-mindepth', '1', ...PRINT];
  const { status, stdout, stderr } = await runInTree({ argv, show: shownWork(paths) }, paths);
  if (status !== 0) {
    throw new BottleError('workspace_invalid', {
      message: `the work can't be listed: ${stderr.trim() || 'no reason given'}`,
    });
  }
  const base = readBase(paths);
  const entries = stdout
    .toString('utf8')
    .split('\0')
    .slice(0, -1)
    .map((text) => ({ newer: text.startsWith('+'), kind: kindOf(text[1]), path: text.slice(2) }));
  const there = new Set(entries.map((entry) => entry.path));
  const changed = entries
    .filter(({ newer, path: name, kind }) => isChange({ newer, kind, before: base.get(name) }))
    .map(({ path: name, kind }): WorkEntry => ({ path: name, kind, existed: base.has(name) }))
    .sort(byPath);
  const deleted = [...base.keys()].filter((name) => !there.has(name)).sort();
  const touched = [...changed.filter(({ kind }) => kind !== 'directory').map((entry) => entry.path)];
  return { changed, deleted, runsOnOpen: touched.filter((name) => runsOnOpen(name) !== null) };
}

/** A directory that only got other contents is no change of its own. */
function isChange({
  newer,
  kind,
  before,
}: {
  readonly newer: boolean;
  readonly kind: WorkEntry['kind'];
  readonly before: BaseEntry | undefined;
}): boolean {
  if (before === undefined) return true;
  if (kind === 'directory') return before.kind !== 'directory';
  return newer || before.kind !== kind;
}

function kindOf(letter: string | undefined): WorkEntry['kind'] {
  switch (letter) {
    case 'f':
      return 'file';
    case 'd':
      return 'directory';
    case 'l':
      return 'link';
    default:
      return 'other';
  }
}

function byPath(left: WorkEntry, right: WorkEntry): number {
  return left.path < right.path ? -1 : 1;
}
