import { sha256 } from '@noble/hashes/sha2.js';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { KiB } from '../kernel/limits.ts';

/**
 * Finds the words that a wallet is restored from: https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki. Each
 * stands for eleven bits, and the last bits are a checksum of the others, so prose hardly ever is one. Any pattern for
 * them would begin everywhere in an English text. So this looks at a place every few words: where the word there is
 * none of the list, no phrase lies across it.
 * Not covered: other languages than English, and words in capitals.
 */
export interface PhraseMatch {
  readonly start: number;
  readonly end: number;
  readonly secret: Uint8Array;
}

interface Word {
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

const COUNTS = [12, 15, 18, 21, 24];
const LEAST_WORDS = 12;
const MOST_WORDS = 24;
const WORD_BYTES = 8;
const SHORTEST_BYTES = 3;
const GAP_BYTES = 8;
/** Twelve words of three letters with one byte between them are longer. */
const STRIDE = 40;
/** Whatever comes next, no phrase begins before it. */
const REACH_BYTES = (MOST_WORDS + 1) * (WORD_BYTES + GAP_BYTES);
/** Of those that a phrase may have. */
const LEAST_DISTINCT = 6;
const BITS_PER_WORD = 11;
/** What may leave of a match before it is known for one (SECURITY S17). */
const FREE_BYTES = 11;
const BACKSLASH = 92;

/** The first four letters of a word of the list tell it from all others. */
const TELLING = 4;
const LETTERS = 27;
const byBeginning = new Map(
  wordlist.map((word, number) => [beginningOf(new TextEncoder().encode(word), 0, word.length), number]),
);

function beginningOf(text: Uint8Array, start: number, end: number): number {
  let packed = 0;
  for (let at = start; at < start + TELLING; at += 1) packed = packed * LETTERS + (at < end ? (text[at] ?? 0) - 96 : 0);
  return packed;
}

/** One bit for each: nearly every word that is none of the list is told by its beginning. */
const beginnings = new Uint32Array(Math.ceil(LETTERS ** TELLING / 32));
for (const beginning of byBeginning.keys()) {
  beginnings[beginning >>> 5] = (beginnings[beginning >>> 5] ?? 0) | (1 << (beginning & 31));
}

/** The number of the word that stands there, or -1. */
function numberOf(text: Uint8Array, start: number, end: number): number {
  if (end - start > WORD_BYTES || end - start < SHORTEST_BYTES) return -1;
  const beginning = beginningOf(text, start, end);
  if ((((beginnings[beginning >>> 5] ?? 0) >>> (beginning & 31)) & 1) === 0) return -1;
  const number = byBeginning.get(beginning) ?? -1;
  const word = number === -1 ? '' : (wordlist[number] ?? '');
  if (word.length !== end - start) return -1;
  for (let at = TELLING; at < word.length; at += 1) if (word.charCodeAt(at) !== text[start + at]) return -1;
  // A capital or a digit beside it makes it a part of something else.
  return (start > 0 && isWordish(text[start - 1])) || (end < text.length && isWordish(text[end])) ? -1 : number;
}

const isLetter = (byte: number | undefined): boolean => byte !== undefined && byte >= 97 && byte <= 122;
/** `\n` in a JSON string ends a word, and its letter begins none. */
const isEscape = (bytes: Uint8Array, at: number): boolean =>
  bytes[at - 1] === BACKSLASH && (bytes[at] === 110 || bytes[at] === 114 || bytes[at] === 116);

export class SeedPhrases {
  #kept: Uint8Array = new Uint8Array(0);
  #pushed = 0;
  /** Phrases that end before this place were reported. */
  #seen = 0;
  #heldFrom: number | null = null;

  /** Where what may become a phrase begins in the stream, or null. */
  get heldFrom(): number | null {
    return this.#heldFrom;
  }

  push(chunk: Uint8Array, onMatch: (match: PhraseMatch) => void): void {
    const text = joined(this.#kept, chunk);
    this.#pushed += chunk.length;
    this.#search(text, false, onMatch);
    this.#kept = text.slice(Math.max(0, text.length - REACH_BYTES));
    this.#heldFrom = this.#openFrom(text);
  }

  /** No more bytes will come. */
  end(onMatch: (match: PhraseMatch) => void): void {
    this.#search(this.#kept, true, onMatch);
    this.#heldFrom = null;
  }

  #search(text: Uint8Array, atEnd: boolean, onMatch: (match: PhraseMatch) => void): void {
    const origin = this.#pushed - text.length;
    const { length } = text;
    for (let at = 0; at < length; at += STRIDE) {
      if (isElsewhere(text, at)) continue;
      const run = runAt(text, at);
      for (const { start, end } of phrasesIn(run)) {
        // The last word may go on.
        const isOver = end < text.length || atEnd;
        if (!isOver || origin + end < this.#seen) continue;
        onMatch({ start: origin + start, end: origin + end, secret: text.slice(start, end) });
      }
      at = Math.max(at, run.at(-1)?.end ?? 0);
    }
    this.#seen = this.#pushed;
  }

  /** The last words, if they are of the list and more of them than may leave. */
  #openFrom(text: Uint8Array): number | null {
    let from = text.length;
    let last = wordEndingAt(text, from);
    // A word that may go on is judged by its beginning.
    if (last !== null && last.number === -1 && last.end === text.length && last.end - last.start < WORD_BYTES) {
      from = last.start;
      last = wordBefore(text, last.start);
    } else if (last === null) last = wordBefore(text, text.length);
    for (let words = 0; last !== null && last.number !== -1 && words < MOST_WORDS; words += 1) {
      from = last.start;
      last = wordBefore(text, last.start);
    }
    return text.length - from > FREE_BYTES ? this.#pushed - (text.length - from) : null;
  }
}

/** Lent to one push at a time. */
let scratch = new Uint8Array(0);
const SCRATCH_MAX_BYTES = 256 * KiB;

function joined(kept: Uint8Array, chunk: Uint8Array): Uint8Array {
  const length = kept.length + chunk.length;
  if (length > scratch.length && length <= SCRATCH_MAX_BYTES)
    scratch = new Uint8Array(Math.min(SCRATCH_MAX_BYTES, length * 2));
  const text = length > SCRATCH_MAX_BYTES ? new Uint8Array(length) : scratch.subarray(0, length);
  text.set(kept);
  text.set(chunk, kept.length);
  return text;
}

/** Whether the place is in a word that is none of the list: nearly all are, and nothing needs to be made for them. */
function isElsewhere(text: Uint8Array, place: number): boolean {
  let at = place;
  while (at < text.length && !isLetter(text[at])) {
    at += 1;
    // No gap in a phrase is that wide.
    if (at - place > GAP_BYTES) return true;
  }
  if (at === text.length) return true;
  let start = at;
  while (at - start <= WORD_BYTES && start > 0 && isLetter(text[start - 1])) start -= 1;
  let end = at + 1;
  while (end - start <= WORD_BYTES && end < text.length && isLetter(text[end])) end += 1;
  if (start > 0 && text[start - 1] === BACKSLASH) return false;
  return numberOf(text, start, end) === -1;
}

/** The longest row of words of the list that the place is in; none when the word there is no such word. */
function runAt(text: Uint8Array, at: number): readonly Word[] {
  const here = wordFrom(text, at);
  if (here === null || here.number === -1) return [];
  const run = [here];
  for (
    let word = wordBefore(text, here.start);
    word !== null && word.number !== -1;
    word = wordBefore(text, word.start)
  ) {
    run.unshift(word);
    if (run.length > MOST_WORDS) break;
  }
  for (let word = wordAfter(text, here.end); word !== null && word.number !== -1; word = wordAfter(text, word.end)) {
    run.push(word);
  }
  return run;
}

function* phrasesIn(run: readonly Word[]): Generator<{ readonly start: number; readonly end: number }> {
  if (run.length < LEAST_WORDS) return;
  const words = run.map(({ number }) => number);
  const recent = new Recent();
  for (const [at, word] of words.entries()) {
    recent.take(word, words[at - 1] ?? word, words[at - MOST_WORDS]);
    // A text about seed phrases repeats a few words.
    if (recent.distinct < LEAST_DISTINCT) continue;
    for (const count of COUNTS) {
      const from = at + 1 - count;
      // A part of the list itself, as programs and documents carry it, is sorted.
      if (from < 0 || recent.sorted >= count || !isVouchedFor(words.slice(from, at + 1))) continue;
      yield { start: run[from]?.start ?? 0, end: run[at]?.end ?? 0 };
    }
  }
}

/** What is known of the last words without looking at them again. */
class Recent {
  readonly #counts = new Map<number, number>();
  /** How many of the last words are in the order of the list. */
  sorted = 0;

  get distinct(): number {
    return this.#counts.size;
  }

  /** `gone` is the word that is too far back now. */
  take(word: number, before: number, gone: number | undefined): void {
    this.sorted = word > before ? this.sorted + 1 : 1;
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
    if (gone === undefined) return;
    const left = (this.#counts.get(gone) ?? 1) - 1;
    if (left === 0) this.#counts.delete(gone);
    else this.#counts.set(gone, left);
  }
}

/** The word that a place is in or before. */
function wordFrom(text: Uint8Array, at: number): Word | null {
  let start = at;
  while (start > 0 && at - start <= WORD_BYTES && isLetter(text[start - 1])) start -= 1;
  return isLetter(text[start]) ? wordStartingAt(text, start) : wordAfter(text, start);
}

function wordStartingAt(text: Uint8Array, from: number): Word {
  const start = isEscape(text, from) ? from + 1 : from;
  let end = start;
  while (end - start <= WORD_BYTES && isLetter(text[end])) end += 1;
  return wordOf(text, start, end);
}

function wordEndingAt(text: Uint8Array, end: number): Word | null {
  let start = end;
  while (end - start <= WORD_BYTES && start > 0 && isLetter(text[start - 1])) start -= 1;
  if (isEscape(text, start)) start += 1;
  return start === end ? null : wordOf(text, start, end);
}

function wordOf(text: Uint8Array, start: number, end: number): Word {
  return { number: numberOf(text, start, end), start, end };
}

const isWordish = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || byte === 95);

function wordAfter(text: Uint8Array, end: number): Word | null {
  let at = end;
  while (at - end <= GAP_BYTES && at < text.length && (!isLetter(text[at]) || isEscape(text, at))) at += 1;
  return at - end > GAP_BYTES || at >= text.length || at === end ? null : wordStartingAt(text, at);
}

function wordBefore(text: Uint8Array, start: number): Word | null {
  let at = start;
  while (start - at <= GAP_BYTES && at > 0 && (!isLetter(text[at - 1]) || isEscape(text, at - 1))) at -= 1;
  return start - at > GAP_BYTES || at === 0 || at === start ? null : wordEndingAt(text, at);
}

function isVouchedFor(words: readonly number[]): boolean {
  const checksumBits = words.length / 3;
  const bytes = new Uint8Array((words.length * BITS_PER_WORD - checksumBits) / 8);
  let bits = 0;
  let pending = 0;
  let at = 0;
  for (const word of words) {
    pending = (pending << BITS_PER_WORD) | word;
    bits += BITS_PER_WORD;
    while (bits >= 8 && at < bytes.length) {
      bits -= 8;
      bytes[at] = (pending >>> bits) & 255;
      at += 1;
    }
    pending &= (1 << bits) - 1;
  }
  return (sha256(bytes)[0] ?? 0) >>> (8 - checksumBits) === pending;
}
