import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../ports/clock.ts';
import type { ProposalState } from '../protocol/proposal-state.ts';
import { ProposalIdSchema, type AllowAsk } from '../schema/proposal.ts';
import {
  REPORTS_FILE,
  ROUTES_FILE,
  RoutesSnapshotSchema,
  type Report,
  type RoutesSnapshot,
  type SuperviseServiceDocument,
} from '../schema/supervise-service.ts';
import { Allowance } from './allowance.ts';
import { normaliseAsk } from './ask.ts';
import { appendEvent, readLog } from './event-log.ts';
import { SUPERVISE_LIMITS } from './limits.ts';
import { ProposalQueue } from './queue.ts';

/** What the agent's side can do, whatever protocol it comes by: ask, look, report. Every wait has an end (HOTSPOTS H12). */
export type AskOutcome =
  { readonly kind: 'state'; readonly state: ProposalState } | { readonly kind: 'refused'; readonly why: string };

export interface Waiting {
  readonly signal: AbortSignal;
  /** Told while it waits. */
  readonly onProgress: (waitedMs: number) => void;
}

export class Desk {
  readonly #document: SuperviseServiceDocument;
  readonly #queue: ProposalQueue;
  readonly #clock: Clock;
  readonly #proposals: Allowance;
  readonly #reports: Allowance;
  readonly #waitMs: number;
  #waiting = 0;

  constructor(document: SuperviseServiceDocument, clock: Clock, waitMs: number = SUPERVISE_LIMITS.waitMs) {
    this.#document = document;
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#queue = new ProposalQueue({ asked: document.askedDirectory, answers: document.answersDirectory }, clock);
    this.#proposals = new Allowance(clock, SUPERVISE_LIMITS.proposals);
    this.#reports = new Allowance(clock, SUPERVISE_LIMITS.reports);
  }

  /** Files it, waits a bounded time for an answer, and says how it stands. */
  async ask(ask: AllowAsk, waiting: Waiting): Promise<AskOutcome> {
    const route = normaliseAsk(ask);
    if (!route.ok) return { kind: 'refused', why: route.error };
    const wish = { slug: this.#document.slug, route: route.value, reason: ask.reason };
    const asked = this.#queue.ask(wish, () => this.#tooMuch());
    if ('refused' in asked) return { kind: 'refused', why: asked.refused };
    return { kind: 'state', state: await this.#untilAnswered(asked.state, waiting) };
  }

  /** The beginning of an id is enough where it is unique. */
  status(id: string): ProposalState | null {
    if (ProposalIdSchema.safeParse(id).success) return this.#queue.read(id);
    const found = this.#queue.list().filter(({ proposal }) => proposal.id.startsWith(id));
    return found.length === 1 ? (found[0] ?? null) : null;
  }

  routes(): RoutesSnapshot {
    const file = path.join(this.#document.answersDirectory, ROUTES_FILE);
    return readLog(file, RoutesSnapshotSchema).at(-1) ?? { generation: 0, routes: [] };
  }

  /** False when it said too much already. */
  report(text: string): boolean {
    const file = path.join(this.#document.askedDirectory, REPORTS_FILE);
    const full = (fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) > SUPERVISE_LIMITS.reportsBytes;
    if (full || !this.#reports.take()) return false;
    const report: Report = { at: this.#clock.timestamp(), text };
    appendEvent(file, report);
    return true;
  }

  #tooMuch(): string | null {
    const pending = this.#queue.list().filter(({ status }) => status === 'pending').length;
    if (pending >= SUPERVISE_LIMITS.pending) {
      return `${String(pending)} proposals wait for an answer already; go on with what you may do, and look at them with proposal-status`;
    }
    return this.#proposals.take()
      ? null
      : 'that was a lot of proposals in a short time; a person reads each of them. Ask again in a few minutes, for what you need most';
  }

  async #untilAnswered(state: ProposalState, { signal, onProgress }: Waiting): Promise<ProposalState> {
    if (state.status !== 'pending' || this.#waiting >= SUPERVISE_LIMITS.waiting) return state;
    this.#waiting += 1;
    try {
      const begun = this.#clock.monotonic();
      let told = begun - SUPERVISE_LIMITS.progressMs;
      let latest = state;
      while (latest.status === 'pending' && !signal.aborted) {
        const now = this.#clock.monotonic();
        if (now - begun >= this.#waitMs) break;
        if (now - told >= SUPERVISE_LIMITS.progressMs) {
          told = now;
          onProgress(now - begun);
        }
        await sleep(SUPERVISE_LIMITS.pollMs);
        latest = this.#queue.read(state.proposal.id) ?? latest;
      }
      return latest;
    } finally {
      this.#waiting -= 1;
    }
  }
}
