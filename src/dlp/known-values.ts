import { buildAutomaton, type Automaton } from './automaton.ts';
import { patternsOf, type Encoding } from './encodings.ts';
import { PercentDecoder } from './percent-decoder.ts';

/**
 * Finds the known values of a bottle in what leaves it: as they are, percent-escaped up to twice in any mix, in base64
 * at every alignment, in hex in any case. Everything is incremental, and what may leave is exact: a byte is held only
 * while it could still be part of a match.
 */
export interface Finding {
  readonly rule: 'known_secret';
  readonly name: string;
  readonly encoding: Encoding;
  readonly place: string;
  /** Byte positions in what was pushed; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
}

interface PatternOwner {
  readonly name: string;
  readonly encoding: Encoding;
  readonly length: number;
}
interface PatternSet {
  readonly automaton: Automaton;
  readonly owners: readonly PatternOwner[];
}
export interface KnownValues {
  /** Raw and base64, letter case as it is. */
  readonly exact: PatternSet;
  /** Hex, on a view folded to lower case. */
  readonly folded: PatternSet;
  readonly size: number;
}

export function buildKnownValues(values: readonly { readonly name: string; readonly value: string }[]): KnownValues {
  const all = values
    .filter(({ value }) => value !== '')
    .flatMap(({ name, value }) => patternsOf(value).map((pattern) => ({ name, ...pattern })));
  return {
    exact: patternSet(all.filter(({ encoding }) => encoding !== 'hex')),
    folded: patternSet(all.filter(({ encoding }) => encoding === 'hex')),
    size: values.length,
  };
}

function patternSet(patterns: readonly { name: string; encoding: Encoding; bytes: Uint8Array }[]): PatternSet {
  return {
    automaton: buildAutomaton(patterns.map(({ bytes }) => bytes)),
    owners: patterns.map(({ name, encoding, bytes }) => ({ name, encoding, length: bytes.length })),
  };
}

export interface ScanProgress {
  /** How many of all bytes pushed so far may leave now. */
  readonly release: number;
  readonly findings: readonly Finding[];
}
export interface BodyScanner {
  push(chunk: Uint8Array): ScanProgress;
  /** No more bytes will come: what was held only for its possible continuation is free. */
  end(): ScanProgress;
}

export function createBodyScanner(known: KnownValues, place: string): BodyScanner {
  return new Scanner(known, place);
}

/** All findings in a text, positions in its UTF-8 bytes. */
export function scanText(known: KnownValues, text: string, place: string): readonly Finding[] {
  return scanBytes(known, new TextEncoder().encode(text), place);
}

export function scanBytes(known: KnownValues, bytes: Uint8Array, place: string): readonly Finding[] {
  if (known.size === 0) return [];
  const scanner = new Scanner(known, place);
  return [...scanner.push(bytes).findings, ...scanner.end().findings];
}

const PERCENT = 37;

class Scanner implements BodyScanner {
  readonly #known: KnownValues;
  readonly #place: string;
  readonly #plain: View;
  /** The percent-decoded views come into being with the first `%`: until then they would see the very same bytes. */
  #once: View | null = null;
  #twice: View | null = null;
  readonly #first = new PercentDecoder();
  readonly #second = new PercentDecoder();
  #pushed = 0;
  #findings: Finding[] = [];

  constructor(known: KnownValues, place: string) {
    this.#known = known;
    this.#place = place;
    this.#plain = new View(known);
  }

  push(chunk: Uint8Array): ScanProgress {
    if (this.#known.size === 0) {
      this.#pushed += chunk.length;
      return { release: this.#pushed, findings: [] };
    }
    const escape = this.#once === null ? chunk.indexOf(PERCENT) : 0;
    const plainOnly = escape === -1 ? chunk.length : escape;
    if (plainOnly > 0) this.#plain.pushRun(chunk, plainOnly, this.#pushed, this.#report);
    if (plainOnly < chunk.length) this.#pushAllViews(chunk, plainOnly);
    this.#pushed += chunk.length;
    return this.#progress(this.#heldFrom());
  }

  end(): ScanProgress {
    const { once, twice } = this.#decodedViews();
    this.#first.flush((byte, origin) => {
      this.#emitOnce(once, twice, byte, origin, this.#pushed);
    });
    this.#second.flush((byte, origin) => {
      twice.push(byte, origin, this.#pushed, 'percent', this.#report);
    });
    return this.#progress(this.#pushed);
  }

  readonly #report = (owner: PatternOwner, encoding: Encoding, start: number, end: number): void => {
    const known = this.#findings.some((finding) => finding.name === owner.name && finding.start === start);
    if (known) return;
    this.#findings.push({ rule: 'known_secret', name: owner.name, encoding, place: this.#place, start, end });
  };

  #progress(release: number): ScanProgress {
    const findings = this.#findings;
    this.#findings = [];
    return { release, findings };
  }

  #decodedViews(): { once: View; twice: View } {
    this.#once ??= this.#plain.fork();
    this.#twice ??= this.#plain.fork();
    return { once: this.#once, twice: this.#twice };
  }

  #pushAllViews(chunk: Uint8Array, from: number): void {
    const { once, twice } = this.#decodedViews();
    for (let index = from; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      const origin = this.#pushed + index;
      this.#plain.push(byte, origin, origin + 1, null, this.#report);
      this.#first.push(byte, origin, (decoded, start) => {
        this.#emitOnce(once, twice, decoded, start, origin + 1);
      });
    }
  }

  #emitOnce(once: View, twice: View, byte: number, origin: number, end: number): void {
    once.push(byte, origin, end, 'percent', this.#report);
    this.#second.push(byte, origin, (decoded, start) => {
      twice.push(decoded, start, end, 'percent', this.#report);
    });
  }

  /** The first byte that some view still needs: everything before it may leave. */
  #heldFrom(): number {
    const waiting = [
      this.#plain.heldFrom(this.#pushed),
      this.#once?.heldFrom(this.#pushed),
      this.#twice?.heldFrom(this.#pushed),
      this.#first.pendingFrom,
      this.#second.pendingFrom,
    ];
    return waiting.reduce<number>((least, from) => Math.min(least, from ?? this.#pushed), this.#pushed);
  }
}

type Report = (owner: PatternOwner, encoding: Encoding, start: number, end: number) => void;

/** Both automata over one view of the stream, with the places that the last bytes came from. */
class View {
  readonly #known: KnownValues;
  readonly #origins: Float64Array;
  #count = 0;
  #exact = 0;
  #folded = 0;

  constructor(known: KnownValues) {
    this.#known = known;
    this.#origins = new Float64Array(Math.max(1, known.exact.automaton.longest, known.folded.automaton.longest));
  }

  fork(): View {
    const copy = new View(this.#known);
    copy.#origins.set(this.#origins);
    copy.#count = this.#count;
    copy.#exact = this.#exact;
    copy.#folded = this.#folded;
    return copy;
  }

  push(byte: number, origin: number, end: number, encoding: Encoding | null, report: Report): void {
    this.#origins[this.#count % this.#origins.length] = origin;
    this.#count += 1;
    this.#exact = this.#step(this.#known.exact, this.#exact, byte, end, encoding, report);
    this.#folded = this.#step(this.#known.folded, this.#folded, foldCase(byte), end, encoding, report);
  }

  /**
   * The hot path: bytes of the stream itself, whose places need no bookkeeping but for the last ones. States and
   * tables are locals because the engine keeps those in registers: ten times the speed of the same loop on fields.
   */
  pushRun(chunk: Uint8Array, length: number, base: number, report: Report): void {
    const { next: exactNext, classes: exactClasses, accepting: exactAccepting } = this.#known.exact.automaton;
    const { next: foldedNext, classes: foldedClasses, accepting: foldedAccepting } = this.#known.folded.automaton;
    let exact = this.#exact;
    let folded = this.#folded;
    for (let index = 0; index < length; index += 1) {
      const byte = chunk[index] ?? 0;
      exact = exactNext[exact + (exactClasses[byte] ?? 0)] ?? 0;
      folded = foldedNext[folded + (foldedClasses[foldCase(byte)] ?? 0)] ?? 0;
      if (exactAccepting[exact] === 1 || foldedAccepting[folded] === 1) {
        this.#reportPlain(exact, folded, base + index + 1, report);
      }
    }
    this.#exact = exact;
    this.#folded = folded;
    const size = this.#origins.length;
    for (let index = Math.max(0, length - size); index < length; index += 1) {
      this.#origins[(this.#count + index) % size] = base + index;
    }
    this.#count += length;
  }

  heldFrom(pushed: number): number {
    const { exact, folded } = this.#known;
    const exactDepth = exact.automaton.depth[this.#exact / exact.automaton.width] ?? 0;
    const foldedDepth = folded.automaton.depth[this.#folded / folded.automaton.width] ?? 0;
    const depth = Math.max(exactDepth, foldedDepth);
    return depth === 0 ? pushed : (this.#origins[(this.#count - depth) % this.#origins.length] ?? 0);
  }

  #reportPlain(exact: number, folded: number, end: number, report: Report): void {
    for (const set of [this.#known.exact, this.#known.folded]) {
      const state = set === this.#known.exact ? exact : folded;
      for (const owner of owners(set, set.automaton.output[state / set.automaton.width])) {
        report(owner, owner.encoding, end - owner.length, end);
      }
    }
  }

  #step(set: PatternSet, state: number, byte: number, end: number, encoding: Encoding | null, report: Report): number {
    const { next, classes, output, width } = set.automaton;
    const after = next[state + (classes[byte] ?? 0)] ?? 0;
    for (const owner of owners(set, output[after / width])) {
      const start = this.#origins[(this.#count - owner.length) % this.#origins.length] ?? 0;
      report(owner, encoding ?? owner.encoding, start, end);
    }
    return after;
  }
}

function owners(set: PatternSet, indexes: readonly number[] | undefined): readonly PatternOwner[] {
  if (indexes === undefined) return [];
  return indexes.flatMap((index) => {
    const owner = set.owners[index];
    return owner === undefined ? [] : [owner];
  });
}

function foldCase(byte: number): number {
  return byte >= 65 && byte <= 70 ? byte + 32 : byte;
}
