/** What the operator waits for, by the names that they know; steps that take no time are not worth a word. */
const SHOWN: Readonly<Record<string, string>> = {
  workspace: 'workspace',
  bottle: 'bottle',
  bundle: 'gateway',
};

/** `  ✓ workspace   ✓ bottle   ✓ gateway   ✓ 31 walls proved          0.31 s`, told step by step. */
export class Progress {
  readonly #say: (text: string) => void;
  readonly #startedAt = performance.now();
  readonly #done: string[] = [];

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  step(name: string): void {
    const shown = SHOWN[name];
    if (shown !== undefined) this.#done.push(`✓ ${shown}`);
  }

  ready(walls: number): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(2);
    this.#say(`  ${[...this.#done, `✓ ${String(walls)} walls proved`].join('   ')}   ${seconds} s`);
  }
}
