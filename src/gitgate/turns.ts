/** One after the other, in the order of asking; a turn ends with its work, however that ends. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** How many have their turn or wait for it. */
  get length(): number {
    return this.#waiting;
  }

  async take<Value>(work: () => Promise<Value>): Promise<Value> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#last = promise;
    this.#waiting += 1;
    try {
      await before;
      return await work();
    } finally {
      this.#waiting -= 1;
      resolve(undefined);
    }
  }
}
