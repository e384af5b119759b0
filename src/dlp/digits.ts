import { LEAST_READING, type Arena } from './arena.ts';
import { CLASS_OF, GROUND, NEXT, NOISE, restart } from './text-state.ts';

/**
 * What stretches of digits may stand for: base64 and base32 at every alignment, hex. Only what decodes to text is kept,
 * so random identifiers, hashes and images leave nothing behind that would have to be searched.
 */
const table = (alphabets: readonly string[]): Int8Array => {
  const values = new Int8Array(256).fill(-1);
  for (const alphabet of alphabets) {
    for (let index = 0; index < alphabet.length; index += 1) values[alphabet.charCodeAt(index)] = index;
  }
  return values;
};
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
export const BASE64 = table([
  `${LETTERS}${LETTERS.toLowerCase()}0123456789+/`,
  `${LETTERS}${LETTERS.toLowerCase()}0123456789-_`,
]);
const BASE32 = table([`${LETTERS}234567`, `${LETTERS.toLowerCase()}234567`]);
export const HEX = table(['0123456789ABCDEF', '0123456789abcdef']);

const SHORTEST = { base64: 11, base32: 13, hex: 16 } as const;

/** Where the places of a text lie in the stream that it is a part of. */
export type PlaceOf = (at: number) => number;

export interface DigitCode {
  readonly digits: Int8Array;
  readonly bits: number;
}
export const B64: DigitCode = { digits: BASE64, bits: 6 };
export const B32: DigitCode = { digits: BASE32, bits: 5 };
export const B16: DigitCode = { digits: HEX, bits: 4 };

/** A stretch of digits, and where its readings go. */
interface Stretch {
  readonly text: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly placeOf: PlaceOf;
  readonly arena: Arena;
}

type OnStretch = (from: number, to: number) => void;

/** Every reading of every stretch of digits in the text. */
export function addDigits(text: Uint8Array, placeOf: PlaceOf, arena: Arena, onStretch: OnStretch): void {
  const { length } = text;
  let from = 0;
  for (let at = 0; at <= length; at += 1) {
    if (at < length && (BASE64[text[at] ?? 0] ?? -1) !== -1) continue;
    if (at - from >= SHORTEST.base64) {
      addStretch({ text, from, to: at, placeOf, arena });
      onStretch(from, at);
    }
    from = at + 1;
  }
}

/** Hex and base32 are written in some of base64's characters. */
function addStretch(stretch: Stretch): void {
  for (let alignment = 0; alignment < 4; alignment += 1) addAscii(stretch, alignment);
  addWide(stretch);
  if (stretch.to - stretch.from >= SHORTEST.base32) addAllBase32(stretch);
  if (stretch.to - stretch.from >= SHORTEST.hex) addAllHex(stretch);
}

const GROUP = 4;
/** Eleven characters or more fill three groups at every alignment. */
const GROUPS = 3;

/** 1 for each byte of ASCII text. */
const IS_TEXT = CLASS_OF.map((byteClass) => (byteClass === 0 ? 1 : 0));

/** Whether the group of four digits says three characters of ASCII: 1 or 0, without a branch. */
function saysAscii(text: Uint8Array, at: number): number {
  const word =
    ((BASE64[text[at] ?? 0] ?? 0) << 18) |
    ((BASE64[text[at + 1] ?? 0] ?? 0) << 12) |
    ((BASE64[text[at + 2] ?? 0] ?? 0) << 6) |
    (BASE64[text[at + 3] ?? 0] ?? 0);
  return (IS_TEXT[word >> 16] ?? 0) & (IS_TEXT[(word >> 8) & 0xff] ?? 0) & (IS_TEXT[word & 0xff] ?? 0);
}

/** Every third group is looked at: where three in a row say ASCII, one of them is among those. */
function addAscii(stretch: Stretch, alignment: number): void {
  const { text, from, to } = stretch;
  const needed = to - from < GROUP * (GROUPS + 1) ? GROUPS - 1 : GROUPS;
  let kept = from + alignment;
  for (let group = from + alignment; group + GROUP <= to; group += GROUP * needed) {
    if (saysAscii(text, group) === 0) continue;
    let first = group;
    while (first - GROUP >= kept && saysAscii(text, first - GROUP) === 1) first -= GROUP;
    let end = group + GROUP;
    while (end + GROUP <= to && saysAscii(text, end) === 1) end += GROUP;
    if (end - first < GROUP * needed) continue;
    // The groups beside them may say a character or two more.
    decodeInto(stretch, Math.max(from + alignment, first - GROUP), Math.min(to, end + GROUP));
    kept = end;
    group = end - GROUP * needed;
  }
}

function decodeInto({ text, placeOf, arena }: Stretch, from: number, to: number): void {
  const { into, at } = arena.reserve(Math.ceil(((to - from) * B64.bits) / 8));
  const count = writeDigits(text.subarray(from, to), B64, into, at);
  if (count >= LEAST_READING) arena.close(count, placeOf(from), placeOf(to));
}

/** The bytes that the digits stand for, written from `at` on; how many. */
function writeDigits(text: Uint8Array, { digits, bits }: DigitCode, into: Uint8Array, at: number): number {
  let held = 0;
  let heldBits = 0;
  let end = at;
  const { length } = text;
  for (let index = 0; index < length; index += 1) {
    held = ((held << bits) | (digits[text[index] ?? 0] ?? 0)) & 0xffff;
    heldBits += bits;
    if (heldBits < 8) continue;
    heldBits -= 8;
    into[end] = (held >> heldBits) & 0xff;
    end += 1;
  }
  return end - at;
}

export function decodeDigits(text: Uint8Array, code: DigitCode): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((text.length * code.bits) / 8));
  return bytes.subarray(0, writeDigits(text, code, bytes, 0));
}

const PROBE = 16;

/** How far round such a place the text is read; it is looked for again behind that. */
const REACH = { before: 64, after: 512 } as const;

/** Texts beyond ASCII take more bytes, so looking in every sixteenth place finds them. */
function addWide(stretch: Stretch): void {
  const { text, from, to } = stretch;
  for (let alignment = 0; alignment < GROUP; alignment += 1) {
    for (let at = from + alignment; at + PROBE <= to; at += PROBE) {
      if (!saysWide(text, at)) continue;
      const end = Math.min(to, at + REACH.after);
      keepTexts(stretch, Math.max(from + alignment, at - REACH.before), end, B64);
      at = Math.max(at, end - REACH.before * 2 - ((end - at) % GROUP));
    }
  }
}

/** Whether the sixteen digits say twelve bytes of UTF-8, of which some are not ASCII. */
function saysWide(text: Uint8Array, from: number): boolean {
  let state = GROUND;
  let wide = false;
  let begun = false;
  for (let at = from; at < from + PROBE; at += GROUP) {
    const word =
      ((BASE64[text[at] ?? 0] ?? 0) << 18) |
      ((BASE64[text[at + 1] ?? 0] ?? 0) << 12) |
      ((BASE64[text[at + 2] ?? 0] ?? 0) << 6) |
      (BASE64[text[at + 3] ?? 0] ?? 0);
    for (let shift = 16; shift >= 0; shift -= 8) {
      const byte = (word >> shift) & 0xff;
      // The probe may begin within a character.
      if (!begun && at === from && (byte & 0xc0) === 0x80) continue;
      begun = true;
      wide ||= byte >= 0x80;
      state = NEXT[state * 8 + (CLASS_OF[byte] ?? 0)] ?? NOISE;
      if (state === NOISE) return false;
    }
  }
  return wide;
}

/** A stretch of sixteen holds a place that is a multiple of sixteen. */
function addAllHex(stretch: Stretch): void {
  const { text, from, to } = stretch;
  let end = from;
  for (let at = from + SHORTEST.hex - 1; at < to; at = Math.max(at, end) + SHORTEST.hex) {
    if ((HEX[text[at] ?? 0] ?? -1) === -1) continue;
    let first = at;
    while (first > end && (HEX[text[first - 1] ?? 0] ?? -1) !== -1) first -= 1;
    end = at + 1;
    while (end < to && (HEX[text[end] ?? 0] ?? -1) !== -1) end += 1;
    if (end - first < SHORTEST.hex) continue;
    for (const skip of [0, 1]) keepTexts(stretch, first + skip, end, B16);
  }
}

function addAllBase32(stretch: Stretch): void {
  const { text, to } = stretch;
  let { from } = stretch;
  for (let at = from; at <= to; at += 1) {
    if (at < to && (BASE32[text[at] ?? 0] ?? -1) !== -1) continue;
    if (at - from >= SHORTEST.base32) addBase32({ ...stretch, from, to: at });
    from = at + 1;
  }
}

/** In a group of eight digits: the place, and the bit of the digit there, that is the highest of a byte. */
const HIGHEST_BITS: readonly (readonly [number, number])[] = [
  [0, 4],
  [1, 1],
  [3, 3],
  [4, 0],
  [6, 2],
];

/** By place in the stretch (mod 8) and digit: one bit per alignment in which the digit may be of ASCII. */
const ASCII_ALIGNMENTS = Uint8Array.from({ length: 8 * 32 }, (_, index) => {
  const turn = index >> 5;
  const digit = index & 31;
  return [0, 1, 2, 3, 4, 5, 6, 7].reduce((mask, skip) => {
    const place = (turn - skip) & 7;
    const high = HIGHEST_BITS.some(([at, bit]) => at === place && ((digit >> bit) & 1) === 1);
    return high ? mask : mask | (1 << skip);
  }, 0);
});
/** Twelve characters take twenty digits: one such place lies among them whole. */
const PROBE32 = { digits: 12, step: 8 } as const;

/** In one case it may be any text, in both it is a name far more often, and looked at where it may be ASCII. */
function addBase32(stretch: Stretch): void {
  const { text, from, to } = stretch;
  const probe = Math.min(PROBE32.digits, to - from);
  let alignments = isOneCase(text, from, to) ? 0xff : 0;
  for (let at = from; alignments !== 0xff && at + probe <= to; at += PROBE32.step) {
    alignments |= asciiAlignments(text, from, at, probe);
  }
  for (let skip = 0; skip < 8; skip += 1) {
    if (((alignments >> skip) & 1) === 1) keepTexts(stretch, from + skip, to, B32);
  }
}

/** In which alignments of the stretch, one bit each, the digits at `at` may be ASCII. */
function asciiAlignments(text: Uint8Array, from: number, at: number, count: number): number {
  let alignments = 0xff;
  for (let index = at; index < at + count && alignments !== 0; index += 1) {
    alignments &= ASCII_ALIGNMENTS[((index - from) & 7) * 32 + (BASE32[text[index] ?? 0] ?? 0)] ?? 0;
  }
  return alignments;
}

function isOneCase(text: Uint8Array, from: number, to: number): boolean {
  let cases = 0;
  for (let at = from; at < to && cases !== 3; at += 1) {
    const byte = text[at] ?? 0;
    if (byte >= 65) cases |= byte >= 97 ? 2 : 1;
  }
  return cases !== 3;
}

/** What of the stretch, read from `from` on, is text. */
function keepTexts({ text, placeOf, arena }: Stretch, from: number, to: number, { digits, bits }: DigitCode): void {
  const most = Math.ceil(((to - from) * bits) / 8);
  let { into, at: start } = arena.reserve(most);
  let end = start;
  let state = GROUND;
  let held = 0;
  let heldBits = 0;
  for (let index = from; index < to; index += 1) {
    held = ((held << bits) | (digits[text[index] ?? 0] ?? 0)) & 0xffff;
    heldBits += bits;
    if (heldBits < 8) continue;
    heldBits -= 8;
    const byte = (held >> heldBits) & 0xff;
    const byteClass = CLASS_OF[byte] ?? 0;
    state = NEXT[state * 8 + byteClass] ?? NOISE;
    if (state === NOISE) {
      if (end - start >= LEAST_READING) {
        arena.close(end - start, placeOf(from), placeOf(index + 1));
        ({ into, at: start } = arena.reserve(most));
      }
      end = start;
      state = restart(byteClass);
      if (state === NOISE) {
        state = GROUND;
        continue;
      }
    }
    into[end] = byte;
    end += 1;
  }
  if (end - start >= LEAST_READING) arena.close(end - start, placeOf(from), placeOf(to));
}
