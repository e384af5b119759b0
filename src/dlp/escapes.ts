import { HEX } from './digit-codes.ts';
import { joinSegments, segmentOf, sliceSegment, type Segment } from './segment.ts';

/**
 * A stream with the escapes of URLs, JSON, programs and documents taken off, one layer of them: `%41`, `%u0041`, `\u0041`,
 * `\u{41}`, `\x41`, `\101`, `\n`, `&#65;`, `&#x41;`, `&amp;`. Any split of the input gives the same output.
 */
const PERCENT = 37;
const AMPERSAND = 38;
const BACKSLASH = 92;
const SEMICOLON = 59;
/** `\ud83d\ude00` is the longest. */
const LONGEST_ESCAPE = 12;

const NAMED: ReadonlyMap<string, number> = new Map(
  Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    nbsp: ' ',
    lowbar: '_',
    hyphen: '-',
    period: '.',
    sol: '/',
    plus: '+',
    equals: '=',
    colon: ':',
  }).map(([name, character]) => [name, character.charCodeAt(0)]),
);
const SIMPLE = new Uint8Array(256).map((_, byte) => byte);
for (const [letter, byte] of [
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['b', 8],
  ['f', 12],
  ['v', 11],
] as const) {
  SIMPLE[letter.charCodeAt(0)] = byte;
}

const isEscape = (byte: number): boolean => byte === PERCENT || byte === BACKSLASH || byte === AMPERSAND;

/** Whether an escape may begin in it: a `%` before anything but hex, or a lone `&`, is nobody's. */
export function hasEscape(bytes: Uint8Array): boolean {
  if (bytes.includes(BACKSLASH)) return true;
  for (let at = bytes.indexOf(PERCENT); at !== -1; at = bytes.indexOf(PERCENT, at + 1)) {
    if (at + 2 >= bytes.length || bytes[at + 1] === 117 || hexAt(bytes, at + 1, 2) !== -1) return true;
  }
  for (let at = bytes.indexOf(AMPERSAND); at !== -1; at = bytes.indexOf(AMPERSAND, at + 1)) {
    const semicolon = bytes.subarray(at + 1, at + 8).indexOf(SEMICOLON);
    if (bytes[at + 1] === 35 || semicolon !== -1 || at + 8 > bytes.length) return true;
  }
  return false;
}

export class Unescaper {
  #waiting: Segment = segmentOf(new Uint8Array(0), 0);
  #output: Output = { bytes: new Uint8Array(0), ends: new Float64Array(0), decoded: new Uint8Array(0), length: 0 };

  /** Place of the first byte that is not decided yet, or null. */
  get undecidedFrom(): number | null {
    return this.#waiting.bytes.length === 0 ? null : this.#waiting.start;
  }

  push(segment: Segment): Segment {
    return this.#decode(joinSegments(this.#waiting, segment), false);
  }

  /** What waits can no longer become a longer escape. */
  flush(): Segment {
    return this.#decode(this.#waiting, true);
  }

  #decode(input: Segment, last: boolean): Segment {
    const { bytes, start } = input;
    const inputEnds = input.ends;
    const into = this.#room(bytes.length);
    const endAt = (at: number): number => (inputEnds === null ? start + at : (inputEnds[at - 1] ?? start));
    const count = bytes.length;
    let at = 0;
    for (;;) {
      if (inputEnds === null) at = copyPlain(bytes, at, start, into);
      else for (; at < count && !isEscape(bytes[at] ?? 0); at += 1) writeAs(bytes[at] ?? 0, endAt(at + 1), into);
      if (at >= count) break;
      if (!last && count - at < LONGEST_ESCAPE && mayGoOn(bytes, at)) break;
      const before = into.length;
      const length = writeEscape(bytes, at, into);
      if (length === 0) writeAs(bytes[at] ?? 0, endAt(at + 1), into);
      else into.ends.fill(endAt(at + length), before, into.length);
      at += Math.max(1, length);
    }
    this.#waiting = sliceSegment(input, at, count);
    return {
      bytes: into.bytes.subarray(0, into.length),
      start,
      ends: into.ends.subarray(0, into.length),
      decoded: into.decoded.subarray(0, into.length),
    };
  }

  /** Lent to what is made next: a block of a stream takes no new room. */
  #room(length: number): Output {
    if (this.#output.bytes.length < length) {
      this.#output = {
        bytes: new Uint8Array(length),
        ends: new Float64Array(length),
        decoded: new Uint8Array(length),
        length: 0,
      };
    }
    this.#output.length = 0;
    return this.#output;
  }
}

const MAY_ESCAPE = Uint8Array.from({ length: 256 }, (_, byte) => (isEscape(byte) ? 1 : 0));

/** Up to the next escape; the hot path. */
function copyPlain(bytes: Uint8Array, from: number, start: number, into: Output): number {
  const { bytes: written, ends, decoded } = into;
  const { length } = bytes;
  let to = into.length;
  let at = from;
  for (; at < length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (MAY_ESCAPE[byte] === 1) break;
    written[to] = byte;
    ends[to] = start + at + 1;
    decoded[to] = 0;
    to += 1;
  }
  into.length = to;
  return at;
}

function writeAs(byte: number, end: number, into: Output): void {
  into.bytes[into.length] = byte;
  into.ends[into.length] = end;
  into.decoded[into.length] = 0;
  into.length += 1;
}

/** Whether what stands at the end of the bytes may be an escape with what comes next. */
function mayGoOn(bytes: Uint8Array, at: number): boolean {
  for (let index = at + 1; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    const letter = (byte | 32) >= 97 && (byte | 32) <= 122;
    const digit = byte >= 48 && byte <= 57;
    if (!letter && !digit && byte !== 35 && byte !== 123 && byte !== BACKSLASH && byte !== 125 && byte !== 59)
      return false;
    if (byte === 59 || byte === 125) return false;
  }
  return true;
}

interface Output {
  readonly bytes: Uint8Array;
  readonly ends: Float64Array;
  readonly decoded: Uint8Array;
  length: number;
}

/** How many bytes the escape at `at` takes; 0 when there is none. An escape never writes more bytes than it has. */
function writeEscape(bytes: Uint8Array, at: number, into: Output): number {
  const next = bytes[at + 1] ?? 0;
  switch (bytes[at]) {
    case PERCENT: {
      if (next === 117) return writePoint(hexAt(bytes, at + 2, 4), 6, into);
      return writeByte(hexAt(bytes, at + 1, 2), 3, into);
    }
    case AMPERSAND:
      return next === 35 ? writeNumbered(bytes, at, into) : writeNamed(bytes, at, into);
    default:
      return writeBackslash(bytes, at, next, into);
  }
}

function writeBackslash(bytes: Uint8Array, at: number, next: number, into: Output): number {
  if (next === 117) return writeUnicode(bytes, at, into);
  if (next === 120) return writeByte(hexAt(bytes, at + 2, 2), 4, into);
  const octal = next >= 48 && next <= 51 ? octalAt(bytes, at + 1) : -1;
  if (octal !== -1) return writeByte(octal, 4, into);
  // What stands behind it may be an escape of another kind, and then that one counts.
  return at + 1 < bytes.length && !(next === PERCENT || next === AMPERSAND)
    ? writeByte(SIMPLE[next] ?? next, 2, into)
    : 0;
}

function writeUnicode(bytes: Uint8Array, at: number, into: Output): number {
  if (bytes[at + 2] === 123) {
    let end = at + 3;
    while (end < at + 9 && (HEX[bytes[end] ?? 0] ?? -1) !== -1) end += 1;
    return bytes[end] === 125 && end > at + 3 ? writePoint(hexAt(bytes, at + 3, end - at - 3), end + 1 - at, into) : 0;
  }
  const lead = hexAt(bytes, at + 2, 4);
  if (lead >= 0xd800 && lead < 0xdc00 && bytes[at + 6] === BACKSLASH && bytes[at + 7] === 117) {
    const trail = hexAt(bytes, at + 8, 4);
    if (trail >= 0xdc00 && trail < 0xe000) {
      return writePoint(0x10000 + ((lead - 0xd800) << 10) + (trail - 0xdc00), LONGEST_ESCAPE, into);
    }
  }
  return writePoint(lead, 6, into);
}

function writeNumbered(bytes: Uint8Array, at: number, into: Output): number {
  const hex = ((bytes[at + 2] ?? 0) | 32) === 120;
  const from = at + (hex ? 3 : 2);
  let end = from;
  let point = 0;
  while (end < from + 7) {
    const digit = HEX[bytes[end] ?? 0] ?? -1;
    if (digit === -1 || (!hex && digit > 9)) break;
    point = point * (hex ? 16 : 10) + digit;
    end += 1;
  }
  if (end === from) return 0;
  return writePoint(point, end - at + (bytes[end] === 59 ? 1 : 0), into);
}

function writeNamed(bytes: Uint8Array, at: number, into: Output): number {
  let name = '';
  let end = at + 1;
  while (end < at + 8 && ((bytes[end] ?? 0) | 32) >= 97 && ((bytes[end] ?? 0) | 32) <= 122) {
    name += String.fromCharCode((bytes[end] ?? 0) | 32);
    end += 1;
  }
  return bytes[end] === 59 ? writeByte(NAMED.get(name) ?? -1, end + 1 - at, into) : 0;
}

function writeByte(byte: number, length: number, into: Output): number {
  if (byte === -1) return 0;
  into.bytes[into.length] = byte;
  into.decoded[into.length] = 1;
  into.length += 1;
  return length;
}

function writePoint(point: number, length: number, into: Output): number {
  if (point < 0 || point > 0x10ffff) return 0;
  if (point < 0x80) return writeByte(point, length, into);
  const bytes = new TextEncoder().encode(String.fromCodePoint(point));
  for (const byte of bytes) writeByte(byte, length, into);
  return length;
}

function hexAt(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index += 1) {
    const digit = HEX[bytes[index] ?? 0] ?? -1;
    if (digit === -1) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function octalAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let index = at; index < at + 3; index += 1) {
    const digit = (bytes[index] ?? 0) - 48;
    if (digit < 0 || digit > 7) return -1;
    value = value * 8 + digit;
  }
  return value;
}

/** All of it at once, without places; null when nothing in it is escaped. */
export function unescapeBytes(bytes: Uint8Array): Uint8Array | null {
  if (!hasEscape(bytes)) return null;
  const unescaper = new Unescaper();
  const decoded = joinSegments(unescaper.push(segmentOf(bytes, 0)), unescaper.flush());
  return decoded.decoded?.includes(1) === true ? decoded.bytes : null;
}

const EQUALS = 61;

/** Mail's quoted-printable (RFC 2045, 6.7), where several bytes are written so: one `=` is nobody's escape. */
export function unquoteBytes(bytes: Uint8Array): Uint8Array | null {
  const first = bytes.indexOf(EQUALS);
  if (first === -1 || first >= bytes.length - 3) return null;
  const decoded = new Uint8Array(bytes.length);
  let escapes = 0;
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] === EQUALS ? hexAt(bytes, at + 1, 2) : -1;
    decoded[length] = byte === -1 ? (bytes[at] ?? 0) : byte;
    length += 1;
    if (byte === -1) continue;
    escapes += 1;
    at += 2;
  }
  return escapes >= 2 ? decoded.subarray(0, length) : null;
}
