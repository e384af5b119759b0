import { z } from 'zod';
import type { JsonValue } from '../kernel/canonical-json.ts';

/**
 * The tamper-evident record of one bottle: JSON Lines, each line in RFC 8785 form, each with the hash of the one before
 * (DESIGN 11, SECURITY S35). `hash` is SHA-256 over the line without it.
 */
const JsonValueSchema: z.ZodType<JsonValue> = z.json();
export const AuditBodySchema = z.record(z.string(), JsonValueSchema);
export type AuditBody = z.infer<typeof AuditBodySchema>;

const DigestSchema = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex');

/**
 * `opened`, `continued`, `head` and `sealed` are of the chain itself; `decision` is a line of the gateway, `operator`
 * what a person decided, `event` what happened, and `unreadable` stands for bytes that a killed service left.
 */
export const AUDIT_KINDS = [
  'opened',
  'continued',
  'decision',
  'operator',
  'event',
  'unreadable',
  'head',
  'sealed',
] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

export const AuditRecordSchema = z.strictObject({
  at: z.string(),
  body: AuditBodySchema,
  hash: DigestSchema,
  kind: z.enum(AUDIT_KINDS),
  prev: DigestSchema,
  seq: z.int().nonnegative(),
});
export type AuditRecord = z.infer<typeof AuditRecordSchema>;

/** Body of the first record: which bottle, which start, whose key. */
export const OpenedSchema = z.strictObject({
  version: z.literal(1),
  slug: z.string(),
  startedAt: z.string(),
  keyId: DigestSchema,
  /** Ed25519, SPKI DER in base64. */
  publicKey: z.string(),
  /** Where in the gateway's file this record begins; a resumed bottle's file has lines of its earlier life. */
  from: z.int().nonnegative(),
});
export type Opened = z.infer<typeof OpenedSchema>;

export const ContinuedSchema = z.strictObject({ part: z.int().min(2) });
export const HeadSchema = z.strictObject({ signature: z.string() });
export const SealedSchema = z.strictObject({
  /** How many records precede this one. */
  records: z.int().nonnegative(),
  /** `ended`: by the launcher, in order; `recovered`: by a later command, after the launcher was killed. */
  how: z.enum(['ended', 'recovered']),
  /** Bytes of a line that a crash cut short, taken away before the record went on. */
  tornBytes: z.int().nonnegative(),
  signature: z.string(),
});

/** `prev` of the first record. */
export const CHAIN_START = '0'.repeat(64);
