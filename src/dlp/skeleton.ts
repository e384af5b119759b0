import type { Segment } from './segment.ts';

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

/** The same of a stream of UTF-8. Any split of the input gives the same output. */
export class SkeletonDecoder {
  #point = 0;
  #missing = 0;

  /** Every byte is decided when it comes: a letter that several bytes write ends with the last of them. */
  push(bytes: Uint8Array, start: number): Segment {
    const output = new Uint8Array(bytes.length);
    const ends = new Float64Array(bytes.length);
    let to = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      const letter = byte < 128 ? (ASCII_LETTERS[byte] ?? 0) : this.#wide(byte);
      if (byte < 128) this.#missing = 0;
      if (letter === 0) continue;
      output[to] = letter;
      ends[to] = start + at + 1;
      to += 1;
    }
    return { bytes: output.subarray(0, to), start, ends: ends.subarray(0, to), decoded: null };
  }

  #wide(byte: number): number {
    if (byte >= 0xc0) {
      this.#missing = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      this.#point = byte & (byte >= 0xf0 ? 7 : byte >= 0xe0 ? 15 : 31);
      return 0;
    }
    if (this.#missing === 0) return 0;
    this.#missing -= 1;
    this.#point = this.#point * 64 + (byte & 63);
    return this.#missing === 0 ? letterOf(this.#point) : 0;
  }
}

const isLetter = (point: number): boolean =>
  (point >= 48 && point <= 57) || (point >= 65 && point <= 90) || (point >= 97 && point <= 122);
const ASCII_LETTERS = Uint8Array.from({ length: 128 }, (_, point) => (isLetter(point) ? point : 0));

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
