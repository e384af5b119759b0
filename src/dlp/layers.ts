import { Arena, LEAST_READING } from './arena.ts';
import { findMatches } from './block-shift.ts';
import type { DeepTables } from './deep-tables.ts';
import { BASE64, forEachStretch, HEX } from './digit-codes.ts';
import { addDigits, addWide, type PlaceOf } from './digits.ts';
import { unescapeBytes, unquoteBytes } from './escapes.ts';
import type { FindingRule, KnownValues } from './known-values.ts';
import { PieceView } from './pieces.ts';
import { placeLetters, SKELETON_START, writeSkeleton } from './skeleton.ts';

export interface LayerMatch {
  readonly rule: FindingRule;
  readonly name: string;
  /** Of the stream: the run that unfolds to it. */
  readonly start: number;
  readonly end: number;
}
export interface DigitStretch {
  readonly text: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly placeOf: PlaceOf;
  /** It stands in the text that was given, not in what that unfolds to. */
  readonly outermost: boolean;
}
interface LayerEvents {
  readonly onMatch: (match: LayerMatch) => void;
  /** Lent: the text is good until this returns. */
  readonly onStretch: (stretch: DigitStretch) => void;
}

/** Layers of encoding below the text that is given. */
const DEPTH = 3;

/** Lent to one look at a time: what texts unfold to is made in the same room for all of them. */
const arenas = Array.from({ length: DEPTH }, () => new Arena());
let letterRoom = new Uint8Array(4096);

/** What known values are looked for in, and which of their pieces have left. */
export interface LayerParts {
  readonly known: KnownValues;
  readonly tables: DeepTables;
  readonly ledger: KnownValues['ledger'] | null;
}

/** Takes layers of encoding off a text, as many as anybody puts on, and looks for known values below each. */
export class Layers {
  readonly #parts: LayerParts;
  /** Bytes that were unfolded so far. */
  work = 0;

  constructor(parts: LayerParts) {
    this.#parts = parts;
  }

  /** Whether a reading goes on to the end of the text. */
  look(text: Uint8Array, placeOf: PlaceOf, allowed: number, { onMatch, onStretch }: LayerEvents): boolean {
    const end = placeOf(text.length);
    let goesOn = false;
    let above = text;
    let placeAbove = placeOf;
    for (const arena of arenas) {
      arena.clear();
      const [outer, place] = [above, placeAbove];
      unfoldInto(outer, place, arena);
      forEachStretch(outer, BASE64, LONG_DIGITS, (from, to) => {
        addWide(outer, from, to, place, arena);
        onStretch({ text: outer, from, to, placeOf: place, outermost: outer === text });
      });
      if (arena.length === 0) return goesOn;
      if (above === text) goesOn = arena.reaches(end);
      this.work += arena.length;
      if (this.work > allowed) {
        const { start } = arena.placeOf(0);
        onMatch({ rule: 'unscannable', name: 'what it unfolds to', start, end: arena.placeOf(arena.length - 1).end });
        return true;
      }
      this.#search(arena, onMatch);
      above = arena.bytes;
      placeAbove = (at) => arena.placeOf(Math.min(at, arena.length - 1)).start;
    }
    return goesOn;
  }

  #search(arena: Arena, onMatch: LayerEvents['onMatch']): void {
    const { known, tables, ledger } = this.#parts;
    const { bytes } = arena;
    findMatches(known.matcher, bytes, 0, (pattern, from) => {
      const owner = known.owners[pattern];
      if (owner !== undefined) onMatch({ rule: owner.rule, name: owner.name, ...arena.placeOf(from) });
    });
    new PieceView(tables.pieces, ledger).push(bytes, 0, ({ name, start }) => {
      onMatch({ rule: 'known_secret', name, ...arena.placeOf(start) });
    });
    if (tables.owners.length === 0) return;
    if (letterRoom.length < bytes.length) letterRoom = new Uint8Array(bytes.length * 2);
    const { length } = writeSkeleton(bytes, SKELETON_START, letterRoom);
    findMatches(tables.skeletons, letterRoom.subarray(0, length), 0, (pattern, from) => {
      const owner = tables.owners[pattern];
      if (owner !== undefined) onMatch({ ...owner, ...arena.placeOf(letterAt(bytes, from)) });
    });
  }
}

/** Where the letter of that number stands in the bytes. */
function letterAt(bytes: Uint8Array, number: number): number {
  let seen = 0;
  let place = 0;
  placeLetters(bytes, SKELETON_START, (start) => {
    if (seen === number) place = start;
    seen += 1;
  });
  return place;
}

/** Packed data, and texts of wide characters, take no fewer. */
const LONG_DIGITS = 20;

function unfoldInto(text: Uint8Array, placeOf: PlaceOf, arena: Arena): void {
  addDigits(text, placeOf, arena);
  for (const { from, to } of escapedRuns(text)) {
    const run = text.subarray(from, to);
    for (const reading of [unescapeBytes(run), unquoteBytes(run)]) {
      if (reading === null) continue;
      const { into, at } = arena.reserve(reading.length);
      into.set(reading, at);
      if (reading.length >= LEAST_READING) arena.close(reading.length, placeOf(from), placeOf(to));
    }
  }
}

const [PERCENT, AMPERSAND, EQUALS, BACKSLASH] = [37, 38, 61, 92];
const WORD = Uint8Array.from({ length: 256 }, (_, byte) => {
  const letter = (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
  return letter || '+/:-_=%&#;\\.~{}'.includes(String.fromCharCode(byte)) ? 1 : 0;
});
export const isWord = (byte: number): boolean => WORD[byte] === 1;

const ESCAPES = [BACKSLASH, PERCENT, AMPERSAND, EQUALS];

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Shorter runs say less than eight characters. */
const RUN_SHORTEST = 11;

/** The runs that hold an escape, of any kind. Texts hold few: they are found by it, not by their letters. */
function escapedRuns(text: Uint8Array): readonly Span[] {
  const runs = new Map<number, Span>();
  for (const escape of ESCAPES) {
    let to = 0;
    for (let at = text.indexOf(escape); at !== -1; at = text.indexOf(escape, Math.max(at + 1, to))) {
      if (!isLikely(text, at)) continue;
      let from = at;
      while (from > to && isWord(text[from - 1] ?? 0)) from -= 1;
      to = at + 1;
      while (to < text.length && isWord(text[to] ?? 0)) to += 1;
      if (to - from >= RUN_SHORTEST) runs.set(from, { from, to });
    }
  }
  return [...runs.values()];
}

/** Assignments and percentages are everywhere: what follows tells them from an escape. */
function isLikely(text: Uint8Array, at: number): boolean {
  const next = text[at + 1] ?? 0;
  switch (text[at]) {
    case PERCENT:
      return isHex(next) || next === 117;
    case EQUALS:
      return isHex(next) && isHex(text[at + 2] ?? 0);
    case AMPERSAND:
      return next === 35 || (next | 32) >= 97;
    default:
      return isWord(next);
  }
}

const isHex = (byte: number): boolean => (HEX[byte] ?? -1) !== -1;
