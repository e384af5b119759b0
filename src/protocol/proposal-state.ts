import { assertNever } from '../kernel/assert-never.ts';
import type { ProposalStatus } from '../schema/inbox.ts';
import type { AnswerEvent, AskedEvent, Proposal } from '../schema/proposal.ts';

/**
 * What a proposal's two logs say together. Both only grow, and whoever reads them sees the same; so two answerers can't
 * both have answered: the first valid answer in the log's order is the answer, and everything after it is nothing.
 */
export type Answer = Extract<AnswerEvent, { event: 'approved' | 'rejected' }>;

interface Turn {
  readonly status: ProposalStatus;
  /** Whose turn it is to answer; null for nobody's. */
  readonly holder: string | null;
  readonly heldSinceMs: number;
  /** Why the last attempt to apply it failed; it is pending all the same. */
  readonly failure: string | null;
  readonly answer: Answer | null;
}

export interface ProposalState extends Turn {
  readonly proposal: Proposal;
  /** How often it was asked. */
  readonly count: number;
  readonly lastAskedAt: string;
}

export interface ProposalLogs {
  readonly asked: readonly AskedEvent[];
  readonly answers: readonly AnswerEvent[];
}

/** An answerer that says nothing for this long has died, and its turn is another's. */
export const CLAIM_MS = 30_000;
/** A proposal that nobody has answered for this long is over. */
export const PENDING_MS = 24 * 3_600_000;

const NOBODY: Turn = { status: 'pending', holder: null, heldSinceMs: 0, failure: null, answer: null };

/** Null when its first line, the proposal itself, is not there. `filedMs` is `createdAt` as a number. */
export function readProposal(
  { asked, answers }: ProposalLogs,
  time: { readonly nowMs: number; readonly filedMs: number },
): ProposalState | null {
  const [first, ...later] = asked;
  if (first?.event !== 'filed') return null;
  const again = later.flatMap((event) => (event.event === 'again' ? [event] : []));
  const turn = answers.reduce(step, NOBODY);
  const expired = turn.status === 'pending' && turn.holder === null && time.nowMs - time.filedMs > PENDING_MS;
  return {
    ...turn,
    status: expired ? 'expired' : turn.status,
    proposal: first.proposal,
    count: 1 + again.length,
    lastAskedAt: again.at(-1)?.at ?? first.proposal.createdAt,
  };
}

function step(turn: Turn, event: AnswerEvent): Turn {
  switch (event.event) {
    case 'claimed': {
      const free = turn.holder === null || event.atMs - turn.heldSinceMs > CLAIM_MS;
      return turn.status === 'pending' && free ? { ...turn, holder: event.by, heldSinceMs: event.atMs } : turn;
    }
    case 'released':
      return turn.holder === event.by ? { ...turn, holder: null } : turn;
    case 'failed':
      return turn.holder === event.by ? { ...turn, holder: null, failure: event.why } : turn;
    case 'approved':
    case 'rejected':
      return turn.status === 'pending' && turn.holder === event.by
        ? { ...turn, status: event.event, holder: null, failure: null, answer: event }
        : turn;
    case 'undone':
    case 'lapsed':
      return turn.status === 'approved' ? { ...turn, status: event.event } : turn;
    default:
      return assertNever(event);
  }
}

/** Asking for the same again is a new proposal only when the old one's answer is over. */
export function isOver(status: ProposalStatus): boolean {
  return status === 'undone' || status === 'lapsed' || status === 'expired';
}
