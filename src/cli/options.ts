import { z } from 'zod';
import { DECISIONS, REASONS } from '../schema/decision.ts';
import { MAX_REASON, SCOPES } from '../schema/proposal.ts';

/** Commander hands over loosely typed options; each command reads its own through a schema. */
const ListenSchema = z.object({ host: z.string(), port: z.int() });
const BackendSchema = z.enum(['bubblewrap', 'docker', 'smolmachines', 'vm']).optional();
const WorkspaceSchema = z.enum(['copy', 'none', 'clone', 'bind']).optional();

export const RunOptionsSchema = z.object({
  bottle: z.array(z.string()),
  backend: BackendSchema,
  workspace: WorkspaceSchema,
  verbose: z.boolean().default(false),
});
export type RunOptions = z.infer<typeof RunOptionsSchema>;

export const StartOptionsSchema = z.object({
  bottle: z.array(z.string()),
  backend: BackendSchema,
  workspace: WorkspaceSchema,
  cwd: z.union([z.string(), z.literal(true)]).optional(),
  headless: z.boolean().default(false),
  prompt: z.string().optional(),
  label: z.string().optional(),
  color: z.string().optional(),
  dryRun: z.boolean().default(false),
  json: z.boolean().default(false),
  yes: z.boolean().default(false),
});
export type StartOptions = z.infer<typeof StartOptionsSchema>;

export const GatewayOptionsSchema = z.object({
  bottle: z.array(z.string()),
  listen: ListenSchema,
  auth: z.boolean().default(false),
  logDecisions: z.boolean().default(false),
  metrics: ListenSchema.optional(),
});

export const ExplainOptionsSchema = z.object({
  bottle: z.array(z.string()),
  header: z.array(z.string()),
  data: z.string().optional(),
  json: z.boolean().default(false),
});

export const InfoOptionsSchema = z.object({ bottle: z.array(z.string()), json: z.boolean().default(false) });

export const InitOptionsSchema = z.object({
  name: z.string().optional(),
  token: z.string().optional(),
  host: z.array(z.string()),
  gitName: z.string().optional(),
  gitEmail: z.string().optional(),
  yes: z.boolean().default(false),
  json: z.boolean().default(false),
});
export type InitOptions = z.infer<typeof InitOptionsSchema>;

export const MigrateOptionsSchema = z.object({ yes: z.boolean().default(false), json: z.boolean().default(false) });

export const DeliverOptionsSchema = z.object({
  to: z.string().optional(),
  branch: z.string().optional(),
  yes: z.boolean().default(false),
  json: z.boolean().default(false),
});
export type DeliverOptions = z.infer<typeof DeliverOptionsSchema>;

export const DiffOptionsSchema = z.object({
  runsOnOpen: z.boolean().default(false),
  stat: z.boolean().default(false),
  json: z.boolean().default(false),
});
export type DiffOptions = z.infer<typeof DiffOptionsSchema>;

export const LogsOptionsSchema = z.object({
  follow: z.boolean().default(false),
  decisions: z.boolean().default(false),
  services: z.boolean().default(false),
  decision: z.array(z.enum(DECISIONS)),
  host: z.array(z.string()),
  method: z.array(z.string()),
  reason: z.array(z.enum(REASONS)),
  status: z.array(z.string()),
  since: z.string().optional(),
  lines: z.int().optional(),
  timings: z.boolean().default(false),
  json: z.boolean().default(false),
});
export type LogsOptions = z.infer<typeof LogsOptionsSchema>;

export const ResumeOptionsSchema = z.object({
  headless: z.boolean().default(false),
  prompt: z.string().optional(),
  json: z.boolean().default(false),
  yes: z.boolean().default(false),
});

export const MetricsOptionsSchema = z.object({ listen: ListenSchema.optional(), json: z.boolean().default(false) });

export const ScanOptionsSchema = z.object({ json: z.boolean().default(false) });

export const ReloadOptionsSchema = z.object({ bottle: z.array(z.string()), json: z.boolean().default(false) });

export const AuditVerifyOptionsSchema = z.object({
  key: z.string().optional(),
  allowOpen: z.boolean().default(false),
  json: z.boolean().default(false),
});
export const AuditShowOptionsSchema = z.object({ json: z.boolean().default(false) });
export const AuditExportOptionsSchema = z.object({ format: z.enum(['jsonl', 'csv']) });

export const SuperviseOptionsSchema = z.object({
  watch: z.boolean().default(false),
  once: z.boolean().default(false),
  exec: z.string().optional(),
  json: z.boolean().default(false),
});
export const SuperviseListOptionsSchema = z.object({
  all: z.boolean().default(false),
  json: z.boolean().default(false),
});
export const ApproveOptionsSchema = z.object({
  scope: z.enum(SCOPES),
  narrow: z.string().optional(),
  digest: z.string().optional(),
  host: z.string().optional(),
  note: z.string().max(MAX_REASON),
  json: z.boolean().default(false),
});
export const RejectOptionsSchema = z.object({
  note: z.string().max(MAX_REASON),
  all: z.boolean().default(false),
  json: z.boolean().default(false),
});
export const UndoOptionsSchema = z.object({ json: z.boolean().default(false) });
