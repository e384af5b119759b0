import fs from 'node:fs';
import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { decodeJson } from '../schema/json.ts';
import { BACKEND_NAMES } from '../schema/plan.ts';
import { readTextOrNull } from '../platform/processes.ts';
import { removeTree } from '../platform/remove-tree.ts';
import { bottlePaths, UNNAMED, unnamedDirectory, type HomePaths } from './paths.ts';
import { tryLock } from './lock.ts';

/** `bottle.json`: what `list`, `stop` and `cleanup` know of a bottle. No secret, no policy. */
const BottleFileV1Schema = z.strictObject({
  version: z.literal(1),
  slug: z.string(),
  agent: z.string(),
  label: z.string().nullable(),
  backend: z.enum(BACKEND_NAMES),
  startedAt: z.string(),
  launcherPid: z.int(),
  services: z.array(z.string()),
  workspaceMode: z.string(),
  /** Set when the bottle ended and its state was kept; `cleanup` never touches such a bottle unasked. */
  preserved: z.strictObject({ reason: z.string(), exitCode: z.int().nullable() }).nullable(),
  /** The agent has run its first instruction: from here on there may be work to keep. */
  agentStarted: z.boolean(),
});

/** How a bottle was started, so that it can go on: names and places, no values. */
const OriginSchema = z.strictObject({
  command: z.enum(['start', 'run']),
  bottles: z.array(z.string()),
  argv: z.array(z.string()),
  /** The directory the workspace was made of; null for none. */
  source: z.string().nullable(),
  colour: z.string().nullable(),
});
export type BottleOrigin = z.infer<typeof OriginSchema>;

export const BottleFileSchema = z.strictObject({
  ...BottleFileV1Schema.shape,
  version: z.literal(2),
  /** Null for a bottle of an older version: it can be looked at and delivered, not resumed. */
  origin: OriginSchema.nullable(),
});

/** Older files are read as what they would be today; a newer one is not guessed at. */
const AnyBottleFileSchema = z.union([
  BottleFileSchema,
  BottleFileV1Schema.transform((file) => BottleFileSchema.parse({ ...file, version: 2, origin: null })),
]);
export type BottleFile = z.infer<typeof BottleFileSchema>;

/** `unreadable`: its file is of another version or damaged; nothing of ours touches such a bottle. */
export type BottleState = 'live' | 'preserved' | 'orphan' | 'unreadable';
export interface KnownBottle {
  readonly slug: string;
  readonly state: BottleState;
  /** Null when a launch was killed before it wrote the file, and for what can't be read. */
  readonly file: BottleFile | null;
  /** Why an unreadable one is so, and what to do; null for all others. */
  readonly problem: BottleError | null;
}

export function writeBottleFile(paths: HomePaths, bottle: BottleFile): void {
  const { bottleFile } = bottlePaths(paths, bottle.slug);
  const temporary = `${bottleFile}.new`;
  fs.writeFileSync(temporary, `${JSON.stringify(BottleFileSchema.parse(bottle), null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(temporary, bottleFile);
}

export function readBottleFile(paths: HomePaths, slug: string): BottleFile | null {
  const { bottleFile } = bottlePaths(paths, slug);
  const text = readTextOrNull(bottleFile);
  if (text === null) return null;
  const parsed = decodeJson(AnyBottleFileSchema, text);
  if (!parsed.ok) {
    throw new BottleError('state_invalid', {
      message: `${bottleFile} was not written by this version of bot-bottle`,
      hint: `move ${bottlePaths(paths, slug).root} away, or use the version that wrote it`,
    });
  }
  return parsed.value;
}

/** A name is taken as long as its state directory is there. */
export function bottleExists(paths: HomePaths, slug: string): boolean {
  return fs.existsSync(bottlePaths(paths, slug).root);
}

export function listBottles(paths: HomePaths): readonly KnownBottle[] {
  if (!fs.existsSync(paths.stateRoot)) return [];
  return (
    fs
      .readdirSync(paths.stateRoot, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith(UNNAMED))
      .map((entry) => describe(paths, entry.name))
      // One that ended while it was looked at.
      .filter(({ slug }) => bottleExists(paths, slug))
      .sort((left, right) => left.slug.localeCompare(right.slug))
  );
}

/**
 * Directories without a name whose maker is gone: what a launch made no use of, or an end did not finish removing. One
 * that was changed a moment ago is in somebody's hands, who locks it next or has just removed the lock.
 */
export function abandonedDirectories(paths: HomePaths, nowMs: number): readonly string[] {
  if (!fs.existsSync(paths.stateRoot)) return [];
  return fs.readdirSync(paths.stateRoot).filter((name) => {
    const facts = fs.statSync(bottlePaths(paths, name).root, { throwIfNoEntry: false });
    const old = facts !== undefined && nowMs - facts.mtimeMs > IN_HAND_MS;
    return name.startsWith(UNNAMED) && old && lockOf(paths, name) === 'free';
  });
}

const IN_HAND_MS = 2_000;

/**
 * Removes a bottle for good; the caller holds its lock. It loses its name in one step before anything in it goes, so that
 * nobody meets half of it.
 */
export function removeBottle(paths: HomePaths, slug: string): void {
  const { root } = bottlePaths(paths, slug);
  const unnamed = unnamedDirectory(paths);
  fs.renameSync(root, unnamed);
  removeTree(unnamed);
}

/** One bad file is one row: it never hides the other bottles. */
function describe(paths: HomePaths, slug: string): KnownBottle {
  try {
    return describeFile(paths, slug, readBottleFile(paths, slug));
  } catch (failure) {
    if (!(failure instanceof BottleError) || failure.code !== 'state_invalid') throw failure;
    return { slug, state: 'unreadable', file: null, problem: failure };
  }
}

function describeFile(paths: HomePaths, slug: string, file: BottleFile | null): KnownBottle {
  if (file?.preserved) return { slug, state: 'preserved', file, problem: null };
  const lock = lockOf(paths, slug);
  if (lock === 'held') return { slug, state: 'live', file, problem: null };
  // It may have come to its end between the two looks: who gave the lock back has written before how that was.
  const last = readBottleFile(paths, slug);
  return { slug, state: last?.preserved ? 'preserved' : 'orphan', file: last, problem: null };
}

function lockOf(paths: HomePaths, slug: string): 'held' | 'free' {
  const { lock } = bottlePaths(paths, slug);
  if (!fs.existsSync(lock)) return 'free';
  const taken = tryLock(lock);
  if (taken === null) return 'held';
  taken[Symbol.dispose]();
  return 'free';
}

/** The one bottle an id stands for: the whole slug, or any beginning of it that is unique; it must be readable. */
export function findBottle(bottles: readonly KnownBottle[], id: string): KnownBottle {
  const found = matchId(bottles, id);
  if (found.problem !== null) throw found.problem;
  return found;
}

function matchId(bottles: readonly KnownBottle[], id: string): KnownBottle {
  const exact = bottles.find((bottle) => bottle.slug === id);
  if (exact !== undefined) return exact;
  const matching = bottles.filter((bottle) => bottle.slug.startsWith(id));
  const [only] = matching;
  if (matching.length === 1 && only !== undefined) return only;
  throw new BottleError('bottle_not_found', {
    message:
      matching.length === 0
        ? `no bottle is called "${id}"`
        : `"${id}" stands for several bottles: ${matching.map((bottle) => bottle.slug).join(', ')}`,
    hint: 'bot-bottle list active --all',
  });
}
