/**
 * Percent-decodes a byte stream with each decoded byte's place in the original. A broken escape passes as the
 * characters it is, and the characters after its `%` are looked at again.
 */
export type Emit = (byte: number, origin: number) => void;

const PERCENT = 37;

export class PercentDecoder {
  /** The `%` and at most one digit that wait for the rest of their escape, with their places. */
  readonly #bytes: number[] = [];
  readonly #origins: number[] = [];

  /** Place of the first byte that is not decided yet, or null. */
  get pendingFrom(): number | null {
    return this.#origins[0] ?? null;
  }

  push(byte: number, origin: number, emit: Emit): void {
    if (this.#bytes.length === 0) {
      if (byte === PERCENT) this.#hold(byte, origin);
      else emit(byte, origin);
      return;
    }
    if (hexDigit(byte) === -1) {
      this.flush(emit);
      this.push(byte, origin, emit);
      return;
    }
    this.#hold(byte, origin);
    if (this.#bytes.length === 3) {
      const decoded = hexDigit(this.#bytes[1] ?? 0) * 16 + hexDigit(byte);
      const from = this.#origins[0] ?? origin;
      this.#clear();
      emit(decoded, from);
    }
  }

  /** What waits can no longer become an escape: it is emitted as it stands. */
  flush(emit: Emit): void {
    const bytes = [...this.#bytes];
    const origins = [...this.#origins];
    this.#clear();
    bytes.forEach((byte, index) => {
      emit(byte, origins[index] ?? 0);
    });
  }

  #hold(byte: number, origin: number): void {
    this.#bytes.push(byte);
    this.#origins.push(origin);
  }

  #clear(): void {
    this.#bytes.length = 0;
    this.#origins.length = 0;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 65 && byte <= 70) return byte - 55;
  if (byte >= 97 && byte <= 102) return byte - 87;
  return -1;
}
