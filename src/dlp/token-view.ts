import { BLOCK_BYTES } from './pattern/anchor.ts';
import { isWordByte } from './pattern/byte-set.ts';
import { DEAD, type Position, type StateTable } from './pattern/automaton.ts';
import { blockBefore, candidatesFor, nextBlock, type Candidate } from './block-filter.ts';
import { KiB } from '../kernel/limits.ts';
import { secretIn, type CompiledRule, type RuleSet } from './rule-set.ts';
import { joinSegments, segmentOf, sliceSegment, startOf, type Segment } from './segment.ts';

/** A secret that a rule found, with its place in the stream; `secret` is its bytes in this view. */
export interface TokenMatch {
  readonly rule: CompiledRule;
  readonly start: number;
  readonly end: number;
  /** Some byte of it, or one right beside it, was decoded in this view. */
  readonly decoded: boolean;
  readonly secret: Uint8Array;
}

/** A match under way when the bytes ran out; places count in the kept text. */
interface Run extends Position {
  readonly rule: number;
  readonly start: number;
  readonly at: number;
  /** Where the longest match so far ends, or -1. */
  readonly end: number;
}

/**
 * All rules over one view of a stream. A place that some rule may begin at is followed by that rule's automaton until
 * nothing goes on, the longest match counts. What is not decided when the bytes run out goes on with the next ones, so
 * no split hides a match.
 */
export class TokenView {
  readonly #set: RuleSet;
  /** What may still be looked at: matches under way, and what may stand before the next one. */
  #kept: Segment;
  #runs: readonly Run[];
  /** Where in the kept text a match may have begun whose block has not come yet, or -1. */
  #lateFrom = -1;
  /** Bytes that automata took: what a text costs, for tests that count instead of measuring time. */
  work = 0;

  constructor(set: RuleSet, like?: TokenView) {
    this.#set = set;
    this.#lateFrom = like === undefined ? -1 : like.#lateFrom;
    this.#kept = like === undefined ? segmentOf(new Uint8Array(0), 0) : like.#kept;
    this.#runs = like === undefined ? [] : like.#runs;
  }

  /** Where the first match that is under way begins in the stream, or null. */
  get heldFrom(): number | null {
    const late = this.#lateFrom === -1 ? Number.POSITIVE_INFINITY : this.#lateFrom;
    const first = this.#runs.reduce((least, { start }) => Math.min(least, start), late);
    return first === Number.POSITIVE_INFINITY ? null : startOf(this.#kept, first);
  }

  /** Whether it goes on like the other one, whatever comes: nothing decoded is in what either may still look at. */
  isLike(other: TokenView): boolean {
    return (
      this.#runs.length === other.#runs.length &&
      this.heldFrom === other.heldFrom &&
      this.#kept.bytes.length === other.#kept.bytes.length &&
      !(this.#kept.decoded?.includes(1) ?? false)
    );
  }

  push(segment: Segment, onMatch: (match: TokenMatch) => void): void {
    const text = joinInScratch(this.#kept, segment);
    const from = this.#kept.bytes.length;
    const runs: Run[] = [];
    for (const { rule, start, table, state, at, end } of this.#runs) {
      this.#follow(text, rule, start, table, state, at, end, runs, onMatch);
    }
    this.#search(text, from, runs, onMatch);
    this.#keep(text, runs);
  }

  /** No more bytes will come. */
  end(onMatch: (match: TokenMatch) => void): void {
    for (const run of this.#runs) {
      const compiled = this.#set.rules[run.rule];
      if (compiled === undefined) continue;
      const { start, end } = run;
      const longest = compiled.automaton.accepts(run, -1) ? this.#kept.bytes.length : end;
      this.#report(compiled, this.#kept, start, longest, onMatch);
    }
    this.#runs = [];
  }

  #search(text: Segment, from: number, runs: Run[], onMatch: (match: TokenMatch) => void): void {
    const { filter } = this.#set;
    const { bytes } = text;
    for (let at = nextBlock(filter, bytes, from); at !== -1; at = nextBlock(filter, bytes, at + 1)) {
      this.#begin(text, blockBefore(bytes, at + 1), at - BLOCK_BYTES + 1, runs, onMatch);
    }
  }

  /** A block of the list begins at `at`: which rules' matches does it belong to? */
  #begin(text: Segment, block: number, at: number, runs: Run[], onMatch: (match: TokenMatch) => void): void {
    const candidates = candidatesFor(this.#set.filter, block);
    for (let index = 0; index < candidates.length; index += 1) {
      const { rule, lead } = candidates[index] ?? NO_CANDIDATE;
      const start = at - lead;
      const compiled = this.#set.rules[rule];
      if (start < 0 || compiled === undefined) continue;
      const { table, state } = compiled.automaton.start(start === 0 ? -1 : (text.bytes[start - 1] ?? -1));
      this.#follow(text, rule, start, table, state, start, -1, runs, onMatch);
    }
  }

  /** The hot path: numbers instead of an object for each place that only begins like a match. */
  #follow(
    text: Segment,
    rule: number,
    start: number,
    startTable: StateTable,
    startState: number,
    from: number,
    longest: number,
    runs: Run[],
    onMatch: (match: TokenMatch) => void,
  ): void {
    const compiled = this.#set.rules[rule];
    if (compiled === undefined) return;
    const { automaton, window } = compiled;
    const { classes, width } = automaton;
    const { bytes } = text;
    const limit = Math.min(bytes.length, start + window);
    let table = startTable;
    let state = startState;
    let at = from;
    let end = longest;
    for (; at < limit; at += 1) {
      const byteClass = classes[bytes[at] ?? 0] ?? 0;
      let next = table.next[state * width + byteClass] ?? DEAD;
      if (next < DEAD) {
        ({ table, state } = automaton.extend({ table, state }, byteClass));
        next = table.next[state * width + byteClass] ?? DEAD;
      }
      if (table.accepts[state * width + byteClass] === 1) end = at;
      if (next === DEAD) break;
      state = next;
    }
    this.work += at - from + 1;
    // Even a match that is as long as it may be wants to know what comes after it.
    if (at === limit && limit === bytes.length) {
      runs.push({ rule, start, table, state, at, end });
      return;
    }
    if (at === limit && automaton.accepts({ table, state }, bytes[limit] ?? -1)) end = limit;
    if (end !== -1) this.#report(compiled, text, start, end, onMatch);
  }

  #report(rule: CompiledRule, text: Segment, start: number, end: number, onMatch: (match: TokenMatch) => void): void {
    if (end === -1) return;
    const span = secretIn(this.#set, rule, text.bytes, { start, end });
    if (span === null) return;
    onMatch({
      rule,
      start: startOf(text, span.start),
      end: startOf(text, span.end),
      decoded: text.decoded?.subarray(Math.max(0, start - 1), end + 1).includes(1) ?? false,
      secret: text.bytes.slice(span.start, span.end),
    });
  }

  /** Matches under way, the bytes before the next block, and one more: edges look at what stands before a match. */
  #keep(text: Segment, runs: readonly Run[]): void {
    const { length } = text.bytes;
    const open = runs.reduce((least, { start }) => Math.min(least, start), length);
    const from = Math.max(0, Math.min(open, length - this.#set.lead - BLOCK_BYTES) - 1);
    this.#kept = sliceSegment(text, from, length);
    this.#runs = runs.map((run) => ({
      ...run,
      start: run.start - from,
      at: run.at - from,
      end: run.end === -1 ? -1 : run.end - from,
    }));
    this.#lateFrom = this.#findLate();
  }

  /** Most texts end in the middle of no long word, and then there is nothing to follow. */
  #findLate(): number {
    const { bytes } = this.#kept;
    // Further ahead its block would have come by now.
    const first = Math.max(0, bytes.length - this.#set.lead - BLOCK_BYTES);
    let from = bytes.length;
    while (from > first && isTokenByte(bytes[from - 1] ?? 0)) from -= 1;
    for (let start = from; start + FREE_BYTES < bytes.length; start += 1) {
      for (const rule of this.#set.late) if (this.#goesOn(rule, start)) return start;
    }
    return -1;
  }

  #goesOn(rule: number, start: number): boolean {
    const compiled = this.#set.rules[rule];
    if (compiled === undefined) return false;
    const { bytes } = this.#kept;
    const { automaton } = compiled;
    let position = automaton.start(bytes[start - 1] ?? -1);
    for (let at = start; at < bytes.length; at += 1) {
      this.work += 1;
      const byteClass = automaton.classes[bytes[at] ?? 0] ?? 0;
      let next = position.table.next[position.state * automaton.width + byteClass] ?? DEAD;
      if (next < DEAD) {
        position = automaton.extend(position, byteClass);
        next = position.table.next[position.state * automaton.width + byteClass] ?? DEAD;
      }
      if (next === DEAD) return false;
      position = { table: position.table, state: next };
    }
    return true;
  }
}

const NO_CANDIDATE: Candidate = { rule: -1, lead: 0 };

/** Lent to one push at a time: what a stream's blocks are joined in is not made anew for each of them. */
let scratch = new Uint8Array(0);
const SCRATCH_MAX_BYTES = 256 * KiB;

function joinInScratch(left: Segment, right: Segment): Segment {
  const length = left.bytes.length + right.bytes.length;
  if (left.ends !== null || right.ends !== null || left.bytes.length === 0 || length > SCRATCH_MAX_BYTES) {
    return joinSegments(left, right);
  }
  if (scratch.length < length) scratch = new Uint8Array(Math.min(SCRATCH_MAX_BYTES, length * 2));
  scratch.set(left.bytes);
  scratch.set(right.bytes, left.bytes.length);
  return segmentOf(scratch.subarray(0, length), left.start);
}

/** What may leave of a match before it is known for one (SECURITY S17). */
const FREE_BYTES = 11;

/** Of what the late rules' matches begin with: letters, digits, `_` and `+-./:`. */
const isTokenByte = (byte: number): boolean =>
  isWordByte(byte) || byte === 43 || (byte >= 45 && byte <= 47) || byte === 58;
