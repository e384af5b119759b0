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

/** The letters of UTF-8 bytes, written to `into`; how many. This is the hot path: no branch for what is ASCII. */
export function writeSkeleton(
  bytes: Uint8Array,
  state: SkeletonState,
  into: Uint8Array,
): { readonly length: number; readonly state: SkeletonState } {
  let { point, missing } = state;
  let length = 0;
  const count = bytes.length;
  for (let at = 0; at < count; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 128) {
      const letter = ASCII_LETTERS[byte] ?? 0;
      into[length] = letter;
      length += IS_LETTER[byte] ?? 0;
      missing = 0;
    } else if (byte >= 0xc0) {
      missing = missingAfter(byte);
      point = leadBits(byte);
    } else if (missing > 0) {
      missing -= 1;
      point = point * 64 + (byte & 63);
      const letter = missing === 0 ? wideLetterOf(point) : 0;
      if (letter === 0) continue;
      into[length] = letter;
      length += 1;
    }
  }
  return { length, state: { point, missing } };
}

/** The same, for the place of each letter: its first byte and the one after its last. */
export function placeLetters(
  bytes: Uint8Array,
  state: SkeletonState,
  onLetter: (start: number, end: number) => void,
): void {
  let { point, missing } = state;
  let lead = 0;
  bytes.forEach((byte, at) => {
    let letter = 0;
    if (byte < 128) {
      missing = 0;
      lead = at;
      letter = ASCII_LETTERS[byte] ?? 0;
    } else if (byte >= 0xc0) {
      missing = missingAfter(byte);
      point = leadBits(byte);
      lead = at;
    } else if (missing > 0) {
      missing -= 1;
      point = point * 64 + (byte & 63);
      if (missing === 0) letter = wideLetterOf(point);
    }
    if (letter !== 0) onLetter(lead, at + 1);
  });
}

const missingAfter = (lead: number): number => (lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1);
const leadBits = (lead: number): number => lead & (lead >= 0xf0 ? 7 : lead >= 0xe0 ? 15 : 31);

const isLetter = (point: number): boolean =>
  (point >= 48 && point <= 57) || (point >= 65 && point <= 90) || (point >= 97 && point <= 122);
const ASCII_LETTERS = Uint8Array.from({ length: 256 }, (_, point) => (isLetter(point) ? point : 0));
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
