/**
 * A run of bytes in one view of a stream, with the places of the stream that they stand for. In every view each byte
 * stands for at least one byte of the stream, and the next byte begins where it ended.
 */
export interface Segment {
  readonly bytes: Uint8Array;
  /** Place in the stream where the first byte begins. */
  readonly start: number;
  /** By byte: the place in the stream where it ends. Null: these are the stream's own bytes. */
  readonly ends: Float64Array | null;
  /** By byte: 1 where this view decoded it. Null: no byte was. */
  readonly decoded: Uint8Array | null;
}

export const segmentOf = (bytes: Uint8Array, start: number): Segment => ({ bytes, start, ends: null, decoded: null });

/** Place in the stream where byte `index` begins; for the index after the last one, where the segment ends. */
export function startOf({ start, ends }: Segment, index: number): number {
  if (ends === null) return start + index;
  return index === 0 ? start : (ends[index - 1] ?? start);
}

export function sliceSegment(segment: Segment, from: number, to: number): Segment {
  return {
    bytes: segment.bytes.slice(from, to),
    start: startOf(segment, from),
    ends: segment.ends?.slice(from, to) ?? null,
    decoded: segment.decoded?.slice(from, to) ?? null,
  };
}

export function joinSegments(left: Segment, right: Segment): Segment {
  if (left.bytes.length === 0) return right;
  if (right.bytes.length === 0) return left;
  const bytes = new Uint8Array(left.bytes.length + right.bytes.length);
  bytes.set(left.bytes);
  bytes.set(right.bytes, left.bytes.length);
  if (left.ends === null && right.ends === null) return { bytes, start: left.start, ends: null, decoded: null };
  const ends = new Float64Array(bytes.length);
  ends.set(endsOf(left));
  ends.set(endsOf(right), left.bytes.length);
  const decoded = new Uint8Array(bytes.length);
  if (left.decoded !== null) decoded.set(left.decoded);
  if (right.decoded !== null) decoded.set(right.decoded, left.bytes.length);
  return { bytes, start: left.start, ends, decoded };
}

export function endsOf({ bytes, start, ends }: Segment): Float64Array {
  if (ends !== null) return ends;
  const counted = new Float64Array(bytes.length);
  for (let index = 0; index < counted.length; index += 1) counted[index] = start + index + 1;
  return counted;
}
