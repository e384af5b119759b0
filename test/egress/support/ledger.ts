import type { DecisionRecord } from '../../../src/schema/decision.ts';

/** What a client saw of one request. */
export type Seen =
  | { readonly kind: 'answered'; readonly status: number; readonly reason: string | undefined }
  /** The answer began and did not end. */
  | { readonly kind: 'cut'; readonly status: number }
  /** The connection ended without a byte: a request that nobody read, which its client may send again. */
  | { readonly kind: 'closed' }
  /** The client itself went away. */
  | { readonly kind: 'left' };

/** Says what is wrong with a request and its record, or null. */
export type Judge = (key: string, seen: Seen, record: DecisionRecord) => string | null;

const KEPT_PROBLEMS = 20;

/** Brings together what clients saw and what the gateway recorded: each request exactly one record, each record a request. */
export class Ledger {
  readonly problems: string[] = [];
  readonly counts: Record<Seen['kind'], number> = { answered: 0, cut: 0, closed: 0, left: 0 };
  readonly #judge: Judge;
  readonly #seen = new Map<string, Seen>();
  readonly #recorded = new Map<string, DecisionRecord>();
  /** What has a host and no path: one is like the other, so only their number can be wrong. */
  readonly #connects = new Map<string, number>();
  readonly #hosts: ReadonlySet<string>;
  #waiting: (() => void) | null = null;
  #goal: { readonly count: number; readonly resolve: () => void } | null = null;

  constructor(judge: Judge, hosts: readonly string[]) {
    this.#judge = judge;
    this.#hosts = new Set(hosts);
  }

  /** Resolves when so many requests have come to their end. */
  reached(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#goal = { count, resolve };
      this.#noteGoal();
    });
  }

  #noteGoal(): void {
    if (this.#goal === null || this.requests < this.#goal.count) return;
    this.#goal.resolve();
    this.#goal = null;
  }

  get requests(): number {
    const { answered, cut, closed, left } = this.counts;
    return answered + cut + closed + left;
  }

  /** A request of that key has come to its end at the client. Keys are never used twice. */
  saw(key: string, seen: Seen): void {
    this.counts[seen.kind] += 1;
    this.#noteGoal();
    const record = this.#recorded.get(key);
    if (record === undefined) this.#seen.set(key, seen);
    else this.#match(key, seen, record);
  }

  /** A CONNECT to one of the hosts that everybody asks for was refused, or its TLS passed through. */
  sawNameless(host: string): void {
    this.counts.answered += 1;
    this.#count(host, 1);
  }

  recorded(record: DecisionRecord): void {
    if (record.path === '' && this.#hosts.has(record.host)) {
      this.#count(record.host, -1);
      return;
    }
    const key = keyOf(record);
    if (this.#recorded.has(key)) this.#complain(`${key}: two records`);
    const seen = this.#seen.get(key);
    if (seen === undefined) this.#recorded.set(key, record);
    else this.#match(key, seen, record);
  }

  /** Waits for the records that are still to come, then says what never found its counterpart. */
  async close(patienceMs: number): Promise<readonly string[]> {
    if (!this.#settled) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs);
        this.#waiting = () => {
          if (!this.#settled) return;
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const [key, { kind }] of this.#owed()) this.#complain(`${key}: ${kind}, and not recorded`);
    for (const [key, record] of this.#recorded) this.#complain(`${key}: recorded (${record.ended}), and never asked`);
    for (const [host, left] of this.#connects) this.#complain(`${host}: ${String(left)} connections without a record`);
    return this.problems;
  }

  #count(host: string, by: number): void {
    const left = (this.#connects.get(host) ?? 0) + by;
    if (left === 0) this.#connects.delete(host);
    else this.#connects.set(host, left);
    this.#waiting?.();
  }

  get #settled(): boolean {
    return this.#owed().length === 0 && this.#recorded.size === 0 && this.#connects.size === 0;
  }

  /** What nobody read and what its client gave up may have no record. */
  #owed(): readonly (readonly [string, Seen])[] {
    return [...this.#seen].filter(([, { kind }]) => kind === 'answered' || kind === 'cut');
  }

  #match(key: string, seen: Seen, record: DecisionRecord): void {
    this.#seen.delete(key);
    this.#recorded.delete(key);
    const problem =
      seen.kind === 'closed'
        ? `read and not answered (${record.decision}, ${record.ended})`
        : this.#judge(key, seen, record);
    if (problem !== null) this.#complain(`${key}: ${problem}`);
    this.#waiting?.();
  }

  #complain(problem: string): void {
    if (this.problems.length < KEPT_PROBLEMS) this.problems.push(problem);
  }
}

/** A path says which request it is; a CONNECT that is refused has a host alone. */
function keyOf({ path, host }: DecisionRecord): string {
  return path === '' ? host : path;
}
