import { z } from 'zod';
import { REPO_NAME } from './git-gate.ts';
import { RouteSchema } from './route.ts';

/**
 * Bottle and agent files as people write them (REFERENCE 1 to 3). Every key of the reference is known here; those whose
 * feature is not built yet are refused by `manifest/features.ts`. Messages complete the sentence "must be …".
 */

/** A string of one form; `what` says which, whether it is no string at all or one of another form. */
function named(what: string, form: RegExp): z.ZodString {
  return z.string().regex(form, what).describe(what);
}

/** A file's stem: what `extends`, `bottle` and `--bottle` name. */
export const MANIFEST_NAME = /^[a-z][a-z0-9-]*$/;
const NameSchema = named('a name such as web-2: small letters, digits and dashes, a letter first', MANIFEST_NAME);

export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const HostVariableSchema = named('the name of a host variable', VARIABLE_NAME);

const SIZE = /^([1-9]\d{0,8}) ?(MiB|GiB)$/;
const SizeSchema = named('a size such as 512MiB or 4GiB', SIZE);

const BYTES_OF = { MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** Bytes of a SIZE that has passed the schema; null for any other text. */
export function sizeInBytes(size: string): number | null {
  const [, count, unit] = SIZE.exec(size) ?? [];
  if (unit !== 'MiB' && unit !== 'GiB') return null;
  return Number(count) * BYTES_OF[unit];
}

/** A string: literal, `?message`, or `${HOST_VAR}` (whole value). `{host, secret: false}` forwards a plain value (SECURITY S14). */
const EnvEntrySchema = z.union([
  z.string(),
  z.strictObject({ host: HostVariableSchema, secret: z.boolean().optional() }),
]);

/** What an entry of `env` means. */
export const EnvValueSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('literal'), value: z.string() }),
  z.strictObject({ kind: z.literal('host'), variable: HostVariableSchema, secret: z.boolean() }),
  z.strictObject({ kind: z.literal('prompt'), message: z.string().nullable() }),
]);
export type EnvValue = z.infer<typeof EnvValueSchema>;

/** Goes into git's author lines: none of the characters that would end or forge one. */
const IdentitySchema = z
  .string()
  .max(256)
  .regex(/^[^\u0000-\u001f\u007f<>]*$/, 'free of < > and control characters');
export const GitUserSchema = z.strictObject({ name: IdentitySchema.optional(), email: IdentitySchema.optional() });
export type GitUser = z.infer<typeof GitUserSchema>;

const GitKeySchema = z.discriminatedUnion('provider', [
  z.strictObject({ provider: z.literal('static'), path: z.string().min(1) }),
  z.strictObject({ provider: z.enum(['gitea', 'github', 'forgejo']), forge_token_env: HostVariableSchema }),
  z.strictObject({ provider: z.literal('token'), token_ref: HostVariableSchema }),
]);
const GlobsSchema = z.array(z.string().min(1));

const GitRepoSchema = z.strictObject({
  url: z.string().min(1).optional(),
  host_key: z.string().min(1).optional(),
  key: GitKeySchema.optional(),
  push: GlobsSchema.optional(),
  allow: z.array(z.enum(['delete', 'force', 'tags'])).optional(),
  push_default: z.enum(['ask', 'allow', 'deny']).optional(),
  paths_protected: GlobsSchema.optional(),
  push_ci: z.enum(['warn', 'ask', 'deny']).optional(),
  max_pack: SizeSchema.optional(),
});
export type GitRepo = z.infer<typeof GitRepoSchema>;

const RepoNameSchema = z.string().regex(REPO_NAME, 'a repository name: letters, digits, . _ -, no .git at its end');

export const AgentProviderSchema = z.strictObject({
  template: z.string().min(1).optional(),
  dockerfile: z.string().min(1).optional(),
  auth_token: HostVariableSchema.optional(),
  forward_host_credentials: z.boolean().optional(),
  /** Checked by the provider's own schema. */
  settings: z.record(z.string(), z.unknown()).optional(),
});

const EgressSchema = z.strictObject({
  log: z.union([z.literal(0), z.literal(1), z.literal(2)]).optional(),
  routes: z.array(RouteSchema).optional(),
  model_tools: z.enum(['deny', 'ask', 'allow', 'strip']).optional(),
  forge_writes: z.enum(['allow']).optional(),
});

export const WORKSPACE_MODES = ['copy', 'clone', 'bind', 'none'] as const;
export type WorkspaceMode = (typeof WORKSPACE_MODES)[number];

const BottleResourcesSchema = z.strictObject({
  cpus: z.number().positive().optional(),
  memory: SizeSchema.optional(),
  pids: z.int().positive().optional(),
  disk: SizeSchema.optional(),
  strict: z.boolean().optional(),
});

const MountSchema = z.strictObject({
  path: z.string().regex(/^(?:\/|~$|~\/)/, 'an absolute path, or one that begins with ~/'),
  mode: z.enum(['ro']).optional(),
});

const BudgetSchema = z.strictObject({
  usd: z.number().positive().optional(),
  tokens: z.int().positive().optional(),
  requests: z.int().positive().optional(),
  per: z.enum(['bottle', 'day']),
});

export const BottleFileSchema = z.strictObject({
  description: z.string().optional(),
  extends: z.union([NameSchema, z.array(NameSchema)]).optional(),
  env: z
    .record(
      z.string().regex(VARIABLE_NAME, 'the name of a variable: letters, digits and _, no digit first'),
      EnvEntrySchema,
    )
    .optional(),
  agent_provider: AgentProviderSchema.optional(),
  'git-gate': z
    .strictObject({ user: GitUserSchema.optional(), repos: z.record(RepoNameSchema, GitRepoSchema).optional() })
    .optional(),
  egress: EgressSchema.optional(),
  supervise: z.boolean().optional(),
  workspace: z
    .strictObject({ mode: z.enum(WORKSPACE_MODES), ignored: z.enum(['copy', 'leave']).optional() })
    .refine(({ mode, ignored }) => ignored === undefined || mode === 'copy', {
      message: '`ignored` goes with mode: copy',
      path: ['ignored'],
    })
    .optional(),
  resources: BottleResourcesSchema.optional(),
  mounts: z.array(MountSchema).optional(),
  budget: BudgetSchema.optional(),
  debug: z.boolean().optional(),
});
export type BottleFile = z.infer<typeof BottleFileSchema>;

/** Our part of an agent file; what else Claude Code puts there is passed through (HOTSPOTS H8). */
export const AgentFileSchema = z.strictObject({
  bottle: NameSchema.optional(),
  skills: z.array(z.string().min(1)).optional(),
  'git-gate': z.strictObject({ user: GitUserSchema.optional() }).optional(),
});
export type AgentFile = z.infer<typeof AgentFileSchema>;

export const BOTTLE_KEYS: readonly string[] = Object.keys(BottleFileSchema.shape);
export const AGENT_KEYS: readonly string[] = Object.keys(AgentFileSchema.shape);
