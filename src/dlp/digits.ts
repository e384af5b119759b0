import { LEAST_READING, type Arena } from './arena.ts';
import { B16, B32, B64, BASE32, BASE64, forEachStretch, HEX, writeDigits, type DigitCode } from './digit-codes.ts';
import { CLASS_OF, GROUND, NEXT, NOISE, restart } from './text-state.ts';

/**
 * What stretches of digits may stand for: base64 and base32 at every alignment, hex. Only what decodes to text is kept,
 * so random identifiers, hashes and images leave nothing behind that would have to be searched.
 */
/** Where the places of a text lie in the stream that it is a part of. */
export type PlaceOf = (at: number) => number;

/** A text, and where its readings go. */
interface Unfolding {
  readonly text: Uint8Array;
  readonly placeOf: PlaceOf;
  readonly arena: Arena;
}

/**
 * Every reading of the digits in the text. Nearly all texts hold none, so each kind of digits is looked for at places so
 * far apart that no stretch of it lies between them, and only what is found there is read.
 */
export function addDigits(text: Uint8Array, placeOf: PlaceOf, arena: Arena): void {
  const unfolding = { text, placeOf, arena };
  addAscii(unfolding);
  addBase32(unfolding);
  addHex(unfolding);
}

const GROUP = 4;
/** Eight characters or more fill two groups nearly always, and with what stands beside them all. */
const GROUPS = 2;
const STEP = GROUP * GROUPS;

/** 1 for each byte of ASCII text. */
const IS_TEXT = CLASS_OF.map((byteClass) => (byteClass === 0 ? 1 : 0));

/**
 * By byte: in which places of a group of four it may stand when the group says three characters of ASCII, one bit each.
 */
const ASCII_DIGITS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = BASE64[byte] ?? -1;
  if (value === -1) return 0;
  const places = [value < 32, (value & 8) === 0, (value & 2) === 0, true];
  return places.reduce((mask, may, place) => (may ? mask | (1 << place) : mask), 0);
});

/** The three bytes that the group of four digits says; negative when one of them is none. */
function groupAt(text: Uint8Array, at: number): number {
  const first = BASE64[text[at] ?? 0] ?? -1;
  const second = BASE64[text[at + 1] ?? 0] ?? -1;
  const third = BASE64[text[at + 2] ?? 0] ?? -1;
  const fourth = BASE64[text[at + 3] ?? 0] ?? -1;
  return (first | second | third | fourth) < 0 ? -1 : (first << 18) | (second << 12) | (third << 6) | fourth;
}

function saysAscii(text: Uint8Array, at: number): boolean {
  const word = groupAt(text, at);
  if (word < 0) return false;
  return ((IS_TEXT[word >> 16] ?? 0) & (IS_TEXT[(word >> 8) & 0xff] ?? 0) & (IS_TEXT[word & 0xff] ?? 0)) === 1;
}

/** Of two groups in a row one begins in the first half of some eight bytes: four places of each eight are looked at. */
function addAscii(unfolding: Unfolding): void {
  const { text } = unfolding;
  const last = text.length - GROUP;
  const kept = [0, 0, 0, 0];
  for (let base = 0; base <= last; base += STEP) {
    const a = ASCII_DIGITS[text[base] ?? 0] ?? 0;
    const b = ASCII_DIGITS[text[base + 1] ?? 0] ?? 0;
    const c = ASCII_DIGITS[text[base + 2] ?? 0] ?? 0;
    const d = ASCII_DIGITS[text[base + 3] ?? 0] ?? 0;
    const e = ASCII_DIGITS[text[base + 4] ?? 0] ?? 0;
    const f = ASCII_DIGITS[text[base + 5] ?? 0] ?? 0;
    const g = ASCII_DIGITS[text[base + 6] ?? 0] ?? 0;
    const found =
      (a & (b >> 1) & (c >> 2) & (d >> 3) & 1) |
      ((b & (c >> 1) & (d >> 2) & (e >> 3) & 1) << 1) |
      ((c & (d >> 1) & (e >> 2) & (f >> 3) & 1) << 2) |
      ((d & (e >> 1) & (f >> 2) & (g >> 3) & 1) << 3);
    if (found === 0) continue;
    for (let skip = 0; skip < GROUP; skip += 1) {
      const group = base + skip;
      if (((found >> skip) & 1) === 0 || group < (kept[group & 3] ?? 0)) continue;
      kept[group & 3] = keepAscii(unfolding, group, kept[group & 3] ?? 0);
    }
  }
}

/** All groups in a row round that one; up to where they were kept. */
function keepAscii(unfolding: Unfolding, group: number, kept: number): number {
  const { text } = unfolding;
  if (!saysAscii(text, group)) return kept;
  let first = group;
  while (first - GROUP >= kept && first >= GROUP && saysAscii(text, first - GROUP)) first -= GROUP;
  let end = group + GROUP;
  while (saysAscii(text, end)) end += GROUP;
  if (end - first < STEP) return kept;
  // The digits beside them may say a character or two more.
  let from = first;
  while (from > first - GROUP && from > 0 && (BASE64[text[from - 1] ?? 0] ?? -1) !== -1) from -= 1;
  if (from > first - GROUP) from = first;
  let to = end;
  while (to < end + GROUP && to < text.length && (BASE64[text[to] ?? 0] ?? -1) !== -1) to += 1;
  keepDigits(unfolding, from, to);
  return end;
}

function keepDigits({ text, placeOf, arena }: Unfolding, from: number, to: number): void {
  const { into, at } = arena.reserve(Math.ceil(((to - from) * B64.bits) / 8));
  const count = writeDigits(text.subarray(from, to), B64, into, at);
  if (count >= LEAST_READING && !isEmpty(into, at, count)) arena.close(count, placeOf(from), placeOf(to));
}

/** UTF-32 has three zero bytes of four; what has more is nothing at all, and there is much of it. */
function isEmpty(bytes: Uint8Array, from: number, count: number): boolean {
  let zeros = 0;
  for (let at = from; at < from + count; at += 1) zeros += bytes[at] === 0 ? 1 : 0;
  return zeros * 5 > count * 4;
}

/** Three groups, and a stretch of twice as many digits holds such a place. */
const PROBE = 12;
const SHORT_STRETCH = 96;
/** How far round such a place the text is read; it is looked for again behind that. */
const REACH = { before: 32, after: 256 } as const;

/** By the classes of two bytes in a row, eight times the first plus the second: 1 where they may stand so in a text. */
const IS_PAIR = Uint8Array.from({ length: 64 }, (_, pair) => {
  const begins = [GROUND, 1, 2, 3].some((state) => {
    const next = NEXT[state * 8 + (pair >> 3)] ?? NOISE;
    return next !== NOISE && (NEXT[next * 8 + (pair & 7)] ?? NOISE) !== NOISE;
  });
  return begins ? 1 : 0;
});

/** Texts beyond ASCII take more bytes for each character, so looking in some places of a stretch finds them. */
export function addWide(text: Uint8Array, from: number, to: number, placeOf: PlaceOf, arena: Arena): void {
  const kept = [0, 0, 0, 0];
  // A short one may be a value and little else.
  const step = to - from <= SHORT_STRETCH ? GROUP : PROBE * 2;
  for (let base = from; base + PROBE <= to; base += step) {
    const last = Math.min(base + GROUP, to - PROBE + 1);
    for (let at = base; at < last; at += 1) {
      const word = groupAt(text, at);
      const first = CLASS_OF[word >> 16] ?? 0;
      const second = CLASS_OF[(word >> 8) & 0xff] ?? 0;
      const third = CLASS_OF[word & 0xff] ?? 0;
      if (((IS_PAIR[first * 8 + second] ?? 0) & (IS_PAIR[second * 8 + third] ?? 0)) === 0) continue;
      if (at < (kept[at & 3] ?? 0) || !saysWide(text, at)) continue;
      kept[at & 3] = keepWide({ text, placeOf, arena }, at);
    }
  }
}

function keepWide(unfolding: Unfolding, at: number): number {
  const { text } = unfolding;
  let from = at;
  while (from > at - REACH.before && from >= GROUP && groupAt(text, from - GROUP) >= 0) from -= GROUP;
  let to = at;
  while (to < at + REACH.after && to < text.length && (BASE64[text[to] ?? 0] ?? -1) !== -1) to += 1;
  keepTexts(unfolding, from, to, B64);
  return to < at + REACH.after ? to : to - REACH.before;
}

/** Whether the digits say bytes of UTF-8, of which some are not ASCII. */
function saysWide(text: Uint8Array, from: number): boolean {
  let state = GROUND;
  let wide = false;
  let begun = false;
  for (let at = from; at < from + PROBE; at += GROUP) {
    const word = groupAt(text, at);
    if (word < 0) return false;
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

const HEX_SHORTEST = 16;

function addHex(unfolding: Unfolding): void {
  forEachStretch(unfolding.text, HEX, HEX_SHORTEST, (from, to) => {
    for (const skip of [0, 1]) keepTexts(unfolding, from + skip, to, B16);
  });
}

/** In a group of eight digits: the place, and the bit of the digit there, that is the highest of a byte. */
const HIGHEST_BITS: readonly (readonly [number, number])[] = [
  [0, 4],
  [1, 1],
  [3, 3],
  [4, 0],
  [6, 2],
];

/** By place in the text (mod 8) and byte: one bit per alignment in which the digit may be of ASCII. */
const ASCII_ALIGNMENTS = Uint8Array.from({ length: 8 * 256 }, (_, index) => {
  const turn = index >> 8;
  const digit = BASE32[index & 0xff] ?? -1;
  if (digit === -1) return 0;
  return [0, 1, 2, 3, 4, 5, 6, 7].reduce((mask, skip) => {
    const place = (turn - skip) & 7;
    const high = HIGHEST_BITS.some(([at, bit]) => at === place && ((digit >> bit) & 1) === 1);
    return high ? mask : mask | (1 << skip);
  }, 0);
});
/** Twelve characters take twenty digits: one such place lies among them whole. Shorter values are known as they are written. */
const PROBE32 = { digits: 12, step: 8 } as const;
/** Texts beyond ASCII, in one case as every encoder writes them. */
const WIDE32_SHORTEST = 26;

function addBase32(unfolding: Unfolding): void {
  const { text } = unfolding;
  const last = text.length - PROBE32.digits;
  let kept = 0;
  let keptTo = 0;
  for (let at = 0; at <= last; at += PROBE32.step) {
    if (at + PROBE32.digits > keptTo) kept = 0;
    const found = asciiAlignments(text, at) & ~kept;
    if (found === 0) continue;
    const { from, to } = stretchRound(text, at);
    for (let skip = 0; skip < 8; skip += 1) {
      if (((found >> skip) & 1) === 1) keepTexts(unfolding, from + ((skip - from) & 7), to, B32);
    }
    keptTo = kept === 0 ? to : Math.min(keptTo, to);
    kept |= found;
  }
  forEachStretch(text, BASE32, WIDE32_SHORTEST, (from, to) => {
    if (!isOneCase(text, from, to)) return;
    for (let skip = 0; skip < 8; skip += 1) keepTexts(unfolding, from + skip, to, B32);
  });
}

/** How much is read of one stretch: what lies further on is looked at there. */
const REACH32 = { before: 64, after: 512 } as const;

function stretchRound(text: Uint8Array, at: number): { readonly from: number; readonly to: number } {
  let from = at;
  while (from > 0 && from > at - REACH32.before && (BASE32[text[from - 1] ?? 0] ?? -1) !== -1) from -= 1;
  let to = at;
  while (to < text.length && to < at + REACH32.after && (BASE32[text[to] ?? 0] ?? -1) !== -1) to += 1;
  return { from, to };
}

/** In which alignments of the text, one bit each, the digits at `at` may be ASCII. Without a branch: half are none. */
function asciiAlignments(text: Uint8Array, at: number): number {
  let alignments = 0xff;
  for (let index = at; index < at + PROBE32.digits; index += 1) {
    alignments &= ASCII_ALIGNMENTS[((index & 7) << 8) | (text[index] ?? 0)] ?? 0;
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
function keepTexts({ text, placeOf, arena }: Unfolding, from: number, to: number, { digits, bits }: DigitCode): void {
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
      if (end - start >= LEAST_READING && !isEmpty(into, start, end - start)) {
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
  if (end - start >= LEAST_READING && !isEmpty(into, start, end - start)) {
    arena.close(end - start, placeOf(from), placeOf(to));
  }
}
