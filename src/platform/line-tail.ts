import fs from 'node:fs';

const BLOCK_BYTES = 256 * 1024;
/** Nothing of ours writes longer lines; what is longer is passed over. */
const LONGEST_LINE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The lines of a file that others append to, each once and only when it is whole. The file is held open: what was
 * written before it was removed is still read, and one that was put in its place is read from its beginning when the old
 * one has been read to its end.
 */
export class LineTail implements Disposable {
  readonly #file: string;
  readonly #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #descriptor: number | null = null;
  #offset = 0;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** What has come since the last time; later calls go on from there. */
  *lines(): Generator<string> {
    for (;;) {
      this.#descriptor ??= this.#open();
      if (this.#descriptor === null) return;
      yield* this.#readOn(this.#descriptor);
      if (!this.#isReplaced(this.#descriptor)) return;
      // Its last bytes may have been written between our last read and the look.
      yield* this.#readOn(this.#descriptor);
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== null) fs.closeSync(this.#descriptor);
    this.#descriptor = null;
    this.#offset = 0;
    this.#hold([]);
  }

  #open(): number | null {
    return fs.existsSync(this.#file) ? fs.openSync(this.#file, 'r') : null;
  }

  *#readOn(descriptor: number): Generator<string> {
    // Cut down from outside: what is there now is new.
    if (fs.fstatSync(descriptor).size < this.#offset) {
      this.#offset = 0;
      this.#hold([]);
    }
    for (;;) {
      const length = fs.readSync(descriptor, this.#block, 0, BLOCK_BYTES, this.#offset);
      if (length === 0) return;
      this.#offset += length;
      yield* this.#split(this.#block.subarray(0, length));
    }
  }

  *#split(bytes: Buffer): Generator<string> {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const tooLong = this.#heldBytes > LONGEST_LINE_BYTES;
      const line = Buffer.concat([...this.#held, bytes.subarray(start, end)]).toString('utf8');
      this.#hold([]);
      start = end + 1;
      if (!tooLong) yield line;
    }
    if (start === bytes.length) return;
    const rest = Buffer.from(bytes.subarray(start));
    if (this.#heldBytes > LONGEST_LINE_BYTES) return;
    this.#hold([...this.#held, rest]);
  }

  #hold(blocks: Buffer[]): void {
    this.#held = blocks;
    this.#heldBytes = blocks.reduce((sum, block) => sum + block.length, 0);
  }

  #isReplaced(descriptor: number): boolean {
    const now = fs.statSync(this.#file, { throwIfNoEntry: false });
    if (now === undefined) return false;
    const held = fs.fstatSync(descriptor);
    return now.ino !== held.ino || now.dev !== held.dev;
  }
}
