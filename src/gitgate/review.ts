import type { PushFinding } from '../policy/gitgate/findings-text.ts';
import { CI_ROOTS, isCiDefinition, protectedBecause } from '../policy/gitgate/protected-paths.ts';
import { collisions, leavesTree, parseRawChanges, parseTree, type RawChange } from '../policy/gitgate/tree-tricks.ts';
import { isZero, type ObjectFormat, type Oid, type RefCommand } from '../schema/git.ts';
import type { PushRules } from '../schema/git-gate.ts';
import { askGit, pipesOf, runGit, spawnGit } from './git.ts';
import { ByteSource } from './scan/byte-source.ts';

/** What a push changes in the tree as a whole, against what the upstream has: not by commit, but as it would stand. */
export interface Review {
  /** Paths whose change needs the operator, each with why. */
  readonly protectedPaths: readonly { readonly path: string; readonly because: string }[];
  /** What is refused whoever wants it. */
  readonly findings: readonly PushFinding[];
  /** What is pushed has definitions that the upstream's CI would run. */
  readonly startsCi: boolean;
}

export interface ReviewParts {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly format: ObjectFormat;
  readonly rules: PushRules;
  readonly commands: readonly RefCommand[];
  /** A new branch is compared with this one; null where the upstream has none. */
  readonly defaultOid: Oid | null;
  /** Nobody's CI looks at a repository on the operator's own disk. */
  readonly hasCi: boolean;
}

export async function reviewPush(parts: ReviewParts): Promise<Review> {
  const protectedPaths = new Map<string, string>();
  const findings: PushFinding[] = [];
  let startsCi = false;
  const seen = new Set<string>();
  for (const command of parts.commands) {
    const same = `${command.old} ${command.new}`;
    const tip = isZero(command.new) || seen.has(same) ? null : await commitOf(parts, command.new);
    seen.add(same);
    if (tip === null) continue;
    const changes = await changesOf(parts, command, tip);
    for (const { path } of changes) {
      const because = protectedBecause(parts.rules.pathsProtected, path);
      if (because !== null) protectedPaths.set(path, because);
    }
    findings.push(...(await trickyLinks(parts, changes, tip)), ...(await trickyNames(parts, changes, tip)));
    startsCi ||= parts.hasCi && (await hasCiDefinitions(parts, tip));
  }
  const sorted = [...protectedPaths].map(([path, because]) => ({ path, because }));
  return { protectedPaths: sorted, findings, startsCi };
}

/** Does the new commit have the old one below it? A ref that stands for no commit does not. */
export async function isFastForward(
  parts: Pick<ReviewParts, 'directory' | 'env'>,
  command: RefCommand,
): Promise<boolean> {
  const args = ['merge-base', '--is-ancestor', command.old, command.new];
  const { status } = await runGit({ directory: parts.directory, env: parts.env, args });
  return status === 0;
}

/** A tag may stand for a tree or a file, which is looked at by object alone. */
async function commitOf({ directory, env }: ReviewParts, oid: Oid): Promise<Oid | null> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${oid}^{commit}`];
  const { status, stdout } = await runGit({ directory, env, args });
  return status === 0 ? stdout.toString('latin1').trim() : null;
}

const EMPTY_TREES: Readonly<Record<ObjectFormat, Oid>> = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321',
};

async function changesOf(parts: ReviewParts, command: RefCommand, tip: Oid): Promise<readonly RawChange[]> {
  const against = isZero(command.old) ? parts.defaultOid : command.old;
  const base = against === null ? null : await mergeBase(parts, against, tip);
  const from = base ?? EMPTY_TREES[parts.format];
  const args = [
    'diff-tree',
    '-r',
    '-z',
    '--raw',
    '--no-renames',
    '--no-commit-id',
    '--no-abbrev',
    '--no-ext-diff',
    from,
    tip,
  ];
  return parseRawChanges(await askGit({ directory: parts.directory, env: parts.env, args }));
}

async function mergeBase({ directory, env }: ReviewParts, one: Oid, other: Oid): Promise<Oid | null> {
  const { status, stdout } = await runGit({ directory, env, args: ['merge-base', one, other] });
  return status === 0 ? stdout.toString('latin1').trim() : null;
}

const LINK = '120000';
/** Longer than any path that a system takes. */
const LINK_BYTES = 8192;

async function trickyLinks(
  parts: ReviewParts,
  changes: readonly RawChange[],
  tip: Oid,
): Promise<readonly PushFinding[]> {
  const links = changes.filter(({ newMode }) => newMode === LINK);
  const findings: PushFinding[] = [];
  const targets = await readObjects(
    parts,
    links.map(({ oid }) => oid),
  );
  for (const [index, { path }] of links.entries()) {
    const target = targets[index];
    if (
      target === undefined ||
      target === null ||
      target.length > LINK_BYTES ||
      leavesTree(path, target.toString('utf8'))
    )
      findings.push({ commit: tip, place: path, rule: 'link that leads out of the tree' });
  }
  return findings;
}

/** New names that are one with a name beside them where case does not count. */
async function trickyNames(
  parts: ReviewParts,
  changes: readonly RawChange[],
  tip: Oid,
): Promise<readonly PushFinding[]> {
  const added = new Map<string, Set<string>>();
  for (const { path, status } of changes) {
    if (status !== 'A') continue;
    const segments = path.split('/');
    for (const [depth, name] of segments.entries()) {
      const directory = segments.slice(0, depth).join('/');
      const names = added.get(directory) ?? new Set<string>();
      added.set(directory, names.add(name));
    }
  }
  const directories = [...added.keys()];
  const trees = await readObjects(
    parts,
    directories.map((directory) => `${tip}:${directory}`),
  );
  return directories.flatMap((directory, index) => {
    const entries = parseTree(trees[index] ?? Buffer.alloc(0), parts.format === 'sha1' ? 20 : 32) ?? [];
    const names = entries.map(({ name }) => name);
    return collisions(names, added.get(directory) ?? new Set()).map(([name, other]) => ({
      commit: tip,
      place: directory === '' ? name : `${directory}/${name}`,
      rule: `the same name as ${other} where case does not count`,
    }));
  });
}

/** Contents by name, null for what is not there; names with a line end in them are not there. */
async function readObjects(
  { directory, env }: ReviewParts,
  names: readonly string[],
): Promise<readonly (Buffer | null)[]> {
  if (names.length === 0) return [];
  const child = spawnGit({ directory, env, args: ['cat-file', '--batch'] });
  const { stdin, stdout } = pipesOf(child);
  child.stderr?.resume();
  const source = new ByteSource(stdout);
  stdin.end(names.map((name) => `${name.includes('\n') ? '?' : name}\n`).join(''));
  const contents: (Buffer | null)[] = [];
  for (let left = names.length; left > 0; left -= 1) {
    const header = (await source.readLine(64 * 1024))?.toString('latin1') ?? '';
    const size = /^[0-9a-f]+ [a-z]+ (\d+)$/.exec(header)?.[1];
    contents.push(size === undefined ? null : await source.read(Number(size)));
    if (size !== undefined) await source.read(1);
  }
  return contents;
}

async function hasCiDefinitions({ directory, env }: ReviewParts, tip: Oid): Promise<boolean> {
  const args = ['ls-tree', '-r', '-z', '--name-only', '--full-tree', tip, '--', ...CI_ROOTS];
  const listed = await askGit({ directory, env, args });
  return listed.split('\0').some((path) => path !== '' && isCiDefinition(path));
}
