import { endsOf, joinSegments, segmentOf, sliceSegment, type Segment } from './segment.ts';

const PERCENT = 37;
/** The `%` stands for itself. */
const LITERAL = -1;
/** More must be seen first. */
const CUT = -2;

/**
 * Percent-decodes a stream of bytes, once (RFC 3986 section 2.1). A broken escape passes as the characters it is, and
 * the characters after its `%` are looked at again. Any split of the input gives the same output.
 */
export class PercentDecoder {
  /** A `%` and at most one digit that wait for the rest of their escape. */
  #waiting: Segment = segmentOf(new Uint8Array(0), 0);

  /** Place of the first byte that is not decided yet, or null. */
  get undecidedFrom(): number | null {
    return this.#waiting.bytes.length === 0 ? null : this.#waiting.start;
  }

  push(segment: Segment): Segment {
    const input = joinSegments(this.#waiting, segment);
    const { output, taken } = decodeEscapes(input);
    this.#waiting = sliceSegment(input, taken, input.bytes.length);
    return output;
  }

  /** What waits can no longer become an escape: it comes out as it stands. */
  flush(): Segment {
    const rest = this.#waiting;
    this.#waiting = segmentOf(new Uint8Array(0), 0);
    return { ...rest, ends: endsOf(rest), decoded: new Uint8Array(rest.bytes.length) };
  }
}

function decodeEscapes(input: Segment): { readonly output: Segment; readonly taken: number } {
  const { bytes } = input;
  const inputEnds = endsOf(input);
  const output = new Uint8Array(bytes.length);
  const ends = new Float64Array(bytes.length);
  const decoded = new Uint8Array(bytes.length);
  let from = 0;
  let to = 0;
  while (from < bytes.length) {
    const byte = bytes[from] ?? 0;
    const escaped = byte === PERCENT ? escapeAt(bytes, from) : LITERAL;
    if (escaped === CUT) break;
    if (escaped === LITERAL) {
      output[to] = byte;
    } else {
      output[to] = escaped;
      decoded[to] = 1;
      from += 2;
    }
    ends[to] = inputEnds[from] ?? 0;
    from += 1;
    to += 1;
  }
  const decodedPart = {
    bytes: output.subarray(0, to),
    start: input.start,
    ends: ends.subarray(0, to),
    decoded: decoded.subarray(0, to),
  };
  return { output: decodedPart, taken: from };
}

/** The byte that the `%` at `from` stands for, or one of the two below: numbers only, this is the hot path. */
function escapeAt(bytes: Uint8Array, from: number): number {
  if (from + 1 >= bytes.length) return CUT;
  const high = hexDigit(bytes[from + 1] ?? 0);
  if (high === -1) return LITERAL;
  if (from + 2 >= bytes.length) return CUT;
  const low = hexDigit(bytes[from + 2] ?? 0);
  return low === -1 ? LITERAL : high * 16 + low;
}

/** Where an escape begins, or may begin with what comes next; -1 for nowhere. */
export function firstPercentEscape(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(PERCENT); at !== -1; at = bytes.indexOf(PERCENT, at + 1)) {
    if (escapeAt(bytes, at) !== LITERAL) return at;
  }
  return -1;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 65 && byte <= 70) return byte - 55;
  if (byte >= 97 && byte <= 102) return byte - 87;
  return -1;
}
