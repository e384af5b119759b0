import { z } from 'zod';
import {
  AskedRouteSchema,
  ImpactSchema,
  MAX_REASON,
  PROPOSAL_KINDS,
  ProposalIdSchema,
  RISKS,
  SCOPES,
} from './proposal.ts';

/** What the launcher tells the operator's commands about proposals, and what they answer, over the control socket. */
export const PROPOSAL_STATUSES = ['pending', 'approved', 'rejected', 'undone', 'lapsed', 'expired'] as const;
export type ProposalStatus = (typeof PROPOSAL_STATUSES)[number];

/** One proposal as it is shown: known values are taken out; control characters are the surface's to spell out. */
export const ProposalViewSchema = z.strictObject({
  id: ProposalIdSchema,
  slug: z.string(),
  kind: z.enum(PROPOSAL_KINDS),
  /** One line: what is asked for. */
  title: z.string(),
  risk: z.enum(RISKS),
  createdAt: z.string(),
  lastAskedAt: z.string(),
  count: z.int(),
  status: z.enum(PROPOSAL_STATUSES),
  reason: z.string(),
  route: AskedRouteSchema,
  /** The part of the host's name that somebody registered; null where that can't be said. */
  domain: z.string().nullable(),
  impact: ImpactSchema,
  /** Hash of the proposal and of what a yes would open: an answer names it, and is stale when it has changed. */
  digest: z.string(),
  /** Why the last attempt to apply it failed. */
  failure: z.string().nullable(),
  answer: z
    .strictObject({
      at: z.string(),
      note: z.string(),
      scope: z.enum(SCOPES).nullable(),
      granted: AskedRouteSchema.nullable(),
    })
    .nullable(),
});
export type ProposalView = z.infer<typeof ProposalViewSchema>;

export const InboxSchema = z.strictObject({
  proposals: z.array(ProposalViewSchema),
  reports: z.array(z.strictObject({ at: z.string(), text: z.string() })),
});
export type Inbox = z.infer<typeof InboxSchema>;

export const AnswerParamsSchema = z.discriminatedUnion('verdict', [
  z.strictObject({
    verdict: z.literal('approve'),
    id: ProposalIdSchema,
    digest: z.string(),
    scope: z.enum(SCOPES),
    /** Key of one of the narrower choices that were shown; null for none. */
    narrower: z.string().nullable(),
    /** What the operator made of it; null for what was asked. */
    granted: AskedRouteSchema.nullable(),
    note: z.string().max(MAX_REASON),
  }),
  z.strictObject({
    verdict: z.literal('reject'),
    id: ProposalIdSchema,
    digest: z.string(),
    note: z.string().max(MAX_REASON),
  }),
]);
export type AnswerParams = z.infer<typeof AnswerParamsSchema>;

export const UndoParamsSchema = z.strictObject({ id: ProposalIdSchema });
export const AnsweredSchema = z.strictObject({ proposal: ProposalViewSchema, generation: z.int() });
export type Answered = z.infer<typeof AnsweredSchema>;
