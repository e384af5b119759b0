/**
 * Cuts what a service writes into lines for the log. A line over the bound is cut and says so: a log may lose the end
 * of a line, but neither the lines around it nor the launcher's memory.
 */
export class LogLines {
  readonly #limitBytes: number;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #cutBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  push(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      this.#keep(chunk.subarray(from, end));
      lines.push(this.#take());
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  /** What a process that is gone left without a line's end. */
  end(): readonly string[] {
    return this.#keptBytes === 0 ? [] : [this.#take()];
  }

  #keep(bytes: Buffer): void {
    const kept = bytes.subarray(0, this.#limitBytes - this.#keptBytes);
    if (kept.length > 0) this.#kept.push(kept);
    this.#keptBytes += kept.length;
    this.#cutBytes += bytes.length - kept.length;
  }

  #take(): string {
    const text = printable(Buffer.concat(this.#kept).toString('utf8'));
    const line = this.#cutBytes === 0 ? text : `${text}… (${this.#cutBytes} more bytes)`;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#cutBytes = 0;
    return line;
  }
}

/** Who looks at a log on a terminal must not have that terminal driven by what a peer made us write. */
function printable(line: string): string {
  return line.replace(/[^\P{Cc}\t]/gu, '\ufffd');
}
