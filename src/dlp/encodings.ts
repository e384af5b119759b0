/**
 * The byte patterns that carry a known value in one layer of encoding. Percent escapes are not here: they can be mixed
 * in any way, so `known-values.ts` decodes them instead. Hex is matched on a case-folded view. What `deep-scanner.ts`
 * finds is `separated`, `nested` or a `piece`.
 */
export type Encoding = 'raw' | 'percent' | 'base64' | 'base32' | 'hex' | 'reversed' | 'separated' | 'nested' | 'piece';
export interface EncodedPattern {
  readonly encoding: 'raw' | 'base64' | 'base32' | 'hex' | 'reversed';
  readonly bytes: Uint8Array;
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function patternsOf(value: string): readonly EncodedPattern[] {
  return byteReadings(value).flatMap(patternsOfBytes);
}

/** The bytes that a text may be on the wire: UTF-8, and one byte per character where that is possible and differs. */
export function byteReadings(text: string): readonly Uint8Array[] {
  const utf8 = new TextEncoder().encode(text);
  if (utf8.length === text.length) return [utf8];
  if (/[^\0-\xff]/.test(text)) return [utf8];
  return [utf8, Uint8Array.from(text, (character) => character.charCodeAt(0))];
}

function patternsOfBytes(bytes: Uint8Array): readonly EncodedPattern[] {
  const base64 = [STANDARD, URL_SAFE].flatMap((alphabet) =>
    [0, 1, 2].map((alignment) => digitsCore(bytes, alignment, alphabet, 6)),
  );
  const base32 = [BASE32, BASE32.toLowerCase()].flatMap((alphabet) =>
    [0, 1, 2, 3, 4].map((alignment) => digitsCore(bytes, alignment, alphabet, 5)),
  );
  const forward: readonly EncodedPattern[] = [
    { encoding: 'raw', bytes },
    ...[...new Set(base64)].map((text) => ({ encoding: 'base64', bytes: new TextEncoder().encode(text) }) as const),
    ...[...new Set(base32)].map((text) => ({ encoding: 'base32', bytes: new TextEncoder().encode(text) }) as const),
    { encoding: 'hex', bytes: new TextEncoder().encode(hexOf(bytes)) },
  ];
  return [...forward, { encoding: 'reversed', bytes: bytes.toReversed() }];
}

/**
 * The characters that the value alone decides when it begins `alignment` bytes into a group (RFC 4648, sections 4 and 6):
 * those that also carry bits of its neighbours are left off, and so is padding.
 */
function digitsCore(bytes: Uint8Array, alignment: number, alphabet: string, width: number): string {
  const firstBit = alignment * 8;
  const endBit = firstBit + bytes.length * 8;
  let text = '';
  for (let digit = Math.ceil(firstBit / width); (digit + 1) * width <= endBit; digit += 1) {
    let index = 0;
    for (let bit = digit * width; bit < (digit + 1) * width; bit += 1) {
      const at = bit - firstBit;
      index = index * 2 + (((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    }
    text += alphabet.charAt(index);
  }
  return text;
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
