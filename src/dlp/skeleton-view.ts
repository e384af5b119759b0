import { findMatches, openSuffix, type Matcher } from './block-shift.ts';
import { placeLetters, SKELETON_START, writeSkeleton, type SkeletonState } from './skeleton.ts';

interface Letters {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}
const NO_LETTERS: Letters = { starts: [], ends: [] };

/** What stands at the end of a stream and may go on to be a match, with the places of its letters. */
interface Tail {
  readonly bytes: Uint8Array;
  readonly letters: Letters;
}

export interface SkeletonMatch {
  readonly pattern: number;
  readonly start: number;
  readonly end: number;
}

/** A stream searched by its letters and digits alone. Where they stood is asked only of those that matter. */
export class SkeletonView {
  readonly #matcher: Matcher;
  #tail: Tail = { bytes: new Uint8Array(0), letters: NO_LETTERS };
  #state: SkeletonState = SKELETON_START;
  #buffer = new Uint8Array(0);

  constructor(matcher: Matcher, like?: SkeletonView) {
    this.#matcher = matcher;
    if (like === undefined) return;
    this.#tail = like.#tail;
    this.#state = like.#state;
  }

  /** Letters that may become a match with bytes to come, and where the first of them stands. */
  get open(): { readonly length: number; readonly start: number } {
    return { length: this.#tail.bytes.length, start: this.#tail.letters.starts[0] ?? 0 };
  }

  /** `placeOf` says where in the stream the byte at an index begins. */
  push(bytes: Uint8Array, placeOf: (at: number) => number, onMatch: (match: SkeletonMatch) => void): void {
    const carried = this.#tail.bytes.length;
    const wanted = carried + bytes.length;
    if (this.#buffer.length < wanted) this.#buffer = new Uint8Array(wanted);
    this.#buffer.set(this.#tail.bytes);
    const { length, state } = writeSkeleton(bytes, this.#state, this.#buffer.subarray(carried));
    const text = this.#buffer.subarray(0, carried + length);
    const before = this.#state;
    let all: Letters | null = null;
    findMatches(this.#matcher, text, carried, (pattern, from, to) => {
      all ??= joinLetters(this.#tail.letters, lettersIn(bytes, before, 0, placeOf));
      onMatch({ pattern, start: all.starts[from] ?? 0, end: all.ends[to - 1] ?? 0 });
    });
    const open = openSuffix(this.#matcher, text);
    const fresh = Math.min(open, length);
    const latest = lastLetters(bytes, before, fresh, placeOf);
    this.#tail = {
      bytes: text.slice(text.length - open),
      letters: joinLetters(lastOf(this.#tail.letters, open - fresh), latest),
    };
    this.#state = state;
  }
}

const joinLetters = (left: Letters, right: Letters): Letters => ({
  starts: [...left.starts, ...right.starts],
  ends: [...left.ends, ...right.ends],
});

const lastOf = ({ starts, ends }: Letters, count: number): Letters =>
  count === 0 ? NO_LETTERS : { starts: starts.slice(-count), ends: ends.slice(-count) };

function lettersIn(bytes: Uint8Array, state: SkeletonState, from: number, placeOf: (at: number) => number): Letters {
  const starts: number[] = [];
  const ends: number[] = [];
  placeLetters(bytes.subarray(from), state, (start, end) => {
    starts.push(placeOf(from + start));
    ends.push(placeOf(from + end));
  });
  return { starts, ends };
}

/** Of the last few letters only: looked for from the end, in steps that grow. */
function lastLetters(
  bytes: Uint8Array,
  before: SkeletonState,
  count: number,
  placeOf: (at: number) => number,
): Letters {
  if (count === 0) return NO_LETTERS;
  for (let span = count * 2 + 16; ; span *= 4) {
    let from = Math.max(0, bytes.length - span);
    while (from > 0 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from -= 1;
    const letters = lettersIn(bytes, from === 0 ? before : SKELETON_START, from, placeOf);
    if (from === 0 || letters.starts.length >= count) return lastOf(letters, count);
  }
}
