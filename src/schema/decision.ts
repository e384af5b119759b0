import { z } from 'zod';

/** How a request came in. Every one of them meets the same `decideEgress` (G-ONE). */
export const ENTRIES = ['connect', 'absolute', 'transparent-tls', 'transparent-http', 'explain'] as const;
export type Entry = (typeof ENTRIES)[number];

/** Why a request was refused or let through: stable strings, used in `x-bot-bottle-reason`, records and tests. */
export const REASONS = [
  'allowed',
  'no_route',
  'no_match',
  'host_mismatch',
  'ambiguous_path',
  'bad_request',
  'git_push',
  'git_fetch',
  'cleartext_credential',
  'foreign_credential',
  'override_header',
  'placeholder_out_of_place',
  'passthrough_refused',
  'credential_missing',
  'known_secret',
  'token_pattern',
  'unscannable',
  'prompt_injection',
  'address_refused',
  'resolve_failed',
  'upstream_unreachable',
  'upstream_tls',
  'upstream_invalid',
  'upstream_timeout',
  'method_refused',
  'upgrade_refused',
  'proxy_auth',
  'record_failed',
  'limit_reached',
] as const;
export type Reason = (typeof REASONS)[number];

export const DECISIONS = ['allow', 'deny', 'hold', 'redact'] as const;

/** One step of the trace that `explain` prints: which check looked at what and what it found. */
export const TraceStepSchema = z.strictObject({ check: z.string(), outcome: z.string(), detail: z.string() });
export type TraceStep = z.infer<typeof TraceStepSchema>;

/** REFERENCE 4, `explain --json`. */
export const ExplanationSchema = z.strictObject({
  decision: z.enum(DECISIONS),
  reason: z.enum(REASONS),
  route: z.string().nullable(),
  trace: z.array(TraceStepSchema),
});
export type Explanation = z.infer<typeof ExplanationSchema>;

/**
 * The line appended before a decision takes effect. `time` is RFC 3339 with milliseconds; host and path are cut and
 * redacted as SECURITY S35 says.
 */
export const DecidedLineSchema = z.strictObject({
  event: z.literal('decided'),
  time: z.string(),
  slug: z.string(),
  generation: z.int(),
  id: z.string(),
  entry: z.enum(ENTRIES),
  method: z.string(),
  host: z.string(),
  port: z.int(),
  path: z.string(),
  decision: z.enum(DECISIONS),
  reason: z.enum(REASONS),
  route: z.string().nullable(),
});
export type DecidedLine = z.infer<typeof DecidedLineSchema>;

const FieldSchema = z.tuple([z.string(), z.string()]);

/** REFERENCE 4: exactly one per request, written when it ends. Findings carry no value: rule, place, keyed fingerprint. */
export const DecisionRecordSchema = DecidedLineSchema.extend({
  event: z.literal('ended'),
  /** Status the agent got; 0 when the connection ended without one. */
  status: z.int(),
  /** Milliseconds since the head was read: decision, upstream connected, first byte back, end. */
  timings: z.strictObject({
    decidedMs: z.number(),
    connectedMs: z.number().nullable(),
    firstByteMs: z.number().nullable(),
    endedMs: z.number(),
  }),
  bytes: z.strictObject({ sent: z.int(), received: z.int() }),
  /** How it ended when not by a complete answer. */
  ended: z.enum(['complete', 'agent_gone', 'upstream_cut', 'refused_midway']),
  findings: z.array(z.strictObject({ rule: z.string(), place: z.string(), name: z.string(), fingerprint: z.string() })),
  /** With `egress.log: 2`: header fields as the agent sent them and as it got them, redacted and cut. */
  full: z.strictObject({ request: z.array(FieldSchema), response: z.array(FieldSchema).nullable() }).optional(),
});
export type DecisionRecord = z.infer<typeof DecisionRecordSchema>;
