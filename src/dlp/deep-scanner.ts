import { buildMatcher, findMatches, openSuffix, type Matcher } from './block-shift.ts';
import { byteReadings, patternsOf, type Encoding } from './encodings.ts';
import {
  createBodyScanner,
  type BodyScanner,
  type Finding,
  type KnownValues,
  type ScanProgress,
} from './known-values.ts';
import { buildPieces, PieceView, type Pieces } from './pieces.ts';
import { privateParts } from './private-parts.ts';
import { RunCutter, type Run } from './runs.ts';
import { SkeletonDecoder, skeletonOf } from './skeleton.ts';
import { unfold } from './unfold.ts';
import { View } from './view.ts';

/**
 * Known values in any disguise: what `known-values.ts` finds in the stream itself, the same by its letters and digits
 * alone, pieces of values, and all of that in what runs of characters unfold to, three layers deep. Only runs that
 * decode to something are looked at twice, so a plain text costs little more than the plain search.
 */
const DEPTH = 3;
/** Bytes that unfolding may look at for each byte of input, and for a run however short it is. */
const WORK_PER_BYTE = 256;
const WORK_FREE = 256 * 1024;
/** Letters and digits of a value below which it is not looked for by them alone. */
const SKELETON_CHARS = 12;
/** What must be open at the end of a decoded run for its bytes to be held: fewer characters may leave (SECURITY S17). */
const OPEN_CHARS = 5;

interface DeepTables {
  readonly pieces: Pieces;
  readonly skeletons: Matcher;
  /** By pattern of `skeletons`. */
  readonly owners: readonly { readonly name: string; readonly rule: Finding['rule'] }[];
}

const tables = new WeakMap<KnownValues, DeepTables>();

function tablesOf(known: KnownValues): DeepTables {
  const made = tables.get(known) ?? buildTables(known);
  tables.set(known, made);
  return made;
}

function buildTables({ values }: KnownValues): DeepTables {
  const patterns = values.flatMap(({ name, value, rule = 'known_secret' }) =>
    skeletonPatterns(value, rule).map((pattern) => ({ ...pattern, name, rule })),
  );
  return {
    pieces: buildPieces(values),
    skeletons: buildMatcher(patterns),
    owners: patterns.map(({ name, rule }) => ({ name, rule })),
  };
}

/** Pieces of twelve of what is secret in it, the whole of it in each encoding. */
function skeletonPatterns(
  value: string,
  rule: Finding['rule'],
): readonly { readonly bytes: Uint8Array; readonly foldCase: boolean }[] {
  const texts = new Set<string>();
  const decoder = new TextDecoder();
  if (skeletonOf(value).length < SKELETON_CHARS) return [];
  // What a form or a document makes of a value's own `&` has letters too.
  for (const written of [
    value.replaceAll('&', '&amp;').replaceAll('<', '&lt;'),
    encodeURIComponent(value.toWellFormed()),
  ])
    texts.add(skeletonOf(written));
  const forms = patternsOf(value).map(({ bytes, encoding }) => ({ text: skeletonOf(decoder.decode(bytes)), encoding }));
  const folded = forms.filter(({ encoding }) => encoding === 'hex').map(({ text }) => text);
  for (const { text, encoding } of forms) if (encoding !== 'hex') texts.add(text);
  for (const part of rule === 'known_secret' ? privateParts(value) : []) {
    const skeleton = skeletonOf(part);
    for (let at = 0; at + SKELETON_CHARS <= skeleton.length; at += 1)
      texts.add(skeleton.slice(at, at + SKELETON_CHARS));
  }
  const encoder = new TextEncoder();
  return [
    ...[...texts].map((text) => ({ bytes: encoder.encode(text), foldCase: false })),
    ...folded.map((text) => ({ bytes: encoder.encode(text), foldCase: true })),
  ];
}

interface DeepOptions {
  /** What is scanned leaves the bottle: short pieces of values are remembered. */
  readonly leaves: boolean;
}

export function createDeepScanner(
  known: KnownValues,
  place: string,
  options: DeepOptions = { leaves: true },
): BodyScanner {
  return known.size === 0 ? createBodyScanner(known, place) : new DeepScanner(known, place, options);
}

/** All findings in a text, whichever bytes it stands for; positions as in `scanText`. */
export function deepScanText(
  known: KnownValues,
  text: string,
  place: string,
  options?: DeepOptions,
): readonly Finding[] {
  const [first = [], second = []] = byteReadings(text).map((bytes) => deepScanBytes(known, bytes, place, options));
  return [...first, ...second.filter(({ name }) => !first.some((finding) => finding.name === name))];
}

export function deepScanBytes(
  known: KnownValues,
  bytes: Uint8Array,
  place: string,
  options?: DeepOptions,
): readonly Finding[] {
  if (known.size === 0) return [];
  const scanner = createDeepScanner(known, place, options);
  return [...scanner.push(bytes).findings, ...scanner.end().findings];
}

class DeepScanner implements BodyScanner {
  readonly #known: KnownValues;
  readonly #tables: DeepTables;
  readonly #place: string;
  readonly #options: DeepOptions;
  readonly #plain: BodyScanner;
  readonly #pieces: PieceView;
  readonly #skeleton = new SkeletonDecoder();
  readonly #skeletonView: View;
  readonly #cutter = new RunCutter();
  #pushed = 0;
  #released = 0;
  #work = WORK_FREE;
  #heldRun: Run | null = null;
  #barrier = Number.POSITIVE_INFINITY;
  #findings: Finding[] = [];

  constructor(known: KnownValues, place: string, options: DeepOptions) {
    this.#known = known;
    this.#tables = tablesOf(known);
    this.#place = place;
    this.#options = options;
    this.#plain = createBodyScanner(known, place);
    this.#pieces = new PieceView(this.#tables.pieces, this.#ledger);
    this.#skeletonView = new View(this.#tables.skeletons);
  }

  get #ledger(): KnownValues['ledger'] | null {
    return this.#options.leaves ? this.#known.ledger : null;
  }

  push(chunk: Uint8Array): ScanProgress {
    const plain = this.#plain.push(chunk);
    this.#findings.push(...plain.findings);
    this.#work += chunk.length * WORK_PER_BYTE;
    this.#pieces.push(chunk, this.#pushed, ({ name, start, end }) => {
      this.#report({ name, rule: 'known_secret', encoding: 'piece', start, end });
    });
    this.#pushSkeleton(chunk);
    for (const run of this.#cutter.push(chunk, this.#pushed)) this.#look(run);
    this.#pushed += chunk.length;
    this.#judgeOpenRun();
    return this.#progress(plain, this.#heldFrom(plain.certain));
  }

  end(): ScanProgress {
    const plain = this.#plain.end();
    this.#findings.push(...plain.findings);
    const run = this.#cutter.end();
    if (run !== null) this.#look(run);
    return this.#progress(plain, this.#pushed);
  }

  #pushSkeleton(chunk: Uint8Array): void {
    if (this.#tables.owners.length === 0) return;
    this.#skeletonView.push(this.#skeleton.push(chunk, this.#pushed), ({ pattern, start, end }) => {
      const owner = this.#tables.owners[pattern];
      if (owner !== undefined) this.#report({ ...owner, encoding: 'separated', start, end });
    });
  }

  #look(run: Run): void {
    for (const reading of unfold(run.bytes)) this.#lookInto(reading, run, 1);
  }

  #lookInto(bytes: Uint8Array, run: Run, depth: number): void {
    this.#work -= bytes.length;
    if (this.#work < 0) {
      this.#report({ name: 'unfolded bytes', rule: 'unscannable', encoding: 'nested', start: run.start, end: run.end });
      return;
    }
    this.#search(bytes, run);
    if (depth === DEPTH) return;
    const cutter = new RunCutter();
    for (const inner of [...cutter.push(bytes, 0), cutter.end()]) {
      if (inner === null) continue;
      for (const reading of unfold(inner.bytes)) this.#lookInto(reading, run, depth + 1);
    }
  }

  #search(bytes: Uint8Array, { start, end }: Run): void {
    const { pieces, skeletons, owners } = this.#tables;
    const found = { encoding: 'nested', start, end } as const;
    findMatches(this.#known.matcher, bytes, 0, (pattern) => {
      const owner = this.#known.owners[pattern];
      if (owner !== undefined) this.#report({ name: owner.name, rule: owner.rule, ...found });
    });
    new PieceView(pieces, this.#ledger).push(bytes, 0, ({ name }) => {
      this.#report({ name, rule: 'known_secret', ...found });
    });
    if (owners.length === 0) return;
    findMatches(skeletons, new SkeletonDecoder().push(bytes, 0).bytes, 0, (pattern) => {
      const owner = owners[pattern];
      if (owner !== undefined) this.#report({ ...owner, ...found });
    });
  }

  /** A run that goes on is held while what it says so far may go on to be a value. */
  #judgeOpenRun(): void {
    const run = this.#cutter.open();
    const judged = this.#heldRun;
    if (run === null) {
      this.#heldRun = null;
      return;
    }
    // Looked at anew only when it grew by an eighth: a byte at a time costs no more than a block at a time.
    const grown = judged?.start === run.start ? run.end - judged.end : run.bytes.length;
    if (judged?.start === run.start && grown * 8 < run.bytes.length) return;
    this.#look(run);
    this.#heldRun = this.#mayGoOn(run.bytes, 1) ? run : null;
  }

  #mayGoOn(bytes: Uint8Array, depth: number): boolean {
    return unfold(bytes).some((reading) => {
      this.#work -= reading.length;
      if (this.#work < 0) return true;
      if (openSuffix(this.#known.matcher, reading) >= OPEN_CHARS) return true;
      if (openSuffix(this.#tables.pieces.matcher, reading) >= OPEN_CHARS) return true;
      if (depth === DEPTH) return false;
      const cutter = new RunCutter();
      cutter.push(reading, 0);
      const inner = cutter.end();
      return inner !== null && inner.end >= reading.length - 3 && this.#mayGoOn(inner.bytes, depth + 1);
    });
  }

  #report(found: Omit<Finding, 'place'> & { readonly encoding: Encoding }): void {
    const { name, start, end } = found;
    const known = this.#findings.some((other) => other.name === name && other.start <= start && end <= other.end);
    if (!known) this.#findings.push({ ...found, place: this.#place });
    this.#barrier = Math.min(this.#barrier, start);
  }

  #heldFrom(plain: number): number {
    const { open } = this.#skeletonView;
    return Math.min(
      plain,
      open.bytes.length >= OPEN_CHARS ? open.start : this.#pushed,
      this.#heldRun?.start ?? this.#pushed,
    );
  }

  #progress(plain: ScanProgress, certain: number): ScanProgress {
    const findings = this.#findings.sort((left, right) => left.end - right.end || left.start - right.start);
    this.#findings = [];
    // The first few characters of a run may have left before it was long enough to say anything.
    this.#released = Math.max(this.#released, Math.min(plain.release, certain, this.#barrier));
    return { release: this.#released, certain, findings };
  }
}
