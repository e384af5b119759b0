import { buildMatcher, type Matcher } from './block-shift.ts';
import { byteReadings, patternsOf, type Encoding } from './encodings.ts';
import { PieceLedger } from './piece-ledger.ts';
import { firstPercentEscape, PercentDecoder } from './percent-decoder.ts';
import { joinSegments, segmentOf, type Segment } from './segment.ts';
import { View, type ViewMatch } from './view.ts';

/**
 * Finds the known values of a bottle in what leaves it: as they are, percent-escaped up to twice in any mix, in base64
 * at every alignment, in hex in any case. Everything is incremental, and what may leave is exact: a byte is held only
 * while it could still be part of a match.
 * `deep-scanner.ts` adds what has to be unfolded first, and values sent in pieces.
 */
/** A value that must not leave; a stand-in for one, which is harmless but belongs in one place only (SECURITY S9). */
export type FindingRule = 'known_secret' | 'placeholder' | 'unscannable';

export interface Finding {
  readonly rule: FindingRule;
  readonly name: string;
  readonly encoding: Encoding;
  readonly place: string;
  /** Byte positions in what was pushed; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
}

interface PatternOwner {
  readonly rule: FindingRule;
  readonly name: string;
  readonly encoding: Encoding;
}
export interface KnownValues {
  readonly values: readonly KnownValue[];
  /** Which pieces of them have left already; shared by everything of one bottle. */
  readonly ledger: PieceLedger;
  readonly matcher: Matcher;
  /** By pattern of the matcher. */
  readonly owners: readonly PatternOwner[];
  readonly size: number;
}

export interface KnownValue {
  readonly name: string;
  readonly value: string;
  readonly rule?: FindingRule;
}

/** An empty value can't be found and is left out; which other values are worth looking for is the policy's question. */
export function buildKnownValues(values: readonly KnownValue[], ledger: PieceLedger = new PieceLedger()): KnownValues {
  const distinct = new Map(
    values.filter(({ value }) => value !== '').map((entry) => [`${entry.name}\0${entry.value}`, entry]),
  );
  const all = [...distinct.values()].flatMap(({ name, value, rule = 'known_secret' }) =>
    patternsOf(value).map((pattern) => ({ name, rule, ...pattern })),
  );
  return {
    values: [...distinct.values()],
    ledger,
    matcher: buildMatcher(all.map(({ bytes, encoding }) => ({ bytes, foldCase: encoding === 'hex' }))),
    owners: all.map(({ name, encoding, rule }) => ({ name, encoding, rule })),
    size: distinct.size,
  };
}

export interface ScanProgress {
  /** How many of all bytes pushed so far may leave now. Never past the beginning of a finding. */
  readonly release: number;
  /** The same without regard to findings: no match that is still open begins before it. */
  readonly certain: number;
  /** What became certain since the last call, in the order of its end. */
  readonly findings: readonly Finding[];
}
export interface BodyScanner {
  push(chunk: Uint8Array): ScanProgress;
  /** No more bytes will come: what was held only for its possible continuation is free. */
  end(): ScanProgress;
}

interface ValueScanner extends BodyScanner {
  /** What may still become a match as it stands. */
  readonly open: Segment;
}

export function createBodyScanner(known: KnownValues, place: string): ValueScanner {
  return new Scanner(known, place);
}

/**
 * All findings in a text, whichever bytes it stands for. Positions count bytes of its UTF-8 form, or of one byte per
 * character for a value that only that reading shows.
 */
export function scanText(known: KnownValues, text: string, place: string): readonly Finding[] {
  const [first = [], second = []] = byteReadings(text).map((bytes) => scanBytes(known, bytes, place));
  return [...first, ...second.filter(({ name }) => !first.some((finding) => finding.name === name))];
}

export function scanBytes(known: KnownValues, bytes: Uint8Array, place: string): readonly Finding[] {
  if (known.size === 0) return [];
  const scanner = new Scanner(known, place);
  return [...scanner.push(bytes).findings, ...scanner.end().findings];
}

/** The view of a stream with its escapes decoded, once or twice. */
interface DecodedView {
  readonly decoder: PercentDecoder;
  readonly view: View;
}

class Scanner implements ValueScanner {
  readonly #known: KnownValues;
  readonly #place: string;
  readonly #plain: View;
  /** Each decodes what the one before it shows. None while their views would show the very same bytes as the plain one. */
  #decoded: readonly DecodedView[] = [];
  #pushed = 0;
  #barrier = Number.POSITIVE_INFINITY;
  #findings: Finding[] = [];

  constructor(known: KnownValues, place: string) {
    this.#known = known;
    this.#place = place;
    this.#plain = new View(known.matcher);
  }

  get open(): Segment {
    return this.#plain.open;
  }

  push(chunk: Uint8Array): ScanProgress {
    if (this.#known.size > 0) {
      this.#decode(chunk);
      this.#plain.push(segmentOf(chunk, this.#pushed), this.#reportPlain);
    }
    this.#pushed += chunk.length;
    this.#dropIdleViews();
    return this.#progress(this.#heldFrom());
  }

  end(): ScanProgress {
    let rest: Segment = segmentOf(new Uint8Array(0), this.#pushed);
    for (const { decoder, view } of this.#decoded) {
      rest = joinSegments(decoder.push(rest), decoder.flush());
      view.push(rest, this.#reportDecoded);
    }
    return this.#progress(this.#pushed);
  }

  /** Before the plain view takes the chunk: decoded views begin with what that one holds open. */
  #decode(chunk: Uint8Array): void {
    let from = 0;
    if (this.#decoded.length === 0) {
      const escape = firstPercentEscape(chunk);
      if (escape === -1) return;
      // A match with a decoded byte begins at most this far before it: what lies further ahead needs no second look.
      from = Math.max(0, escape - this.#known.matcher.longest);
      const open = from === 0 ? this.#plain.open : undefined;
      this.#decoded = [1, 2].map(() => ({ decoder: new PercentDecoder(), view: new View(this.#known.matcher, open) }));
    }
    let segment: Segment = segmentOf(chunk.subarray(from), this.#pushed + from);
    for (const { decoder, view } of this.#decoded) {
      segment = decoder.push(segment);
      view.push(segment, this.#reportDecoded);
    }
  }

  /** Decoded views that hold open what the plain one holds, with nothing decoded in it, can't differ from it any more. */
  #dropIdleViews(): void {
    const open = this.#plain.open.bytes.length;
    const idle = this.#decoded.every(
      ({ decoder, view }) =>
        decoder.undecidedFrom === null && view.open.bytes.length === open && view.open.start === this.#plain.open.start,
    );
    if (idle) this.#decoded = [];
  }

  readonly #reportPlain = (match: ViewMatch): void => {
    this.#report(match, false);
  };
  /** Without a decoded byte in it the view before has the same match. */
  readonly #reportDecoded = (match: ViewMatch): void => {
    if (match.decoded) this.#report(match, true);
  };

  #report({ pattern, start, end }: ViewMatch, escaped: boolean): void {
    const owner = this.#known.owners[pattern];
    if (owner === undefined) return;
    const encoding = escaped ? 'percent' : owner.encoding;
    this.#findings.push({ rule: owner.rule, name: owner.name, encoding, place: this.#place, start, end });
    this.#barrier = Math.min(this.#barrier, start);
  }

  #progress(release: number): ScanProgress {
    const findings = this.#findings.sort((left, right) => left.end - right.end || left.start - right.start);
    this.#findings = [];
    return { release: Math.min(release, this.#barrier), certain: release, findings };
  }

  /** The first byte that some view still needs: everything before it may leave. */
  #heldFrom(): number {
    const views = [this.#plain, ...this.#decoded.map(({ view }) => view)];
    return Math.min(
      this.#pushed,
      ...views.filter(({ open }) => open.bytes.length > 0).map(({ open }) => open.start),
      ...this.#decoded.map(({ decoder }) => decoder.undecidedFrom ?? this.#pushed),
    );
  }
}
