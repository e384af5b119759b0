import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { canonicalJson } from '../kernel/canonical-json.ts';
import type { Clock } from '../ports/clock.ts';
import { isOver, readProposal, type ProposalState } from '../protocol/proposal-state.ts';
import {
  AnswerEventSchema,
  AskedEventSchema,
  ProposalIdSchema,
  type AnswerEvent,
  type AskedRoute,
  type Proposal,
} from '../schema/proposal.ts';
import { appendEvent, createLog, readLog } from './event-log.ts';

/**
 * Proposals on the disk: a log for each, made by the asking side, and a log of its answers, made by the answering side.
 * Each side writes its own directory only.
 */
export interface QueuePlaces {
  readonly asked: string;
  readonly answers: string;
}

const EXTENSION = '.jsonl';

export class ProposalQueue {
  readonly #places: QueuePlaces;
  readonly #clock: Clock;

  constructor(places: QueuePlaces, clock: Clock) {
    this.#places = places;
    this.#clock = clock;
  }

  /** Oldest first. */
  list(): readonly ProposalState[] {
    if (!fs.existsSync(this.#places.asked)) return [];
    return fs
      .readdirSync(this.#places.asked)
      .flatMap((name) => {
        const id = name.endsWith(EXTENSION) ? name.slice(0, -EXTENSION.length) : '';
        return ProposalIdSchema.safeParse(id).success ? (this.read(id) ?? []) : [];
      })
      .toSorted((left, right) => left.proposal.createdAt.localeCompare(right.proposal.createdAt));
  }

  /** A file that doesn't hold the proposal its name says is none. */
  read(id: string): ProposalState | null {
    const asked = readLog(this.#asked(id), AskedEventSchema);
    const answers = readLog(this.#answers(id), AnswerEventSchema);
    const [first] = asked;
    const filedMs = first?.event === 'filed' ? Date.parse(first.proposal.createdAt) : 0;
    const state = readProposal({ asked, answers }, { nowMs: this.#clock.now(), filedMs });
    return state !== null && state.proposal.id === id && proposalId(state.proposal) === id ? state : null;
  }

  /**
   * Files what was asked, or counts that it was asked again. `mayFile` is looked at only for what is new: it says why not,
   * or null.
   */
  ask(
    wish: { readonly slug: string; readonly route: AskedRoute; readonly reason: string },
    mayFile: () => string | null,
  ): { readonly state: ProposalState; readonly isNew: boolean } | { readonly refused: string } {
    for (let round = 1; ; round += 1) {
      const id = proposalId({ slug: wish.slug, kind: 'allow', route: wish.route, round });
      const known = this.read(id);
      if (known !== null && isOver(known.status)) continue;
      if (known !== null) return { state: this.#again(known, wish.reason), isNew: false };
      const refused = mayFile();
      if (refused !== null) return { refused };
      const proposal: Proposal = { id, kind: 'allow', ...wish, round, createdAt: this.#clock.timestamp() };
      const isNew = createLog(this.#asked(id), { event: 'filed', proposal });
      const state = this.read(id);
      if (state !== null) return { state, isNew };
    }
  }

  /** Appends what an answerer did; what it means, the next look says. */
  answer(id: string, event: AnswerEvent): ProposalState | null {
    appendEvent(this.#answers(id), event);
    return this.read(id);
  }

  #again(known: ProposalState, reason: string): ProposalState {
    if (known.count >= MAX_COUNT) return known;
    appendEvent(this.#asked(known.proposal.id), {
      event: 'again',
      at: this.#clock.timestamp(),
      reason: reason.slice(0, 200),
    });
    return this.read(known.proposal.id) ?? known;
  }

  #asked(id: string): string {
    return path.join(this.#places.asked, `${id}${EXTENSION}`);
  }

  #answers(id: string): string {
    return path.join(this.#places.answers, `${id}${EXTENSION}`);
  }
}

/** Beyond it nobody counts any more. */
const MAX_COUNT = 500;

/** What is approved is what was shown (SECURITY S33): the name is the hash of what is asked, and a changed one has another. */
export function proposalId({ slug, kind, route, round }: Pick<Proposal, 'slug' | 'kind' | 'route' | 'round'>): string {
  return crypto.hash('sha256', canonicalJson({ slug, kind, route, round }), 'hex');
}
