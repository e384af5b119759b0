import fs from 'node:fs';
import path from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { comesAsFile, nameOfStaged, stageWork, type Staging } from '../../launch/delivery.ts';
import { lookAtWork, type Work } from '../../launch/work.ts';
import { runsOnOpen } from '../../policy/runs-on-open.ts';
import type { CliContext } from '../context.ts';
import { DiffOptionsSchema, type DiffOptions } from '../options.ts';
import { holdWork } from './work-of.ts';

/** What a changed file is in the end, beside what it is in the operator's directory now. */
interface Change {
  readonly path: string;
  readonly kind: 'added' | 'changed' | 'deleted';
  readonly runsOnOpen: boolean;
  /** Null for what is no text. */
  readonly patch: string | null;
}

/** The work that is not home yet, as a diff against the operator's directory; nothing of it steers a terminal. */
export async function diff(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const options = DiffOptionsSchema.parse(raw);
  using held = holdWork(context, id);
  const work = await lookAtWork(held.paths);
  using staging = await stageWork(held.paths, work);
  const all = changesOf(work, staging, held.source);
  const changes = options.runsOnOpen ? all.filter((change) => change.runsOnOpen) : all;
  if (options.json) context.terminal.result(JSON.stringify({ slug: held.slug, changes }));
  else print(context, changes, options);
  return 0;
}

function changesOf(work: Work, staging: Staging, source: string | null): readonly Change[] {
  const files = staging.files.filter(({ kind }) => kind !== 'directory');
  const present = files.map(({ path: name, kind, target }): Change => {
    const after =
      kind === 'link'
        ? Buffer.from(`link to ${target ?? ''}\n`)
        : fs.readFileSync(path.join(staging.directory, nameOfStaged(name)));
    const before = source === null ? null : contentOf(path.join(source, name));
    return {
      path: name,
      kind: before === null ? 'added' : 'changed',
      runsOnOpen: runsOnOpen(name) !== null,
      patch: patchOf(name, before, after),
    };
  });
  const gone = work.deleted.filter(comesAsFile).map((name): Change => {
    const before = source === null ? null : contentOf(path.join(source, name));
    return { path: name, kind: 'deleted', runsOnOpen: runsOnOpen(name) !== null, patch: patchOf(name, before, null) };
  });
  return [...present, ...gone].sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** The operator's own file; a link is what it says. */
function contentOf(file: string): Buffer | null {
  const facts = fs.lstatSync(file, { throwIfNoEntry: false });
  if (facts === undefined || facts.isDirectory()) return null;
  if (facts.isSymbolicLink()) return Buffer.from(`link to ${fs.readlinkSync(file)}\n`);
  return facts.isFile() ? fs.readFileSync(file) : null;
}

const LARGEST_PATCH_BYTES = 1024 * 1024;

function patchOf(name: string, before: Buffer | null, after: Buffer | null): string | null {
  const sides = [before, after].filter((side) => side !== null);
  if (sides.some((side) => side.includes(0) || side.length > LARGEST_PATCH_BYTES)) return null;
  const [old, now] = [before === null ? '/dev/null' : `a/${name}`, after === null ? '/dev/null' : `b/${name}`];
  const text = (side: Buffer | null): string => side?.toString('utf8') ?? '';
  return createTwoFilesPatch(old, now, text(before), text(after), '', '', { context: 3 }).replace(/^=+\n/, '');
}

function print(context: CliContext, changes: readonly Change[], { stat }: DiffOptions): void {
  if (changes.length === 0) {
    context.terminal.result('nothing that is not home already');
    return;
  }
  for (const change of changes) {
    const mark = change.runsOnOpen ? `   !! run unasked by ${runsOnOpen(change.path)?.by ?? 'tools'}` : '';
    if (stat) context.terminal.result(steady(`${change.kind.padEnd(8)} ${change.path}${mark}`));
    else if (change.patch === null) context.terminal.result(steady(`${change.kind} ${change.path}: not text${mark}`));
    else context.terminal.result(change.patch.split('\n').map(steady).join('\n').trimEnd());
  }
}

/** An agent's text on the operator's terminal: tabs stay, all else that steers is shown as what it is. */
function steady(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => (character === '\r' ? '␍' : `\\u{${character.charCodeAt(0).toString(16)}}`),
  );
}
