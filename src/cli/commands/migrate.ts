import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { migrateJson, migrateMarkdown, migrationDiff, type Migrated } from '../../manifest/migrate.ts';
import { openManifests } from '../../manifest/index.ts';
import { hostFiles } from '../../platform/files.ts';
import { ensureOwnDirectory } from '../../state/paths.ts';
import { confirm } from '../ask.ts';
import type { CliContext } from '../context.ts';
import { MigrateOptionsSchema } from '../options.ts';

/** A file that would be written, beside what is there now. */
interface Change {
  readonly file: string;
  readonly before: string | null;
  readonly migrated: Migrated;
}

interface Plan {
  readonly changes: readonly Change[];
  /** Old files that are renamed to `.bak` in the end. */
  readonly retired: readonly string[];
}

/** Shows what would change, asks, writes each file whole, and keeps what was there as `.bak`. */
export async function migrate(context: CliContext, raw: Record<string, unknown>): Promise<number> {
  const options = MigrateOptionsSchema.parse(raw);
  const { changes, retired } = plan(context);
  if (changes.length === 0) {
    context.terminal.result(options.json ? JSON.stringify({ written: [], left: [] }) : 'nothing to migrate');
    return 0;
  }
  if (!options.json)
    for (const { file, before, migrated } of changes) {
      context.terminal.result(migrationDiff(file, before, migrated.text));
    }
  if (!options.yes && !(await agreed(context))) return 1;
  ensureOwnDirectory(context.paths.home);
  for (const change of changes) write(change);
  for (const file of retired) fs.renameSync(file, `${file}.bak`);
  report(context, changes, retired, options.json);
  return 0;
}

function plan(context: CliContext): Plan {
  const { home } = context.paths;
  const jsons = [path.join(path.dirname(home), 'bot-bottle.json'), path.join(context.cwd, 'bot-bottle.json')];
  const retired = [...new Set(jsons)].filter((file) => fs.existsSync(file));
  const made = retired.flatMap((file) =>
    migrateJson(fs.readFileSync(file, 'utf8'), file).map((one) => target(context, file, one)),
  );
  const taken = made.find(({ file }) => fs.existsSync(file));
  if (taken !== undefined) {
    throw new BottleError('file_exists', {
      message: `${taken.file} is there already; nothing was changed`,
      hint: `mv ${taken.file} ${taken.file}.old   and try again`,
    });
  }
  return { changes: [...made, ...markdownChanges(home)], retired };
}

/** Bottles go to the operator's home, always; a project's agents stay with the project. */
function target(context: CliContext, json: string, migrated: Migrated): Change {
  const project = path.dirname(json) === context.cwd && migrated.kind === 'agent';
  const root = project ? path.join(context.cwd, '.bot-bottle') : context.paths.home;
  return { file: path.join(root, `${migrated.kind}s`, `${migrated.name}.md`), before: null, migrated };
}

function markdownChanges(home: string): readonly Change[] {
  const directory = path.join(home, 'bottles');
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith('.md'))
    .sort()
    .flatMap((name) => {
      const file = path.join(directory, name);
      const before = fs.readFileSync(file, 'utf8');
      const migrated = converted(name, before);
      return migrated === null ? [] : [{ file, before, migrated }];
    });
}

/** A file that can't be read as a manifest is not this command's to mend. */
function converted(name: string, text: string): Migrated | null {
  try {
    return migrateMarkdown(name.slice(0, -'.md'.length), `bottles/${name}`, text);
  } catch (failure) {
    if (failure instanceof BottleError) return null;
    throw failure;
  }
}

async function agreed(context: CliContext): Promise<boolean> {
  if (!context.interactive) {
    throw new BottleError('usage', { message: 'nobody can be asked here', hint: 'bot-bottle migrate --yes' });
  }
  return confirm('Write these files?', context.stopRequested);
}

function write({ file, before, migrated }: Change): void {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  if (before !== null) fs.writeFileSync(`${file}.bak`, before, { mode: 0o644 });
  fs.writeFileSync(`${file}.new`, migrated.text, { mode: 0o644 });
  fs.renameSync(`${file}.new`, file);
}

function report(context: CliContext, changes: readonly Change[], retired: readonly string[], json: boolean): void {
  const left = changes.flatMap(({ file, migrated }) => migrated.left.map((line) => ({ file, line })));
  const complaints = check(context);
  if (json) {
    const written = changes.map(({ file }) => file);
    context.terminal.result(
      JSON.stringify({ written, retired: retired.map((file) => `${file}.bak`), left, complaints }),
    );
    return;
  }
  for (const { file } of changes) context.terminal.result(`wrote ${file}`);
  for (const file of retired) context.terminal.result(`kept  ${file}.bak`);
  for (const { file, line } of left) context.terminal.say(`! ${file}: to be carried over by hand: ${line}`);
  for (const complaint of complaints) context.terminal.say(`! ${complaint}`);
}

/** What a start would say of the files now: a conversion can bring up what this version can't do yet. */
function check(context: CliContext): readonly string[] {
  const manifests = openManifests({
    home: context.paths.home,
    cwd: context.cwd,
    files: hostFiles(context.operatorHome),
  });
  return manifests.listBottles().flatMap(({ name }) => {
    try {
      manifests.loadEffective([name]);
      return [];
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      const { position, message } = failure;
      return [
        `${position === undefined ? name : `${position.file}:${String(position.line)}`}: ${message.replaceAll('\n', ' ')}`,
      ];
    }
  });
}
