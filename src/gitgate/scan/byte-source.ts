import type { Readable } from 'node:stream';
import { BottleError } from '../../kernel/errors.ts';

/** Bytes of a stream by the piece that is wanted; holds at most what has come and was not asked for yet. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    const iterator: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
    this.#chunks = iterator;
  }

  /** Without its end; null at the end of the stream. */
  async readLine(limitBytes: number): Promise<Buffer | null> {
    for (let from = 0; ;) {
      const end = this.#held.indexOf(0x0a, from);
      if (end !== -1) return this.#take(end + 1).subarray(0, end);
      if (this.#held.length > limitBytes) throw tooLong();
      from = this.#held.length;
      if (!(await this.#more())) return from === 0 ? null : this.#take(from);
    }
  }

  async read(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.readParts(size)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** `size` bytes as they come. */
  async *readParts(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      if (this.#held.length === 0 && !(await this.#more())) throw endedEarly();
      const part = this.#take(Math.min(left, this.#held.length));
      left -= part.length;
      yield part;
    }
  }

  #take(size: number): Buffer {
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return taken;
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }
}

function tooLong(): BottleError {
  return new BottleError('git_failed', { message: 'git gave a line that is too long' });
}

function endedEarly(): BottleError {
  return new BottleError('git_failed', { message: 'git ended before it had told all' });
}
