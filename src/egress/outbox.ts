/** Something that holds small writes back until the end of the event loop's turn. */
interface Holding {
  flush(): void;
}

/**
 * What many connections write in one turn of the event loop goes to the kernel together at the turn's end. Each write
 * to a peer that sleeps wakes it, which costs more than the write; one that finds it awake costs little. The first of
 * a turn goes at once, so that a lone request never waits.
 */
export class Outbox {
  #holding: Holding[] = [];
  #begun = false;

  /** True for the first write of a turn: it is not held back. Others call `hold`. */
  isFirst(): boolean {
    if (this.#begun) return false;
    this.#begun = true;
    setImmediate(this.#endTurn);
    return true;
  }

  hold(writer: Holding): void {
    this.#holding.push(writer);
  }

  readonly #endTurn = (): void => {
    this.#begun = false;
    const writers = this.#holding;
    this.#holding = [];
    for (const writer of writers) writer.flush();
  };
}
