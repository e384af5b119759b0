import { findMatches, openSuffix, type Matcher } from './block-shift.ts';
import { joinSegments, segmentOf, sliceSegment, startOf, type Segment } from './segment.ts';

/** A pattern that was found, with its place in the stream. `decoded`: some byte of it was decoded in this view. */
export interface ViewMatch {
  readonly pattern: number;
  readonly start: number;
  readonly end: number;
  readonly decoded: boolean;
}

/**
 * The matcher over one view of a stream. Between two pushes it keeps the longest end of the stream that may still become
 * a match, so no split hides one and nothing else is held.
 */
export class View {
  readonly #matcher: Matcher;
  #open: Segment;

  constructor(matcher: Matcher, open: Segment = segmentOf(new Uint8Array(0), 0)) {
    this.#matcher = matcher;
    this.#open = open;
  }

  /** What may still become a match with bytes to come. */
  get open(): Segment {
    return this.#open;
  }

  push(segment: Segment, onMatch: (match: ViewMatch) => void): void {
    const text = joinSegments(this.#open, segment);
    findMatches(this.#matcher, text.bytes, this.#open.bytes.length, (pattern, from, to) => {
      const decoded = text.decoded?.subarray(from, to).includes(1) ?? false;
      onMatch({ pattern, start: startOf(text, from), end: startOf(text, to), decoded });
    });
    const { length } = text.bytes;
    this.#open = sliceSegment(text, length - openSuffix(this.#matcher, text.bytes), length);
  }
}
