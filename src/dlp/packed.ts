import { LIMITS, KiB, MiB } from '../kernel/limits.ts';
import { decodeDigits, type DigitCode, B16, B32, B64 } from './digit-codes.ts';

/** How data may be packed. `raw` is deflate without a header. */
export type Packing = 'gzip' | 'deflate' | 'zstd' | 'br' | 'raw';

export type Unpacked =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** It is not packed so. */
  | { readonly kind: 'none' }
  | { readonly kind: 'too-much' };

/** Undoes a packing at once; data that is cut short gives what it holds so far. */
export type Unpack = (packing: Packing, bytes: Uint8Array, limitBytes: number) => Unpacked;

/** What the first bytes say about it. Brotli and raw deflate say nothing. */
export function packingOf(bytes: Uint8Array): Packing | null {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
  if (first === 0x1f && second === 0x8b && third === 8) return 'gzip';
  if (first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd) return 'zstd';
  // RFC 1950: the two bytes are a multiple of 31; window and level as every encoder writes them.
  if (first === 0x78 && (first * 256 + second) % 31 === 0 && (second & 0x20) === 0) return 'deflate';
  return null;
}

/** What packed data of that size may become. */
export function unpackedLimit(bytes: number): number {
  return Math.min(LIMITS.unpackedBytes, Math.max(MiB, bytes * LIMITS.decodedRatio));
}

/** Digits that say what a stretch of them begins with: 12 bytes in base64. */
const FIRST_DIGITS = 16;

/** How a stretch of digits is written and packed, judged by its beginning. */
export interface PackedDigits {
  readonly code: DigitCode;
  /** Null: it does not say so, and is no text. */
  readonly packing: Packing | null;
}

/** Null when it is nothing of the kind. */
export function packedDigits(text: Uint8Array, from: number, to: number): PackedDigits | null {
  if (to - from < FIRST_DIGITS) return null;
  const first = text.subarray(from, from + FIRST_DIGITS);
  for (const code of [B64, B16, B32]) {
    const packing = packingOf(decodeDigits(first, code));
    if (packing !== null) return { code, packing };
  }
  return looksRandom(text, from, to) ? { code: B64, packing: null } : null;
}

/** Base64 of packed data has letters of both cases and digits all over; names and paths have words. */
function looksRandom(text: Uint8Array, from: number, to: number): boolean {
  const until = Math.min(to, from + 48);
  if (until - from < 24) return false;
  let cases = 0;
  let turns = 0;
  let before = 0;
  for (let at = from; at < until; at += 1) {
    const kind = kindOf(text[at] ?? 0);
    cases |= kind;
    if (kind !== before) turns += 1;
    before = kind;
  }
  return (cases & 7) === 7 && turns * 3 >= until - from;
}

/** A capital, a small letter, a digit or something else. */
function kindOf(byte: number): number {
  if (byte >= 97) return 2;
  if (byte >= 65) return 1;
  return byte >= 48 && byte <= 57 ? 4 : 8;
}

/** A run of digits that goes on over line ends, as it comes. */
export class DigitCollector {
  readonly kind: PackedDigits;
  /** Where it begins in the stream, and how far of the stream it knows. */
  readonly start: number;
  next: number;
  #digits = new Uint8Array(4 * KiB);
  #length = 0;

  constructor(kind: PackedDigits, start: number) {
    this.kind = kind;
    this.start = start;
    this.next = start;
  }

  get length(): number {
    return this.#length;
  }

  /** How many bytes of the text belong to it; fewer than there are when it is at its end. */
  push(text: Uint8Array, from: number): number {
    const { digits } = this.kind.code;
    let at = from;
    for (; at < text.length; at += 1) {
      const byte = text[at] ?? 0;
      if ((digits[byte] ?? -1) === -1) {
        if (byte === 13 || byte === 10) continue;
        break;
      }
      if (this.#length === this.#digits.length) this.#grow();
      this.#digits[this.#length] = byte;
      this.#length += 1;
    }
    return at - from;
  }

  bytes(): Uint8Array {
    return decodeDigits(this.#digits.subarray(0, this.#length), this.kind.code);
  }

  #grow(): void {
    const grown = new Uint8Array(this.#digits.length * 2);
    grown.set(this.#digits);
    this.#digits = grown;
  }
}
