import type { ProposalView } from '../schema/inbox.ts';

/**
 * Which proposals are worth a person's attention one by one: after five in ten minutes the rest are one summary, so that
 * nobody is tired into a yes (SECURITY S34).
 */
const WINDOW_MS = 600_000;
const ONE_BY_ONE = 5;

export type Alarm =
  { readonly kind: 'proposal'; readonly view: ProposalView } | { readonly kind: 'summary'; readonly count: number };

export class Folding {
  readonly #seen = new Set<string>();
  #told: readonly number[] = [];
  #summedUpAt = -Infinity;

  /** What to tell now, given all that is pending. */
  look(pending: readonly ProposalView[], nowMs: number): readonly Alarm[] {
    const fresh = pending.filter(({ id, slug }) => !this.#seen.has(`${slug} ${id}`));
    for (const { id, slug } of fresh) this.#seen.add(`${slug} ${id}`);
    this.#told = this.#told.filter((at) => nowMs - at < WINDOW_MS);
    const room = Math.max(0, ONE_BY_ONE - this.#told.length);
    const single = fresh.slice(0, room);
    this.#told = [...this.#told, ...single.map(() => nowMs)];
    const folded = fresh.length - single.length;
    const alarms: Alarm[] = single.map((view) => ({ kind: 'proposal', view }));
    if (folded > 0 && nowMs - this.#summedUpAt >= WINDOW_MS) {
      this.#summedUpAt = nowMs;
      alarms.push({ kind: 'summary', count: folded });
    }
    return alarms;
  }
}
