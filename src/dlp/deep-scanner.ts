import { deepTablesOf, type DeepTables } from './deep-tables.ts';
import { distinct } from './distinct.ts';
import { byteReadings, type Encoding } from './encodings.ts';
import { hasEscape, Unescaper } from './escapes.ts';
import {
  createBodyScanner,
  type BodyScanner,
  type Finding,
  type KnownValues,
  type ScanProgress,
} from './known-values.ts';
import { isWord, Layers } from './layers.ts';
import type { Unpack } from './packed.ts';
import { PieceView } from './pieces.ts';
import { segmentOf, startOf, type Segment } from './segment.ts';
import { isNoisy, PART_BYTES } from './noise.ts';
import { SkeletonView } from './skeleton-view.ts';
import { Unpacker } from './unpacker.ts';
import { View } from './view.ts';

/**
 * Known values in any disguise: what `known-values.ts` finds in the stream itself, the same by its letters and digits
 * alone, pieces of values, all of that without escapes, and in what words of digits unfold to, three layers deep.
 */
/** Bytes that unfolding may make of each byte of input, and of an input however short it is. */
const WORK_PER_BYTE = 64;
const WORK_FREE = 1024 * 1024;
/** What must be open at the end of what a word decodes to for it to be held: fewer characters may leave (SECURITY S17). */
const OPEN_CHARS = 5;
/** What is looked at in one go: what is in the processor's cache is looked at fastest. */
const BLOCK_BYTES = 32 * 1024;
/** Of what is no text so much is searched at a time: escapes in it that are none cost no more than that. */
const NOISE_BYTES = 4 * 1024;
/** A word that goes on beyond this is looked at in parts, which overlap. */
const WINDOW_BYTES = 16 * 1024;
const OVERLAP_BYTES = 4 * 1024;

/** Packed data within packed data, as deep as anybody packs it. */
const PACKED_DEPTH = 3;

interface DeepOptions {
  /** What is scanned leaves the bottle: short pieces of values are remembered. */
  readonly leaves: boolean;
  readonly unpack?: Unpack | null;
  readonly packedDepth?: number;
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

/** The stream without its escapes, while it differs from the stream. */
interface Unescaped {
  readonly unescaper: Unescaper;
  readonly values: View;
  readonly pieces: PieceView;
  readonly letters: SkeletonView;
  /** Bytes that its pieces were told of. */
  length: number;
}

/** The word at the end of what was pushed. */
interface OpenWord {
  readonly bytes: Uint8Array;
  readonly start: number;
}
const NO_WORD: OpenWord = { bytes: new Uint8Array(0), start: 0 };

class DeepScanner implements BodyScanner {
  readonly #known: KnownValues;
  readonly #tables: DeepTables;
  readonly #place: string;
  readonly #plain: ReturnType<typeof createBodyScanner>;
  readonly #pieces: PieceView;
  readonly #letters: SkeletonView;
  readonly #ledger: KnownValues['ledger'] | null;
  readonly #layers: Layers;
  readonly #unpacker: Unpacker;
  readonly #options: DeepOptions;
  #unescaped: Unescaped | null = null;
  #word: OpenWord = NO_WORD;
  /** How long the open word was when it was last judged, and what came of it. */
  #judged: { readonly start: number; readonly length: number; readonly held: boolean } | null = null;
  #pushed = 0;
  #released = 0;
  #barrier = Number.POSITIVE_INFINITY;
  #findings: Finding[] = [];

  constructor(known: KnownValues, place: string, options: DeepOptions) {
    const { leaves, unpack = null } = options;
    this.#options = options;
    this.#unpacker = new Unpacker(unpack);
    this.#known = known;
    this.#tables = deepTablesOf(known);
    this.#place = place;
    this.#ledger = leaves ? known.ledger : null;
    this.#plain = createBodyScanner(known, place);
    this.#pieces = new PieceView(this.#tables.pieces, this.#ledger);
    this.#letters = new SkeletonView(this.#tables.skeletons);
    this.#layers = new Layers({ known, tables: this.#tables, ledger: this.#ledger });
  }

  push(chunk: Uint8Array): ScanProgress {
    let plain = this.#plain.push(chunk.subarray(0, 0));
    for (let at = 0; at < chunk.length;) {
      const noisy = isNoisy(chunk, at);
      let to = at + PART_BYTES;
      while (to < chunk.length && to - at < BLOCK_BYTES && isNoisy(chunk, to) === noisy) to += PART_BYTES;
      const block = chunk.subarray(at, Math.min(to, chunk.length));
      plain = noisy ? this.#pushNoise(block) : this.#pushText(block);
      at = to;
    }
    this.#judgeWord();
    return this.#progress(plain, this.#heldFrom(plain.certain));
  }

  end(): ScanProgress {
    const plain = this.#plain.end();
    this.#findings.push(...plain.findings);
    this.#endText();
    this.#unpacker.end();
    this.#lookIntoPacked();
    return this.#progress(plain, this.#pushed);
  }

  /** Bytes of an image, of an archive: nobody takes escapes off them, or decodes a word of theirs. */
  #pushNoise(block: Uint8Array): ScanProgress {
    let plain = this.#plain.push(block.subarray(0, NOISE_BYTES));
    this.#findings.push(...plain.findings);
    for (let at = NOISE_BYTES; at < block.length; at += NOISE_BYTES) {
      plain = this.#plain.push(block.subarray(at, at + NOISE_BYTES));
      this.#findings.push(...plain.findings);
    }
    this.#endText();
    this.#unpacker.pushRaw(block);
    this.#pushLetters(block);
    this.#pushed += block.length;
    this.#lookIntoPacked();
    return plain;
  }

  #pushText(block: Uint8Array): ScanProgress {
    const plain = this.#plain.push(block);
    this.#findings.push(...plain.findings);
    const segment = segmentOf(block, this.#pushed);
    this.#unpacker.pushRaw(block);
    if (this.#unescaped === null && hasEscape(block)) this.#unescaped = this.#beginUnescaped();
    this.#pushLetters(block);
    const text =
      this.#unescaped === null
        ? segment
        : this.#pushUnescaped(this.#unescaped, this.#unescaped.unescaper.push(segment));
    this.#look(text);
    this.#pushed += block.length;
    this.#dropUnescaped();
    this.#lookIntoPacked();
    return plain;
  }

  #pushLetters(block: Uint8Array): void {
    const start = this.#pushed;
    this.#pieces.push(block, start, this.#reportPiece);
    this.#letters.push(block, (at) => start + at, this.#reportLetters);
  }

  /** The text that was open is at its end. */
  #endText(): void {
    if (this.#unescaped !== null) this.#look(this.#pushUnescaped(this.#unescaped, this.#unescaped.unescaper.flush()));
    this.#unescaped = null;
    this.#lookAtWord(true);
    this.#word = NO_WORD;
  }

  /** Its views begin with what those of the stream hold open. */
  #beginUnescaped(): Unescaped {
    return {
      unescaper: new Unescaper(),
      values: new View(this.#known.matcher, this.#openValues()),
      pieces: new PieceView(this.#tables.pieces, this.#ledger, this.#pieces),
      letters: new SkeletonView(this.#tables.skeletons, this.#letters),
      length: this.#pushed,
    };
  }

  #openValues(): Segment {
    return this.#plain.open;
  }

  #pushUnescaped(view: Unescaped, segment: Segment): Segment {
    const { values, pieces, letters } = view;
    values.push(segment, ({ pattern, start, end, decoded }) => {
      const owner = this.#known.owners[pattern];
      if (owner !== undefined && decoded) this.#report({ ...owner, encoding: 'nested', start, end });
    });
    const { length } = view;
    pieces.push(segment.bytes, length, ({ name, start, end }) => {
      this.#reportPiece({ name, start: placeIn(segment, start - length), end: placeIn(segment, end - length) });
    });
    view.length += segment.bytes.length;
    letters.push(segment.bytes, (at) => startOf(segment, at), this.#reportLetters);
    return segment;
  }

  /** A view that holds open just what the stream's own does can't differ from it any more. */
  #dropUnescaped(): void {
    if (this.#unescaped === null) return;
    const { unescaper, values, letters } = this.#unescaped;
    const own = this.#openValues();
    const same =
      unescaper.undecidedFrom === null &&
      values.open.bytes.length === own.bytes.length &&
      letters.open.length === this.#letters.open.length &&
      letters.open.start === this.#letters.open.start;
    if (same) this.#unescaped = null;
  }

  /** The words of the text, with the one that was open; the last one stays open while it may go on. */
  #look(segment: Segment): void {
    const { bytes } = segment;
    if (bytes.length === 0) return;
    const { bytes: before, start: wordStart } = this.#word;
    const text = before.length === 0 ? bytes : concat(before, bytes);
    const placeOf = (at: number): number =>
      at < before.length ? wordStart + at : startOf(segment, at - before.length);
    let open = text.length;
    while (open > 0 && text.length - open < WINDOW_BYTES && isWord(text[open - 1] ?? 0)) open -= 1;
    const whole = open > 0 && isWord(text[open - 1] ?? 0);
    // A word that fills the window is looked at as far as it goes; its end is looked at again with what follows.
    const from = whole ? text.length - OVERLAP_BYTES : open;
    const looked = whole ? text : text.subarray(0, open);
    this.#unpacker.pushText(looked, placeOf);
    this.#layers.look(looked, placeOf, this.#allowed(text.length), {
      onMatch: this.#reportNested,
      onStretch: (stretch) => {
        if (this.#unpacker.pushStretch(stretch, false)) this.#unpacker.begin(stretch);
      },
    });
    this.#word = { bytes: text.slice(from), start: placeOf(from) };
  }

  /** Whether it says something that may go on. */
  #lookAtWord(final: boolean): boolean {
    const { bytes, start } = this.#word;
    const end = Math.max(this.#pushed, start + bytes.length);
    const placeOf = (at: number): number => (at >= bytes.length ? end : start + at);
    let packed = false;
    if (final) this.#unpacker.pushText(bytes, placeOf);
    const goesOn = this.#layers.look(bytes, placeOf, this.#allowed(bytes.length), {
      onMatch: this.#reportNested,
      onStretch: (stretch) => {
        packed = this.#unpacker.pushStretch(stretch, final) || packed;
      },
    });
    return goesOn || packed;
  }

  /** What was packed is a stream of its own. */
  #lookIntoPacked(): void {
    const { packedDepth = 0 } = this.#options;
    for (const { start, end, bytes } of this.#unpacker.take()) {
      if (bytes === null || packedDepth === PACKED_DEPTH) {
        this.#report({ rule: 'unscannable', name: 'packed data', encoding: 'nested', start, end });
        continue;
      }
      const inner = new DeepScanner(this.#known, this.#place, { ...this.#options, packedDepth: packedDepth + 1 });
      const found = [...inner.push(bytes).findings, ...inner.end().findings];
      for (const { name, rule } of found) this.#report({ name, rule, encoding: 'nested', start, end });
    }
  }

  #allowed(more: number): number {
    return WORK_FREE + (this.#pushed + more) * WORK_PER_BYTE;
  }

  /** A word that goes on is held while what it says so far is a text. */
  #judgeWord(): void {
    const { bytes, start } = this.#word;
    const before = this.#judged;
    // Looked at anew only when it grew by an eighth: a byte at a time costs no more than a block at a time.
    if (before?.start === start && (bytes.length - before.length) * 8 < bytes.length) return;
    this.#judged = { start, length: bytes.length, held: this.#lookAtWord(false) };
  }

  readonly #reportPiece = ({ name, start, end }: { name: string; start: number; end: number }): void => {
    this.#report({ name, rule: 'known_secret', encoding: 'piece', start, end });
  };
  readonly #reportLetters = ({ pattern, start, end }: { pattern: number; start: number; end: number }): void => {
    const owner = this.#tables.owners[pattern];
    if (owner !== undefined) this.#report({ ...owner, encoding: 'separated', start, end });
  };
  readonly #reportNested = (match: Omit<Finding, 'encoding' | 'place'>): void => {
    this.#report({ ...match, encoding: 'nested' });
  };

  #report(found: Omit<Finding, 'place'> & { readonly encoding: Encoding }): void {
    this.#findings.push({ ...found, place: this.#place });
    this.#barrier = Math.min(this.#barrier, found.start);
  }

  #heldFrom(plain: number): number {
    const held = [plain, this.#pushed, this.#unpacker.heldFrom];
    const views = [this.#letters, ...(this.#unescaped === null ? [] : [this.#unescaped.letters])];
    for (const { open } of views) if (open.length >= OPEN_CHARS) held.push(open.start);
    if (this.#unescaped !== null) {
      const { unescaper, values } = this.#unescaped;
      held.push(unescaper.undecidedFrom ?? this.#pushed);
      if (values.open.bytes.length > 0) held.push(values.open.start);
    }
    if (this.#judged?.held === true && this.#judged.start === this.#word.start) held.push(this.#word.start);
    return Math.min(...held);
  }

  #progress(plain: ScanProgress, certain: number): ScanProgress {
    const findings = distinct(this.#findings);
    this.#findings = [];
    // The first few characters of a word may have left before it was long enough to say anything.
    this.#released = Math.max(this.#released, Math.min(plain.release, certain, this.#barrier));
    return { release: this.#released, certain, findings };
  }
}

/** A piece may begin in what was pushed before. */
const placeIn = (segment: Segment, at: number): number =>
  at < 0 ? segment.start + at : startOf(segment, Math.min(at, segment.bytes.length));

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
