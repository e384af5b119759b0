import { LIMITS } from '../../kernel/limits.ts';

/**
 * WebSocket frames (RFC 6455 section 5), incrementally: bytes in, whole frames out, any split of the input alike. What
 * the RFC forbids is an error with the code to close with, and final. Counterpart: `messages.ts`, which joins fragments.
 */
export type Opcode = 'continuation' | 'text' | 'binary' | 'close' | 'ping' | 'pong';

export interface Frame {
  readonly opcode: Opcode;
  readonly fin: boolean;
  /** RSV1: the message is compressed (RFC 7692). */
  readonly compressed: boolean;
  readonly payload: Uint8Array;
}

/** RFC 6455 section 7.4.1: protocol error, data that is no text, policy violation, too big. */
export type CloseCode = 1000 | 1002 | 1007 | 1008 | 1009 | 1011;

export interface FrameError {
  readonly code: CloseCode;
  readonly why: string;
}

export interface FrameRules {
  /** Frames of a client are masked, those of a server are not. */
  readonly masked: boolean;
  /** permessage-deflate was agreed on. */
  readonly deflate: boolean;
  readonly payloadBytes: number;
}

const OPCODES: ReadonlyMap<number, Opcode> = new Map([
  [0, 'continuation'],
  [1, 'text'],
  [2, 'binary'],
  [8, 'close'],
  [9, 'ping'],
  [10, 'pong'],
]);
const NUMBERS: Readonly<Record<Opcode, number>> = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

export function isControl(opcode: Opcode): boolean {
  return opcode === 'close' || opcode === 'ping' || opcode === 'pong';
}

interface FrameHead {
  readonly opcode: Opcode;
  readonly fin: boolean;
  readonly compressed: boolean;
  readonly key: Uint8Array | null;
  readonly length: number;
}

export interface FrameProgress {
  readonly frames: readonly Frame[];
  readonly error: FrameError | null;
}

export class FrameParser {
  readonly #rules: FrameRules;
  /** Bytes of a frame's head so far: at most fourteen. */
  #headBytes: number[] = [];
  #head: FrameHead | null = null;
  #payload: Uint8Array = new Uint8Array(0);
  #filled = 0;
  #error: FrameError | null = null;

  constructor(rules: FrameRules) {
    this.#rules = rules;
  }

  /** Bytes taken in of a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#payload.length;
  }

  push(bytes: Uint8Array): FrameProgress {
    const frames: Frame[] = [];
    let at = 0;
    while (this.#error === null && (at < bytes.length || this.#isWhole())) {
      if (this.#head === null) {
        this.#headBytes.push(bytes[at] ?? 0);
        at += 1;
        this.#readHead();
      } else if (this.#isWhole()) {
        frames.push(this.#finish(this.#head));
      } else {
        at += this.#fill(this.#head, bytes.subarray(at));
      }
    }
    return { frames, error: this.#error };
  }

  #isWhole(): boolean {
    return this.#head !== null && this.#filled === this.#head.length;
  }

  #readHead(): void {
    const [first, second] = this.#headBytes;
    if (first === undefined) return;
    const refused = this.#refuseFirst(first) ?? (second === undefined ? null : this.#refuseSecond(first, second));
    if (refused !== null) {
      this.#error = refused;
      return;
    }
    if (second === undefined) return;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskBytes = this.#rules.masked ? 4 : 0;
    if (this.#headBytes.length < 2 + lengthBytes + maskBytes) return;
    const length = lengthBytes === 0 ? short : this.#readLength(2, lengthBytes);
    if (length === null) return;
    const keyAt = 2 + lengthBytes;
    this.#head = {
      opcode: OPCODES.get(first & 0x0f) ?? 'close',
      fin: (first & 0x80) !== 0,
      compressed: (first & 0x40) !== 0,
      key: this.#rules.masked ? Uint8Array.from(this.#headBytes.slice(keyAt, keyAt + 4)) : null,
      length,
    };
    this.#payload = new Uint8Array(Math.min(length, FIRST_PAYLOAD_BYTES));
    this.#filled = 0;
  }

  #refuseFirst(first: number): FrameError | null {
    const opcode = OPCODES.get(first & 0x0f);
    if (opcode === undefined) return violation('an unknown opcode');
    if ((first & 0x30) !== 0) return violation('a reserved bit');
    const compressed = (first & 0x40) !== 0;
    if (compressed && !this.#rules.deflate) return violation('a reserved bit');
    if (compressed && opcode !== 'text' && opcode !== 'binary') return violation('compression where none may begin');
    if (isControl(opcode) && (first & 0x80) === 0) return violation('a control frame in fragments');
    return null;
  }

  #refuseSecond(first: number, second: number): FrameError | null {
    if (((second & 0x80) !== 0) !== this.#rules.masked) return violation('masking on the wrong side');
    const opcode = OPCODES.get(first & 0x0f);
    const control = opcode !== undefined && isControl(opcode);
    return control && (second & 0x7f) > LIMITS.webSocketControlBytes ? violation('a control frame too long') : null;
  }

  #readLength(from: number, bytes: number): number | null {
    let length = 0;
    for (const byte of this.#headBytes.slice(from, from + bytes)) length = length * 256 + byte;
    const minimal = bytes === 2 ? length > 125 : length > 0xffff;
    if (!minimal) this.#error = violation('a length in more bytes than it needs');
    else if (length > this.#rules.payloadBytes) this.#error = { code: 1009, why: 'a frame over the bound' };
    return this.#error === null ? length : null;
  }

  /** Room grows with what has come, not with what a head has promised. */
  #fill(head: FrameHead, bytes: Uint8Array): number {
    const take = Math.min(bytes.length, head.length - this.#filled);
    if (this.#filled + take > this.#payload.length) {
      const grown = new Uint8Array(Math.min(head.length, Math.max(2 * this.#payload.length, this.#filled + take)));
      grown.set(this.#payload.subarray(0, this.#filled));
      this.#payload = grown;
    }
    const { key } = head;
    if (key === null) this.#payload.set(bytes.subarray(0, take), this.#filled);
    else unmask(this.#payload, this.#filled, bytes, take, key);
    this.#filled += take;
    return take;
  }

  #finish(head: FrameHead): Frame {
    const payload = this.#payload.length === head.length ? this.#payload : this.#payload.subarray(0, head.length);
    this.#head = null;
    this.#headBytes = [];
    this.#payload = new Uint8Array(0);
    this.#filled = 0;
    const { opcode, fin, compressed } = head;
    return { opcode, fin, compressed, payload };
  }
}

const FIRST_PAYLOAD_BYTES = 4096;

function unmask(to: Uint8Array, at: number, from: Uint8Array, count: number, key: Uint8Array): void {
  for (let index = 0; index < count; index += 1) {
    to[at + index] = (from[index] ?? 0) ^ (key[(at + index) & 3] ?? 0);
  }
}

function violation(why: string): FrameError {
  return { code: 1002, why };
}

/** `key` masks the payload, as a client must; four bytes that the caller drew. */
export function encodeFrame(frame: Frame, key: Uint8Array | null): Uint8Array {
  const { payload } = frame;
  const length = payload.length;
  const lengthBytes = length > 0xffff ? 8 : length > 125 ? 2 : 0;
  const headBytes = 2 + lengthBytes + (key === null ? 0 : 4);
  const encoded = new Uint8Array(headBytes + length);
  encoded[0] = (frame.fin ? 0x80 : 0) | (frame.compressed ? 0x40 : 0) | NUMBERS[frame.opcode];
  encoded[1] = (key === null ? 0 : 0x80) | (lengthBytes === 8 ? 127 : lengthBytes === 2 ? 126 : length);
  let rest = length;
  for (let index = 1 + lengthBytes; index > 1; index -= 1) {
    encoded[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  if (key === null) {
    encoded.set(payload, headBytes);
    return encoded;
  }
  encoded.set(key, headBytes - 4);
  for (let index = 0; index < length; index += 1) {
    encoded[headBytes + index] = (payload[index] ?? 0) ^ (key[index & 3] ?? 0);
  }
  return encoded;
}
