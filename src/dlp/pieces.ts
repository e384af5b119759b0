import { buildMatcher, findMatches, openSuffix, type Matcher } from './block-shift.ts';
import type { KnownValue } from './known-values.ts';
import type { PieceLedger } from './piece-ledger.ts';
import { privateParts } from './private-parts.ts';

/**
 * Values that leave in pieces (SECURITY S18): a run of twelve of a value's private characters is a hit at once, shorter
 * runs are remembered until half of it has left. A run is a chain of grams of eight, each one character further.
 */
const GRAM = 8;
const RUN = 12;

interface Gram {
  readonly name: string;
  readonly part: string;
  readonly at: number;
}

export interface Pieces {
  readonly matcher: Matcher;
  /** By pattern of the matcher: everywhere it stands in the values. */
  readonly grams: readonly (readonly Gram[])[];
}

export interface PieceMatch {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export function buildPieces(values: readonly KnownValue[]): Pieces {
  const byText = new Map<string, Gram[]>();
  for (const { name, value, rule = 'known_secret' } of values) {
    if (rule !== 'known_secret') continue;
    for (const part of privateParts(value).filter(({ length }) => length >= RUN)) {
      for (let at = 0; at + GRAM <= part.length; at += 1) {
        const text = part.slice(at, at + GRAM);
        byText.set(text, [...(byText.get(text) ?? []), { name, part, at }]);
      }
    }
  }
  const encoder = new TextEncoder();
  const patterns = [...byText.keys()].map((text) => ({ bytes: encoder.encode(text), foldCase: false }));
  return { matcher: buildMatcher(patterns), grams: [...byText.values()] };
}

interface Chain {
  readonly name: string;
  readonly part: string;
  /** Place of the value that the chain began at, and of the stream. */
  readonly from: number;
  readonly start: number;
  at: number;
  end: number;
}

/** One view of a stream, searched for pieces. */
export class PieceView {
  readonly #pieces: Pieces;
  readonly #ledger: PieceLedger | null;
  #tail: Uint8Array = new Uint8Array(0);
  #chains = new Map<string, Chain>();

  /** Without a ledger short runs are not remembered: for what does not leave. */
  constructor(pieces: Pieces, ledger: PieceLedger | null, like?: PieceView) {
    this.#pieces = pieces;
    this.#ledger = ledger;
    if (like === undefined) return;
    this.#tail = like.#tail;
    this.#chains = new Map([...like.#chains].map(([key, chain]) => [key, { ...chain }]));
  }

  push(chunk: Uint8Array, start: number, onMatch: (match: PieceMatch) => void): void {
    const { matcher, grams } = this.#pieces;
    if (grams.length === 0) return;
    const carried = this.#tail.length;
    const text = carried === 0 ? chunk : concat(this.#tail, chunk);
    const hits: { readonly gram: Gram; readonly end: number }[] = [];
    findMatches(matcher, text, carried, (pattern, _, end) => {
      for (const gram of grams[pattern] ?? []) hits.push({ gram, end: start - carried + end });
    });
    hits.sort((left, right) => left.end - right.end);
    for (const { gram, end } of hits) this.#extend(gram, end, onMatch);
    this.#tail = text.slice(text.length - openSuffix(matcher, text));
  }

  #extend({ name, part, at }: Gram, end: number, onMatch: (match: PieceMatch) => void): void {
    const key = `${name}\0${part}\0${String(end - at)}`;
    const open = this.#chains.get(key);
    const goesOn = open?.at === at - 1 && open.end === end - 1;
    const chain = goesOn ? open : { name, part, from: at, start: end - GRAM, at, end };
    chain.at = at;
    chain.end = end;
    if (!goesOn && this.#chains.size >= grams(this.#pieces)) this.#chains = new Map();
    this.#chains.set(key, chain);
    const halfLeft = this.#ledger?.mark(part, at, at + GRAM) ?? false;
    if (halfLeft || end - chain.start >= RUN) onMatch({ name, start: chain.start, end });
  }
}

/** More chains than there are grams can't be open at one time. */
const grams = (pieces: Pieces): number => Math.max(64, pieces.grams.length * 2);

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
