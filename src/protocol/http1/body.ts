import { assertNever } from '../../kernel/assert-never.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { allIn, asciiBytes, byteClass, latin1 } from '../bytes.ts';
import type { Framing } from './framing.ts';
import { parseTrailers, type Header } from './head.ts';

/**
 * Message bodies, incrementally: bytes in, slices of the same bytes out (nothing is copied but the rare chunk line
 * that straddles two reads). Any split of the input gives the same data. An error is final.
 */
export interface BodyProgress {
  readonly data: readonly Uint8Array[];
  /** How many of the pushed bytes belong to this body; the rest is the next message's. */
  readonly consumed: number;
  readonly done: boolean;
  readonly trailers: readonly Header[];
  readonly error: string | null;
}
export interface BodyDecoder {
  push(bytes: Uint8Array): BodyProgress;
  /** The connection's end: right for `until-close` and bodies already done, an error for all others. */
  end(): { readonly done: boolean; readonly error: string | null };
}

const NO_TRAILERS: readonly Header[] = [];
const NO_DATA: readonly Uint8Array[] = [];

export function createBodyDecoder(framing: Framing): BodyDecoder {
  switch (framing.kind) {
    case 'none':
      return lengthDecoder(0);
    case 'length':
      return lengthDecoder(framing.length);
    case 'until-close':
      return untilCloseDecoder();
    case 'chunked':
      return new ChunkedDecoder();
    default:
      return assertNever(framing);
  }
}

function lengthDecoder(length: number): BodyDecoder {
  let left = length;
  return {
    push(bytes) {
      const take = Math.min(left, bytes.length);
      left -= take;
      const data = take === 0 ? NO_DATA : [take === bytes.length ? bytes : bytes.subarray(0, take)];
      return { data, consumed: take, done: left === 0, trailers: NO_TRAILERS, error: null };
    },
    end: () => ({ done: left === 0, error: left === 0 ? null : 'the body ended before its Content-Length' }),
  };
}

function untilCloseDecoder(): BodyDecoder {
  return {
    push: (bytes) => ({
      data: bytes.length === 0 ? NO_DATA : [bytes],
      consumed: bytes.length,
      done: false,
      trailers: NO_TRAILERS,
      error: null,
    }),
    end: () => ({ done: true, error: null }),
  };
}

const HEX = byteClass(
  (byte) => (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 70) || (byte >= 97 && byte <= 102),
);
const LF = 10;
const CR = 13;

/** Fields that a trailer may not bring: framing, routing, credentials (RFC 9110 section 6.5.1, SECURITY S10). */
const FORBIDDEN_TRAILERS = new Set([
  'api-key', 'authorization', 'cache-control', 'connection', 'content-encoding', 'content-length', 'content-range',
  'content-type', 'cookie', 'expect', 'forwarded', 'host', 'job-token', 'keep-alive', 'location', 'max-forwards',
  'private-token', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'range', 'set-cookie', 'te',
  'trailer', 'transfer-encoding', 'upgrade', 'via', 'www-authenticate', 'x-api-key', 'x-auth-token',
  'x-goog-api-key', 'x-http-method-override',
]); // prettier-ignore

function isForbiddenTrailer(name: string): boolean {
  const field = name.toLowerCase();
  return FORBIDDEN_TRAILERS.has(field) || field.startsWith('x-forwarded-');
}

type ChunkState = 'size' | 'data' | 'data-end' | 'trailer' | 'done';

/** Chunked coding (RFC 9112 section 7.1) without extensions: we know none, and they hide what follows from others. */
class ChunkedDecoder implements BodyDecoder {
  #state: ChunkState = 'size';
  #left = 0;
  /** The part of a line (or of the trailer section) seen so far. */
  #line: number[] = [];
  #trailers: readonly Header[] = NO_TRAILERS;
  #error: string | null = null;

  push(bytes: Uint8Array): BodyProgress {
    const data: Uint8Array[] = [];
    let index = 0;
    while (index < bytes.length && this.#state !== 'done' && this.#error === null) {
      if (this.#state === 'data') {
        const take = Math.min(this.#left, bytes.length - index);
        data.push(bytes.subarray(index, index + take));
        index += take;
        this.#left -= take;
        if (this.#left === 0) this.#state = 'data-end';
      } else {
        this.#pushLineByte(bytes[index] ?? 0);
        index += 1;
      }
    }
    return { data, consumed: index, done: this.#state === 'done', trailers: this.#trailers, error: this.#error };
  }

  end(): { done: boolean; error: string | null } {
    if (this.#state === 'done') return { done: true, error: null };
    return { done: false, error: this.#error ?? 'the body ended before its last chunk' };
  }

  #pushLineByte(byte: number): void {
    const line = this.#line;
    const previous = line.at(-1);
    if (byte === LF && previous !== CR) this.#error = 'line feed without carriage return in chunked coding';
    else if (previous === CR && byte !== LF) this.#error = 'carriage return without line feed in chunked coding';
    else if (this.#state === 'data-end' && byte !== CR && byte !== LF) this.#error = 'a chunk is longer than its size';
    line.push(byte);
    if (this.#error !== null) return;
    const limit = this.#state === 'trailer' ? LIMITS.httpTrailerBytes : LIMITS.httpChunkLineBytes;
    if (line.length > limit) this.#error = 'a line of the chunked coding is too long';
    else if (byte === LF) this.#endOfLine(Uint8Array.from(line));
  }

  #endOfLine(line: Uint8Array): void {
    if (this.#state === 'data-end') {
      this.#next('size');
    } else if (this.#state === 'size') {
      this.#readSize(line);
    } else if (endsSection(line)) {
      this.#readTrailers(line);
    }
  }

  #readSize(line: Uint8Array): void {
    const digits = line.length - 2;
    if (digits < 1 || digits > 13 || !allIn(HEX, line, 0, digits)) {
      this.#error = 'malformed chunk size';
      return;
    }
    this.#left = Number.parseInt(latin1(line, 0, digits), 16);
    this.#next(this.#left === 0 ? 'trailer' : 'data');
  }

  #readTrailers(section: Uint8Array): void {
    const trailers = parseTrailers(section);
    if (typeof trailers === 'string') {
      this.#error = trailers;
    } else if (trailers.some(([name]) => isForbiddenTrailer(name))) {
      this.#error = 'a trailer that may not be one';
    } else {
      this.#trailers = trailers;
      this.#next('done');
    }
  }

  #next(state: ChunkState): void {
    this.#state = state;
    this.#line = [];
  }
}

/** The trailer section is over at its empty line. */
function endsSection(section: Uint8Array): boolean {
  return section.length === 2 || (section.at(-3) === LF && section.at(-4) === CR);
}

/** No data, no chunk: one of size 0 would end the body. */
export function encodeChunk(data: Uint8Array): Uint8Array {
  if (data.length === 0) return data;
  const size = asciiBytes(`${data.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.length + data.length + 2);
  chunk.set(size);
  chunk.set(data, size.length);
  chunk[chunk.length - 2] = CR;
  chunk[chunk.length - 1] = LF;
  return chunk;
}

export const LAST_CHUNK: Uint8Array = asciiBytes('0\r\n\r\n');

/** The end of a chunked body with its trailer section; the fields were parsed by a grammar that has no line breaks. */
export function encodeLastChunk(trailers: readonly Header[]): Uint8Array {
  if (trailers.length === 0) return LAST_CHUNK;
  return asciiBytes(`0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
}
