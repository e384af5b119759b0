import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../../kernel/errors.ts';
import { LineTail } from '../../platform/line-tail.ts';
import { findBottle, listBottles } from '../../state/bottles.ts';
import { bottlePaths, type BottlePaths } from '../../state/paths.ts';
import { tryLock } from '../../state/lock.ts';
import type { CliContext } from '../context.ts';
import { requestEntry, serviceEntry, type Entry, type ReadEntry } from '../logs/entry.ts';
import { entryFilter } from '../logs/filter.ts';
import { entryLine } from '../logs/line.ts';
import { LogsOptionsSchema, type LogsOptions } from '../options.ts';

/**
 * Requests and service output of bottles by time. With `--follow` until they end; without a name all that run, and with
 * `--follow` those that start meanwhile too, until interrupted.
 */
export async function logs(context: CliContext, ids: readonly string[], raw: Record<string, unknown>): Promise<number> {
  const options = LogsOptionsSchema.parse(raw);
  const wanted = entryFilter(options, Date.now());
  const bottles = listBottles(context.paths);
  const named = [...new Set(ids.map((id) => findBottle(bottles, id).slug))];
  const all = ids.length === 0;
  using shown = new ShownBottles(context, options);
  for (const slug of all ? runningSlugs(context) : named) shown.add(slug);
  if (shown.count === 0 && !options.follow) {
    throw new BottleError('bottle_not_found', {
      message: 'no bottles are running',
      hint: 'bot-bottle list active --all',
    });
  }
  const show = printer(context, options, () => all || shown.count > 1);
  showLast(shown.entries(wanted), options.lines, show);
  let looks = 0;
  while (options.follow && !context.stopRequested.aborted) {
    // Looked at before the last of their lines are read: what is written until they end is shown.
    const live = shown.dropEnded();
    for (const entry of shown.entries(wanted)) show(entry);
    if (live === 0 && !all) break;
    await sleep(FOLLOW_MS, undefined, { signal: context.stopRequested }).catch(ignoreStop);
    if (all && (looks += 1) % LOOK_EVERY === 0) for (const slug of runningSlugs(context)) shown.add(slug);
  }
  return 0;
}

const FOLLOW_MS = 100;
/** For bottles that have started meanwhile. */
const LOOK_EVERY = 5;

function ignoreStop(failure: unknown): void {
  if (!(failure instanceof Error && failure.name === 'AbortError')) throw failure;
}

function runningSlugs({ paths }: CliContext): readonly string[] {
  return listBottles(paths).flatMap(({ slug, state }) => (state === 'live' ? [slug] : []));
}

function printer(context: CliContext, { json, timings }: LogsOptions, slugs: () => boolean): (entry: Entry) => void {
  const { result, output } = context.terminal;
  if (json) {
    return (entry) => {
      result(entry.json);
    };
  }
  return (entry) => {
    result(entryLine(entry, { columns: output.columns(), colour: output.colour, slugs: slugs(), timings }));
  };
}

function showLast(entries: Iterable<Entry>, count: number | undefined, show: (entry: Entry) => void): void {
  if (count === undefined) {
    for (const entry of entries) show(entry);
    return;
  }
  const last: Entry[] = [];
  for (const entry of entries) {
    last.push(entry);
    if (last.length > count) last.shift();
  }
  for (const entry of last) show(entry);
}

interface Source {
  readonly slug: string;
  readonly tail: LineTail;
  readonly read: ReadEntry;
}

/** The files of all bottles that are shown; each file is in its own order, and is never in memory as a whole. */
class ShownBottles implements Disposable {
  readonly #context: CliContext;
  readonly #options: LogsOptions;
  readonly #sources: Source[] = [];
  readonly #live = new Map<string, BottlePaths>();

  constructor(context: CliContext, options: LogsOptions) {
    this.#context = context;
    this.#options = options;
  }

  get count(): number {
    return new Set(this.#sources.map(({ slug }) => slug)).size;
  }

  add(slug: string): void {
    if (this.#sources.some((source) => source.slug === slug)) return;
    const paths = bottlePaths(this.#context.paths, slug);
    const { decisions, services } = this.#options;
    if (!services || decisions) this.#sources.push({ slug, tail: new LineTail(paths.record), read: requestEntry });
    if (!decisions || services) this.#sources.push({ slug, tail: new LineTail(paths.log), read: serviceEntry });
    this.#live.set(slug, paths);
  }

  /** How many still run. */
  dropEnded(): number {
    for (const [slug, paths] of this.#live) if (!isLive(paths)) this.#live.delete(slug);
    return this.#live.size;
  }

  /** What has come since the last time, of all files by time. */
  *entries(wanted: (entry: Entry) => boolean): Generator<Entry> {
    const heads = this.#sources.flatMap((source) => {
      const entries = wantedOf(source, wanted);
      const first = entries.next();
      return first.done === true ? [] : [{ entry: first.value, entries }];
    });
    for (;;) {
      const earliest = heads.reduce<(typeof heads)[number] | null>(
        (found, head) => (found === null || head.entry.at < found.entry.at ? head : found),
        null,
      );
      if (earliest === null) return;
      yield earliest.entry;
      const next = earliest.entries.next();
      if (next.done === true) heads.splice(heads.indexOf(earliest), 1);
      else earliest.entry = next.value;
    }
  }

  [Symbol.dispose](): void {
    for (const { tail } of this.#sources) tail[Symbol.dispose]();
  }
}

function* wantedOf({ slug, tail, read }: Source, wanted: (entry: Entry) => boolean): Generator<Entry, undefined> {
  for (const line of tail.lines()) {
    const entry = read(slug, line);
    if (entry !== null && wanted(entry)) yield entry;
  }
  return undefined;
}

function isLive({ lock, root }: BottlePaths): boolean {
  if (!fs.existsSync(root) || !fs.existsSync(lock)) return false;
  const taken = tryLock(lock);
  taken?.[Symbol.dispose]();
  return taken === null;
}
