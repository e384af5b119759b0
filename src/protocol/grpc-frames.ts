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
