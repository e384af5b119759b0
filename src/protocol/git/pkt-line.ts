import { asciiBytes } from '../bytes.ts';

/**
 * Git's framing (gitprotocol-common): four hex digits that count themselves and what follows, or one of three special
 * lengths. Counterpart: whoever reads a stream of these keeps what `readPkt` did not take.
 */
const HEADER = 4;
/** The most that git itself writes or takes, header included. */
const LONGEST = 65_520;

export type Pkt =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'flush' }
  | { readonly kind: 'delimiter' }
  | { readonly kind: 'response-end' };

export type PktReading =
  | { readonly kind: 'pkt'; readonly pkt: Pkt; readonly next: number }
  /** Bytes are missing. */
  | { readonly kind: 'more' }
  | { readonly kind: 'invalid'; readonly why: string };

export function readPkt(bytes: Uint8Array, at: number): PktReading {
  if (bytes.length - at < HEADER) return prefixProblem(bytes, at) ?? { kind: 'more' };
  const length = hexLength(bytes, at);
  if (length === null) return { kind: 'invalid', why: 'a line does not begin with its length' };
  const next = at + HEADER;
  if (length === 0) return { kind: 'pkt', pkt: { kind: 'flush' }, next };
  if (length === 1) return { kind: 'pkt', pkt: { kind: 'delimiter' }, next };
  if (length === 2) return { kind: 'pkt', pkt: { kind: 'response-end' }, next };
  if (length < HEADER || length > LONGEST)
    return { kind: 'invalid', why: `a line says that it is ${length} bytes long` };
  if (bytes.length - at < length) return { kind: 'more' };
  return { kind: 'pkt', pkt: { kind: 'data', bytes: bytes.subarray(next, at + length) }, next: at + length };
}

/** What can't become a length any more is told before the rest has come. */
function prefixProblem(bytes: Uint8Array, at: number): PktReading | null {
  for (let index = at; index < bytes.length; index += 1) {
    if (hexDigit(bytes[index] ?? 0) === -1) return { kind: 'invalid', why: 'a line does not begin with its length' };
  }
  return null;
}

function hexLength(bytes: Uint8Array, at: number): number | null {
  let length = 0;
  for (let index = at; index < at + HEADER; index += 1) {
    const digit = hexDigit(bytes[index] ?? 0);
    if (digit === -1) return null;
    length = length * 16 + digit;
  }
  return length;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return -1;
}

/** As many packets as `content` needs; none for nothing. */
export function encodePkts(content: Uint8Array): readonly Uint8Array[] {
  const pkts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += LONGEST - HEADER) {
    pkts.push(encodePkt(content.subarray(at, at + LONGEST - HEADER)));
  }
  return pkts;
}

function encodePkt(content: Uint8Array): Uint8Array {
  const length = content.length + HEADER;
  const pkt = new Uint8Array(length);
  pkt.set(asciiBytes(length.toString(16).padStart(HEADER, '0')));
  pkt.set(content, HEADER);
  return pkt;
}

export const FLUSH: Uint8Array = asciiBytes('0000');

/** A line of text as one packet. */
export function textPkt(text: string): Uint8Array {
  return encodePkt(new TextEncoder().encode(text));
}

/** The side bands of an answer: its data, words for people, the end of everything. */
export const BAND = { data: 1, progress: 2, failure: 3 } as const;

/** `content` on one band, in packets of the size that `side-band-64k` allows. */
export function encodeBand(band: number, content: Uint8Array): readonly Uint8Array[] {
  const room = LONGEST - HEADER - 1;
  const pkts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += room) {
    const part = content.subarray(at, at + room);
    const banded = new Uint8Array(part.length + 1);
    banded[0] = band;
    banded.set(part, 1);
    pkts.push(encodePkt(banded));
  }
  return pkts;
}

/**
 * Packets out of chunks that are cut anywhere. What has not become a packet yet is at most one packet long. After an
 * invalid one nothing more comes out.
 */
export class PktStream {
  #held = new Uint8Array(0);
  #problem: string | null = null;

  get problem(): string | null {
    return this.#problem;
  }

  /** How many bytes the packet under way lacks, as far as that is known: never more than it lacks. */
  get wanted(): number {
    const length = this.#held.length < HEADER ? HEADER : (hexLength(this.#held, 0) ?? HEADER);
    return Math.max(1, length - this.#held.length);
  }

  /** Nothing of a packet is waiting for its end. */
  get idle(): boolean {
    return this.#held.length === 0;
  }

  push(chunk: Uint8Array): readonly Pkt[] {
    if (this.#problem !== null) return [];
    const bytes = this.#held.length === 0 ? chunk : joined(this.#held, chunk);
    const pkts: Pkt[] = [];
    let at = 0;
    for (let reading = readPkt(bytes, at); reading.kind !== 'more'; reading = readPkt(bytes, at)) {
      if (reading.kind === 'invalid') {
        this.#problem = reading.why;
        return pkts;
      }
      pkts.push(reading.pkt);
      at = reading.next;
    }
    this.#held = bytes.slice(at);
    return pkts;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
