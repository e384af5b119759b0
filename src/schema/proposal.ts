import { z } from 'zod';
import { HostSpecSchema, RouteMatchSchema } from './route.ts';

/**
 * What an agent may ask for (SECURITY S32): a type of its own, far narrower than a route. No credential, no
 * placeholder, no scan setting, no passthrough: only the operator can set those, in the manifest.
 */
export const MAX_REASON = 2_000;
export const AllowAskSchema = z.strictObject({
  host: HostSpecSchema.describe('The host: api.example.com, or *.example.com for all names below it.'),
  port: z.int().min(1).max(65_535).optional().describe('Only for another port than 443 and 80.'),
  matches: z
    .array(RouteMatchSchema)
    .min(1)
    .max(20)
    .optional()
    .describe('Which requests: paths, methods, headers. Without it all requests to the host are meant.'),
  gitFetch: z.boolean().optional().describe('Whether git clone and fetch over HTTPS are meant too.'),
  reason: z.string().trim().min(1).max(MAX_REASON).describe('Why, for the person who decides.'),
});
export type AllowAsk = z.infer<typeof AllowAskSchema>;

/** Without the words: two asks for the same are one. */
export const AskedRouteSchema = AllowAskSchema.omit({ reason: true, port: true });
export type AskedRoute = z.infer<typeof AskedRouteSchema>;

export const PROPOSAL_KINDS = ['allow'] as const;

/** SHA-256 in hex of the canonical form of `{slug, kind, route, round}`. */
export const ProposalIdSchema = z.string().regex(/^[0-9a-f]{64}$/, "a proposal's id");

/** As it is filed: never changed afterwards. */
export const ProposalSchema = z.strictObject({
  id: ProposalIdSchema,
  slug: z.string(),
  kind: z.enum(PROPOSAL_KINDS),
  route: AskedRouteSchema,
  reason: z.string().max(MAX_REASON),
  createdAt: z.string(),
  /** Asked anew after an answer that is over; 1 for the first time. */
  round: z.int().min(1),
});
export type Proposal = z.infer<typeof ProposalSchema>;

/** How long a yes holds: an hour, until this bottle ends, or for its next lives too. */
export const SCOPES = ['hour', 'run', 'bottle'] as const;
export type Scope = (typeof SCOPES)[number];

/** What the asking side appends: first the proposal, then that it was asked again. */
export const AskedEventSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('filed'), proposal: ProposalSchema }),
  z.strictObject({ event: z.literal('again'), at: z.string(), reason: z.string().max(MAX_REASON) }),
]);
export type AskedEvent = z.infer<typeof AskedEventSchema>;

/** What the answering side appends. A claim is one answerer's turn; only who holds it may go on. */
export const AnswerEventSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('claimed'), by: z.string(), atMs: z.number() }),
  z.strictObject({ event: z.literal('released'), by: z.string() }),
  z.strictObject({ event: z.literal('failed'), by: z.string(), at: z.string(), why: z.string() }),
  z.strictObject({
    event: z.literal('approved'),
    by: z.string(),
    at: z.string(),
    scope: z.enum(SCOPES),
    /** What was granted: the asked route, or a narrower one. */
    granted: AskedRouteSchema,
    generation: z.int(),
    untilMs: z.number().nullable(),
    note: z.string().max(MAX_REASON),
  }),
  z.strictObject({ event: z.literal('rejected'), by: z.string(), at: z.string(), note: z.string().max(MAX_REASON) }),
  z.strictObject({ event: z.literal('undone'), at: z.string() }),
  z.strictObject({ event: z.literal('lapsed'), at: z.string() }),
]);
export type AnswerEvent = z.infer<typeof AnswerEventSchema>;

export const RISKS = ['low', 'medium', 'high'] as const;
export type Risk = (typeof RISKS)[number];

/** What a yes would open, told before it is given. */
export const ImpactSchema = z.strictObject({
  /** The policy it was computed against: another one, and the answer is stale (SECURITY S33). */
  generation: z.int(),
  opens: z.array(z.string()),
  /** What may be asked of that host now; empty for nothing. */
  now: z.array(z.string()),
  /** The host variable whose value these requests would carry. */
  credential: z.string().nullable(),
  ways: z.array(z.string()),
  risk: z.enum(RISKS),
  why: z.string(),
  /** What widens this far needs the host typed (SECURITY S34). */
  confirm: z.boolean(),
  narrower: z.array(z.strictObject({ key: z.string(), title: z.string(), route: AskedRouteSchema })),
});
export type Impact = z.infer<typeof ImpactSchema>;
