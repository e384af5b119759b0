import { BottleError } from '../kernel/errors.ts';
import {
  AnsweredSchema,
  InboxSchema,
  type Answered,
  type AnswerParams,
  type Inbox,
  type ProposalView,
} from '../schema/inbox.ts';
import { listBottles } from '../state/bottles.ts';
import { openControl } from './bottle-control.ts';
import type { CliContext } from './context.ts';

/** What the agents of all running bottles ask, and the way back to them. */
export interface OpenInbox {
  readonly proposals: readonly ProposalView[];
  readonly reports: readonly (Inbox['reports'][number] & { readonly slug: string })[];
  /** How many bottles may ask. */
  readonly bottles: number;
}

export async function readInbox(context: Pick<CliContext, 'paths'>): Promise<OpenInbox> {
  const asking = listBottles(context.paths).filter(
    ({ state, file }) => state === 'live' && file?.services.includes('supervise') === true,
  );
  const inboxes = await Promise.all(asking.map(({ slug }) => readOne(context, slug)));
  const proposals = inboxes.flatMap((inbox) => inbox?.proposals ?? []);
  return {
    proposals: proposals.toSorted((left, right) => left.createdAt.localeCompare(right.createdAt)),
    reports: asking.flatMap(({ slug }, index) =>
      (inboxes[index]?.reports ?? []).map((report) => ({ ...report, slug })),
    ),
    bottles: asking.length,
  };
}

/** Null for a bottle that starts or ends at this moment. */
async function readOne({ paths }: Pick<CliContext, 'paths'>, slug: string): Promise<Inbox | null> {
  try {
    using client = await openControl(paths, slug);
    return await client.call('inbox', InboxSchema);
  } catch (failure) {
    if (failure instanceof BottleError) return null;
    throw failure;
  }
}

/** The one proposal that an id stands for, or the beginning of one. */
export function findProposal(proposals: readonly ProposalView[], id: string): ProposalView {
  const found = proposals.filter((view) => view.id.startsWith(id));
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only;
  throw new BottleError('proposal_refused', {
    message: found.length === 0 ? `no running bottle has a proposal "${id}"` : `"${id}" stands for several proposals`,
    hint: 'bot-bottle supervise list',
  });
}

export function sendAnswer(context: Pick<CliContext, 'paths'>, slug: string, params: AnswerParams): Promise<Answered> {
  return tell(context, slug, 'answer', params);
}

export function sendUndo(context: Pick<CliContext, 'paths'>, { slug, id }: ProposalView): Promise<Answered> {
  return tell(context, slug, 'undo', { id });
}

async function tell(
  { paths }: Pick<CliContext, 'paths'>,
  slug: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<Answered> {
  using client = await openControl(paths, slug);
  try {
    return await client.call(method, AnsweredSchema, params);
  } catch (failure) {
    if (!(failure instanceof BottleError) || failure.code !== 'config_invalid') throw failure;
    throw new BottleError('proposal_refused', {
      message: failure.message.replace(/^the service refused: /, ''),
      hint: 'bot-bottle supervise list',
      cause: failure,
    });
  }
}
