/**
 * Where the messages of a gRPC body end (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): a flag, four
 * bytes of length, and as many bytes. Each message is whole in itself: its receiver acts on it before the next is sent.
 */
const HEADER = 5;

export interface FramePart {
  readonly bytes: Uint8Array;
  /** The message is complete with these bytes. */
  readonly last: boolean;
}

export class GrpcFrames {
  readonly #header: number[] = [];
  #left = 0;

  /** The bytes as they came, cut after each message. */
  push(block: Uint8Array): readonly FramePart[] {
    const parts: FramePart[] = [];
    let from = 0;
    let at = 0;
    while (at < block.length) {
      if (this.#header.length < HEADER) {
        this.#header.push(block[at] ?? 0);
        at += 1;
        if (this.#header.length === HEADER) this.#left = lengthOf(this.#header);
      } else {
        const taken = Math.min(this.#left, block.length - at);
        at += taken;
        this.#left -= taken;
      }
      if (this.#header.length < HEADER || this.#left > 0) continue;
      parts.push({ bytes: block.subarray(from, at), last: true });
      this.#header.length = 0;
      from = at;
    }
    if (from < block.length) parts.push({ bytes: block.subarray(from), last: false });
    return parts;
  }
}

function lengthOf(header: readonly number[]): number {
  return header.slice(1).reduce((sum, byte) => sum * 256 + byte, 0);
}

/** A body as its receiver reads it. */
export type GrpcEvent =
  | { readonly kind: 'head'; readonly flag: number; readonly length: number; readonly bytes: Uint8Array }
  /** Never empty. */
  | { readonly kind: 'payload'; readonly bytes: Uint8Array }
  /** The message is complete. */
  | { readonly kind: 'end' };

/** Messages, their payload as it comes: what a message is made of is known before its first byte. */
export class GrpcMessages {
  #head: number[] = [];
  #left: number | null = null;

  push(block: Uint8Array): readonly GrpcEvent[] {
    const events: GrpcEvent[] = [];
    for (let at = 0; at < block.length;) {
      if (this.#left === null) {
        this.#head.push(block[at] ?? 0);
        at += 1;
        if (this.#head.length < HEADER) continue;
        this.#left = lengthOf(this.#head);
        events.push({ kind: 'head', flag: this.#head[0] ?? 0, length: this.#left, bytes: Uint8Array.from(this.#head) });
        this.#head = [];
      } else {
        const bytes = block.subarray(at, at + this.#left);
        at += bytes.length;
        this.#left -= bytes.length;
        events.push({ kind: 'payload', bytes });
      }
      if (this.#left > 0) continue;
      events.push({ kind: 'end' });
      this.#left = null;
    }
    return events;
  }

  /** Bytes of a head that is not whole: nobody has been shown them. */
  get begun(): Uint8Array {
    return Uint8Array.from(this.#head);
  }
}
