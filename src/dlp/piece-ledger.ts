/**
 * Which characters of each known value have left in short runs (SECURITY S18). One bitmap of fixed size per value, for the
 * bottle's whole life: nothing that an agent does makes it forget.
 */
export class PieceLedger {
  readonly #marked = new Map<string, Uint8Array>();

  /** True once half of the part's characters have left. */
  mark(part: string, from: number, to: number): boolean {
    const marks = this.#marked.get(part) ?? new Uint8Array(part.length);
    this.#marked.set(part, marks);
    marks.fill(1, from, to);
    return marks.reduce((sum, mark) => sum + mark, 0) * 2 >= part.length;
  }
}
