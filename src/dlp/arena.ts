/**
 * One layer of what a text unfolds to: all readings of all its runs in one buffer, with the places of the stream that
 * each came from. One buffer, because searching it once costs far less than searching ten thousand words.
 */
const SEPARATOR = 0xff;
/** Fewer bytes are nothing that is looked for. */
export const LEAST_READING = 8;

export class Arena {
  #bytes = new Uint8Array(4096);
  #length = 0;
  /** By reading: where it ends here, and where it stands in the stream. */
  readonly #ends: number[] = [];
  readonly #froms: number[] = [];
  readonly #tos: number[] = [];
  #open = 0;

  get length(): number {
    return this.#length;
  }

  /** Lent until something is added. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    this.#open = 0;
    this.#ends.length = 0;
    this.#froms.length = 0;
    this.#tos.length = 0;
  }

  /** Room for as many bytes more; what is written there counts when `close` says how much it is. */
  reserve(count: number): { readonly into: Uint8Array; readonly at: number } {
    const wanted = this.#open + count + 1;
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    return { into: this.#bytes, at: this.#open };
  }

  /** Of no fewer than `LEAST_READING`. */
  close(count: number, from: number, to: number): void {
    this.#length = this.#open + count;
    this.#ends.push(this.#length);
    this.#froms.push(from);
    this.#tos.push(to);
    this.#bytes[this.#length] = SEPARATOR;
    this.#open = this.#length + 1;
  }

  /** Whether one of the readings goes on to that place of the stream. */
  reaches(place: number): boolean {
    return this.#tos.includes(place);
  }

  /** The part of the stream that the byte at `at` comes from. */
  placeOf(at: number): { readonly start: number; readonly end: number } {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle] ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return { start: this.#froms[low] ?? 0, end: this.#tos[low] ?? 0 };
  }
}
