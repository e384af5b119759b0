/** The digits that bytes are written in: base64 in both alphabets, base32 and hex in either case. */
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
export const BASE32 = table([`${LETTERS}234567`, `${LETTERS.toLowerCase()}234567`]);
export const HEX = table(['0123456789ABCDEF', '0123456789abcdef']);

export interface DigitCode {
  readonly digits: Int8Array;
  readonly bits: number;
}
export const B64: DigitCode = { digits: BASE64, bits: 6 };
export const B32: DigitCode = { digits: BASE32, bits: 5 };
export const B16: DigitCode = { digits: HEX, bits: 4 };

/** The bytes that the digits stand for, written from `at` on; how many. */
export function writeDigits(text: Uint8Array, { digits, bits }: DigitCode, into: Uint8Array, at: number): number {
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

/**
 * Calls back for each stretch of `shortest` digits or more. Only every so many bytes is one looked at: where it is a
 * digit, the stretch round it is measured.
 */
export function forEachStretch(
  text: Uint8Array,
  digits: Int8Array,
  shortest: number,
  onStretch: (from: number, to: number) => void,
): void {
  const { length } = text;
  let from = 0;
  let at = shortest - 1;
  while (at < length) {
    let first = at;
    while (first >= from && (digits[text[first] ?? 0] ?? -1) !== -1) first -= 1;
    if (first >= from) {
      from = first + 1;
      at = first + shortest;
      if (at < length || from + shortest <= length) continue;
      return;
    }
    let end = at + 1;
    while (end < length && (digits[text[end] ?? 0] ?? -1) !== -1) end += 1;
    onStretch(from, end);
    from = end + 1;
    at = end + shortest;
  }
}
