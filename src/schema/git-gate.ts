import { z } from 'zod';
import { OBJECT_FORMATS } from './git.ts';

/** One repository of the gate, as the plan has it: no secret in it, no name that is not checked. */

/** SECURITY S27: no leading dot or dash, so that a name is never an option or a hidden file. */
export const REPO_NAME = /^[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]*(?<!\.git|\.lock)$/;

const UpstreamSchema = z.discriminatedUnion('kind', [
  /** A repository of the operator's on this machine; the launcher alone opens it. */
  z.strictObject({ kind: z.literal('local'), directory: z.string().startsWith('/') }),
  z.strictObject({
    kind: z.literal('https'),
    host: z.string(),
    port: z.int(),
    /** With its leading slash. */
    path: z.string().startsWith('/'),
    /** Name that the token is sent with. */
    user: z.string(),
  }),
  z.strictObject({
    kind: z.literal('ssh'),
    user: z.string(),
    host: z.string(),
    port: z.int(),
    path: z.string(),
    /** Its public key, as `known_hosts` writes it: type and base64. Nothing is trusted on first use. */
    hostKey: z.string(),
  }),
]);
export type GitUpstream = z.infer<typeof UpstreamSchema>;

const PushRulesSchema = z.strictObject({
  /** Globs of the refs that may be pushed; null stands for every branch. */
  push: z.array(z.string()).nullable(),
  allowDelete: z.boolean(),
  allowForce: z.boolean(),
  allowTags: z.boolean(),
  pushDefault: z.enum(['ask', 'allow', 'deny']),
  /** Branches land below this one at the upstream (`refs/heads/<slug>/`); null: under their own names. */
  landBelow: z.string().startsWith('refs/heads/').endsWith('/').nullable(),
  /** Globs of paths whose change needs approval; null stands for CI definitions and what tools run unasked. */
  pathsProtected: z.array(z.string()).nullable(),
  pushCi: z.enum(['warn', 'ask', 'deny']),
});
export type PushRules = z.infer<typeof PushRulesSchema>;

export const GateRepoSchema = z.strictObject({
  name: z.string().regex(REPO_NAME),
  /** As the manifest writes it, for messages. */
  url: z.string(),
  upstream: UpstreamSchema,
  /** Name of the credential that the upstream wants, in the plan's `credentials`; null for none. */
  credential: z.string().nullable(),
  rules: PushRulesSchema,
  maxPackBytes: z.int().positive(),
});
export type GateRepo = z.infer<typeof GateRepoSchema>;

/** What became of one push, appended to the bottle's record before it is forwarded, and again when it has ended. */
export const PushRecordSchema = z.strictObject({
  event: z.enum(['push-decided', 'push-ended']),
  time: z.string(),
  slug: z.string(),
  id: z.string(),
  repo: z.string(),
  refs: z.array(
    z.strictObject({
      ref: z.string(),
      lands: z.string(),
      old: z.string(),
      new: z.string(),
      /** Null: let through. */
      refused: z.string().nullable(),
    }),
  ),
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  /** Of everything that was scanned, which is what is sent (SECURITY S28). */
  objects: z.strictObject({ count: z.int(), sha256: z.string(), format: z.enum(OBJECT_FORMATS) }).nullable(),
  findings: z.array(z.strictObject({ rule: z.string(), place: z.string(), commit: z.string().nullable() })),
});
export type PushRecord = z.infer<typeof PushRecordSchema>;

/** One request to the gate, appended before it is served. */
export const GitRequestRecordSchema = z.strictObject({
  event: z.literal('git-request'),
  time: z.string(),
  slug: z.string(),
  method: z.string(),
  path: z.string(),
  repo: z.string().nullable(),
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
});
export type GitRequestRecord = z.infer<typeof GitRequestRecordSchema>;

/** The one JSON document on the gate's secret pipe. */
export const GateServiceDocumentSchema = z.strictObject({
  slug: z.string(),
  repos: z.array(GateRepoSchema),
  secrets: z.strictObject({
    /** By the names that `repos` give. */
    credentials: z.array(z.strictObject({ name: z.string(), value: z.string() })),
    /** Values of the bottle that must not leave in a push. */
    knownValues: z.array(z.strictObject({ name: z.string(), value: z.string() })),
    /** Harmless in a push, though they have the shape of what they stand for. */
    standIns: z.array(z.string()),
  }),
  /** Roots that upstreams are verified against, besides the system's. */
  extraCa: z.array(z.string()),
  listenerFd: z.int().min(3),
  /** The gate's own, for the mirrors. */
  directory: z.string().startsWith('/'),
  /** Where the launcher's sockets to local repositories are, by repository name. */
  sockets: z.string().startsWith('/'),
});
export type GateServiceDocument = z.infer<typeof GateServiceDocumentSchema>;
