/** Cuts a byte stream into lines, with a bound; UTF-8 that is broken becomes replacement characters. */
export class LineReader {
  readonly #limitBytes: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The lines that this block completes, without their ends; null once a line is longer than the bound. */
  push(chunk: Buffer): readonly string[] | null {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      this.#keep(chunk.subarray(from, end));
      if (this.#pendingBytes > this.#limitBytes) return null;
      lines.push(Buffer.concat(this.#pending).toString('utf8'));
      this.#pending = [];
      this.#pendingBytes = 0;
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return this.#pendingBytes > this.#limitBytes ? null : lines;
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }
}
