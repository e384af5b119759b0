/**
 * A text by its letters and digits alone. What people put between or onto characters to hide a word falls away:
 * separators, line ends, the zero bytes of UTF-16, zero-width and combining characters, marks of direction. Letters that
 * only look like ASCII become it. Values are short of anything else, so theirs is nearly as telling as they are.
 */
export function skeletonOf(text: string): string {
  let skeleton = '';
  for (const character of text) {
    const letter = letterOf(character.codePointAt(0) ?? 0);
    if (letter !== 0) skeleton += String.fromCharCode(letter);
  }
  return skeleton;
}

/** Where a character of several bytes was when the bytes came to their end. */
export interface SkeletonState {
  readonly point: number;
  readonly missing: number;
}
export const SKELETON_START: SkeletonState = { point: 0, missing: 0 };

interface Written {
  readonly length: number;
  readonly state: SkeletonState;
}

/** Bytes that are judged together: ASCII, noise, or a text with other letters in it. */
const PART = 64;
/** Bytes of a part that no text has; as many are noise, whose wide letters nobody reads. */
const NOISY = 6;

/** The letters of UTF-8 bytes, written to `into`; how many. This is the hot path: nearly no branch for what is ASCII. */
export function writeSkeleton(bytes: Uint8Array, state: SkeletonState, into: Uint8Array): Written {
  let now = state;
  let length = 0;
  const count = bytes.length;
  for (let part = 0; part < count; part += PART) {
    const end = Math.min(count, part + PART);
    let to = length;
    let high = now.missing === 0 ? 0 : 0x80;
    let noise = 0;
    for (let at = part; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      into[to] = byte;
      to += IS_LETTER[byte] ?? 0;
      noise += IS_NOISE[byte] ?? 0;
      high |= byte;
    }
    if (high < 0x80 || noise >= NOISY) {
      length = to;
      now = SKELETON_START;
      continue;
    }
    const wide = writeWide(bytes.subarray(part, end), now, into, length);
    length = wide.length;
    now = wide.state;
  }
  return { length, state: now };
}

function writeWide(bytes: Uint8Array, state: SkeletonState, into: Uint8Array, from: number): Written {
  let length = from;
  const after = walkLetters(bytes, state, (letter) => {
    into[length] = letter;
    length += 1;
  });
  return { length, state: after };
}

/** The place of each letter: its first byte and the one after its last. */
export function placeLetters(
  bytes: Uint8Array,
  state: SkeletonState,
  onLetter: (start: number, end: number) => void,
): void {
  let now = state;
  for (let part = 0; part < bytes.length; part += PART) {
    const some = bytes.subarray(part, part + PART);
    if (isNoisy(some)) {
      now = SKELETON_START;
      some.forEach((byte, at) => {
        if (IS_LETTER[byte] === 1) onLetter(part + at, part + at + 1);
      });
      continue;
    }
    now = walkLetters(some, now, (_, start, end) => {
      onLetter(part + start, part + end);
    });
  }
}

const isNoisy = (bytes: Uint8Array): boolean => bytes.reduce((sum, byte) => sum + (IS_NOISE[byte] ?? 0), 0) >= NOISY;

function walkLetters(
  bytes: Uint8Array,
  state: SkeletonState,
  onLetter: (letter: number, start: number, end: number) => void,
): SkeletonState {
  let { point, missing } = state;
  let lead = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    let letter = 0;
    if (byte < 128) {
      missing = 0;
      lead = at;
      letter = ASCII_LETTERS[byte] ?? 0;
    } else if (byte >= 0xc0) {
      missing = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      point = byte & (byte >= 0xf0 ? 7 : byte >= 0xe0 ? 15 : 31);
      lead = at;
    } else if (missing > 0) {
      missing -= 1;
      point = point * 64 + (byte & 63);
      if (missing === 0) letter = wideLetterOf(point);
    }
    if (letter !== 0) onLetter(letter, lead, at + 1);
  }
  return { point, missing };
}

const isLetter = (point: number): boolean =>
  (point >= 48 && point <= 57) || (point >= 65 && point <= 90) || (point >= 97 && point <= 122);
const ASCII_LETTERS = Uint8Array.from({ length: 256 }, (_, point) => (isLetter(point) ? point : 0));
/** Control characters, and bytes that UTF-8 has nowhere. UTF-16 is full of zero bytes. */
export const IS_NOISE = Uint8Array.from({ length: 256 }, (_, byte) =>
  (byte > 0 && byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) || byte === 0xc0 || byte === 0xc1 || byte > 0xf4
    ? 1
    : 0,
);
const IS_LETTER = ASCII_LETTERS.map((letter) => (letter === 0 ? 0 : 1));

/** Of other scripts, what a reader takes for the ASCII letter (the most common rows of Unicode's confusables). */
const LOOK_ALIKES: ReadonlyMap<number, number> = new Map(
  Object.entries({
    a: 'аɑα',
    b: 'ЬƄ',
    c: 'сϲᴄ',
    d: 'ԁⅾ',
    e: 'еҽ℮',
    g: 'ɡց',
    h: 'һհ',
    i: 'іɩι',
    j: 'јϳ',
    k: 'κᴋк',
    l: 'ӏⅼǀ',
    m: 'ⅿм',
    n: 'ոռп',
    o: 'оοσօᴏ',
    p: 'рρ',
    q: 'ԛզ',
    r: 'гᴦ',
    s: 'ѕꜱ',
    t: 'тτ',
    u: 'υսᴜц',
    v: 'ѵνᴠⅴ',
    w: 'ԝѡᴡ',
    x: 'хⅹ×',
    y: 'уγү',
    z: 'ᴢʐ',
    A: 'АΑ',
    B: 'ВΒ',
    C: 'СϹⅭ',
    D: 'Ⅾ',
    E: 'ЕΕ',
    F: 'Ϝ',
    G: 'Ԍ',
    H: 'НΗ',
    I: 'ІΙ',
    J: 'Ј',
    K: 'КΚ',
    L: 'Ⅼ',
    M: 'МΜ',
    N: 'Ν',
    O: 'ОΟ',
    P: 'РΡ',
    Q: 'Ԛ',
    R: 'Ʀ',
    S: 'Ѕ',
    T: 'ТΤ',
    U: 'Ս',
    V: 'ѴⅤ',
    W: 'Ԝ',
    X: 'ХΧ',
    Y: 'УΥҮ',
    Z: 'Ζ',
    '0': '०০',
    '3': 'З',
    '6': 'б',
  }).flatMap(([letter, others]) =>
    Array.from(others, (other) => [other.codePointAt(0) ?? 0, letter.charCodeAt(0)] as const),
  ),
);

/** By code point of the first plane: what was found for it, or `UNKNOWN`. */
const UNKNOWN = 255;
const wideLetters = new Uint8Array(0x10000).fill(UNKNOWN);

function wideLetterOf(point: number): number {
  if (point > 0xffff) return letterOf(point);
  const known = wideLetters[point] ?? UNKNOWN;
  if (known !== UNKNOWN) return known;
  return (wideLetters[point] = letterOf(point));
}

/** Unicode's tag characters: invisible copies of ASCII. */
const TAGS = 0xe0000;

/** The ASCII letter or digit that a code point stands for, or 0. */
function letterOf(point: number): number {
  if (point < 128) return ASCII_LETTERS[point] ?? 0;
  const alike = LOOK_ALIKES.get(point);
  if (alike !== undefined) return alike;
  if (point >= TAGS && point < TAGS + 128) return ASCII_LETTERS[point - TAGS] ?? 0;
  if (point >= 0xd800 && point <= 0xdfff) return 0;
  if (point > 0x10ffff) return 0;
  // Full-width, mathematical, circled and accented forms: Unicode itself says what they are made of.
  const plain = String.fromCodePoint(point).normalize('NFKD').codePointAt(0) ?? 0;
  return plain < 128 ? (ASCII_LETTERS[plain] ?? 0) : 0;
}

/** The text with the letters that only look like ASCII written in it. */
export function foldLetters(text: string): string {
  let folded = '';
  for (const character of text) {
    const alike = LOOK_ALIKES.get(character.codePointAt(0) ?? 0);
    folded += alike === undefined ? character : String.fromCharCode(alike);
  }
  return folded;
}
