/** TLS sessions to resume, by everything that makes two connections interchangeable. Each ticket is used once (RFC 8446, C.4). */
export class SessionCache {
  readonly #tickets = new Map<string, Buffer>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  take(key: string): Buffer | undefined {
    const ticket = this.#tickets.get(key);
    this.#tickets.delete(key);
    return ticket;
  }

  put(key: string, ticket: Buffer): void {
    this.#tickets.delete(key);
    this.#tickets.set(key, ticket);
    const [oldest] = this.#tickets.keys();
    if (this.#tickets.size > this.#most && oldest !== undefined) this.#tickets.delete(oldest);
  }
}
