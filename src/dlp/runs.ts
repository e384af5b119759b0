/**
 * Cuts a stream into runs of the characters that encodings are written in: what may be one word of base64, hex or base32,
 * or a string of escapes. A long run comes in windows that overlap by more than any twelve characters take in three
 * layers of escapes, so no cut hides what SECURITY S18 asks for.
 */
export interface Run {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Shorter runs unfold to nothing that is looked for. */
const SHORTEST = 11;
const WINDOW_BYTES = 16 * 1024;
const OVERLAP_BYTES = 4 * 1024;

const WORD = Uint8Array.from({ length: 256 }, (_, byte) => {
  const letter = (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
  return letter || '+/:-_=%&#;\\.~{}'.includes(String.fromCharCode(byte)) ? 1 : 0;
});

export class RunCutter {
  #kept = new Uint8Array(0);
  #start = 0;

  push(chunk: Uint8Array, start: number): readonly Run[] {
    const runs: Run[] = [];
    let from = 0;
    if (this.#kept.length > 0) {
      from = wordEnd(chunk, 0);
      this.#grow(chunk.subarray(0, from), runs);
      if (from === chunk.length) return runs;
      this.#emit(runs);
    }
    while (from < chunk.length) {
      while (from < chunk.length && WORD[chunk[from] ?? 0] === 0) from += 1;
      const to = wordEnd(chunk, from);
      if (to === chunk.length || to - from > WINDOW_BYTES) {
        this.#start = start + from;
        this.#grow(chunk.subarray(from, to), runs);
        if (to < chunk.length) this.#emit(runs);
      } else if (to - from >= SHORTEST) {
        runs.push({ bytes: chunk.subarray(from, to), start: start + from, end: start + to });
      }
      from = to;
    }
    return runs;
  }

  /** The run that is not at its end yet. */
  open(): Run | null {
    if (this.#kept.length < SHORTEST) return null;
    return { bytes: this.#kept, start: this.#start, end: this.#start + this.#kept.length };
  }

  end(): Run | null {
    const run = this.open();
    this.#kept = new Uint8Array(0);
    return run;
  }

  #emit(runs: Run[]): void {
    const run = this.end();
    if (run !== null) runs.push(run);
  }

  #grow(bytes: Uint8Array, runs: Run[]): void {
    let at = 0;
    while (at < bytes.length) {
      const taken = bytes.subarray(at, at + WINDOW_BYTES - this.#kept.length);
      const grown = new Uint8Array(this.#kept.length + taken.length);
      grown.set(this.#kept);
      grown.set(taken, this.#kept.length);
      this.#kept = grown;
      at += taken.length;
      if (grown.length < WINDOW_BYTES) return;
      runs.push({ bytes: grown, start: this.#start, end: this.#start + grown.length });
      this.#kept = grown.slice(WINDOW_BYTES - OVERLAP_BYTES);
      this.#start += WINDOW_BYTES - OVERLAP_BYTES;
    }
  }
}

function wordEnd(chunk: Uint8Array, from: number): number {
  let at = from;
  while (at < chunk.length && WORD[chunk[at] ?? 0] === 1) at += 1;
  return at;
}
