import { BugError } from './errors.ts';

/** One undo, named so that a teardown can say what it is doing. */
export interface Undo {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

/**
 * Owns what was acquired and gives it back in reverse order. A failing undo does not stop the ones below it; all
 * failures are thrown together at the end.
 */
export class Scope implements AsyncDisposable {
  readonly #undos: Undo[] = [];
  #closed = false;

  /** Registers an undo; on a scope that is already closed this is a bug of the caller, so it throws. */
  defer(name: string, run: () => void | Promise<void>): void {
    if (this.#closed) throw new BugError(`scope is closed, cannot register "${name}"`);
    this.#undos.push({ name, run });
  }

  /** Hands every undo to the caller: the resources outlive this scope. */
  release(): readonly Undo[] {
    return this.#undos.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const failures: unknown[] = [];
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo.run();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, 'several undo steps failed');
  }
}
