/**
 * A credential or forwarded value. It prints, serialises and inspects as `[secret NAME]`; the bytes come out only by
 * `expose()`, which the linter allows in `platform/reveal.ts` alone.
 */
export class Secret {
  readonly #value: string;
  readonly name: string;

  constructor(name: string, value: string) {
    this.name = name;
    this.#value = value;
  }

  expose(): string {
    return this.#value;
  }

  toString(): string {
    return `[secret ${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }
}
