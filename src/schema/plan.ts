import { z } from 'zod';
import { SERVICE_NAMES, type ServiceName } from './bundle.ts';
import { GatewayConfigSchema } from './gateway-config.ts';
import { GateRepoSchema } from './git-gate.ts';

/**
 * Everything a launch will do, as one immutable, printable value without a secret in it. Built by pure functions in
 * `launch/plan.ts`; drivers read it and add nothing of their own.
 */
export const BACKEND_NAMES = ['bubblewrap', 'docker', 'smolmachines', 'vm'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

export const ResourcesSchema = z.strictObject({
  cpus: z.number().positive().optional(),
  memoryBytes: z.int().positive().optional(),
  pids: z.int().positive().optional(),
  diskBytes: z.int().positive().optional(),
  strict: z.boolean(),
});
export type Resources = z.infer<typeof ResourcesSchema>;

export const ProvisionedFileSchema = z.strictObject({
  /** Absolute path inside the bottle, below the home. */
  path: z.string().startsWith('/'),
  content: z.string(),
  /** Permission bits, e.g. 0o600. */
  mode: z.int(),
});

export const BottlePlanSchema = z.strictObject({
  slug: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  /** Agent's name, or `run`. */
  agent: z.string(),
  label: z.string().nullable(),
  provider: z.string(),
  backend: z.enum(BACKEND_NAMES),
  command: z.strictObject({
    argv: z.array(z.string()).min(1),
    /** Plain values only. Forwarded values (names below) join them at the moment of the hand-over. */
    env: z.record(z.string(), z.string()),
    forwardedEnv: z.array(z.string()),
    /** Variables of which the bottle gets a stand-in, made at the launch (SECURITY S9). */
    placeholderEnv: z.array(z.string()),
    cwd: z.string(),
  }),
  files: z.array(ProvisionedFileSchema),
  workspace: z.discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('none') }),
    z.strictObject({
      mode: z.literal('copy'),
      source: z.string(),
      /** What the source's own .gitignore ignores stays behind. */
      withoutIgnored: z.boolean(),
    }),
    z.strictObject({ mode: z.literal('clone'), source: z.string() }),
    z.strictObject({
      mode: z.literal('bind'),
      source: z.string(),
      /** Of the repository, shown read-only (SECURITY S2); what is missing is shown as empty. */
      protected: z.array(z.strictObject({ path: z.string(), missing: z.enum(['file', 'directory']).nullable() })),
      /** Directories mounted onto themselves, so that they can't be renamed away. */
      pinned: z.array(z.string()),
    }),
  ]),
  /** Host files and directories shown read-only: the operator's at the same path, a provider's program at `inside`. */
  mounts: z.array(
    z.strictObject({
      path: z.string().startsWith('/'),
      inside: z.string().startsWith('/').optional(),
      mode: z.literal('ro'),
    }),
  ),
  resources: ResourcesSchema,
  /** Lifts the ban on ptrace inside the bottle. */
  debug: z.boolean(),
  /** Names that `/etc/hosts` and the DNS answerer point at the bundle come from its routes. */
  gateway: GatewayConfigSchema,
  /** Host variables to resolve, in slot order. */
  credentials: z.array(z.strictObject({ name: z.string() })),
  services: z.array(z.enum(SERVICE_NAMES)),
  /** Repositories of the git gate. */
  repos: z.array(GateRepoSchema).default([]),
  warnings: z.array(z.string()),
});
export type BottlePlan = z.infer<typeof BottlePlanSchema>;

/** Fixed places inside every bottle, whatever the backend. */
export const INSIDE = {
  home: '/home/agent',
  workspace: '/home/agent/workspace',
  user: 'agent',
  uid: 1000,
  gid: 1000,
  /** Where a provider's own program is shown, wherever the host keeps it. */
  agent: '/opt/agent',
  /** Our read-only corner: node, the probe, the CA certificate. */
  ours: '/opt/bot-bottle',
  caFile: '/opt/bot-bottle/ca.pem',
  /** System bundle plus ours, for tools that replace rather than add. */
  caBundle: '/opt/bot-bottle/ca-bundle.pem',
  /** For JVMs, which read no PEM. */
  javaTrustStore: '/opt/bot-bottle/truststore.jks',
} as const;

/** Where the bundle is found inside (SECURITY S7). */
export const BUNDLE_ADDRESS = '127.0.0.2';
export const EGRESS_ROLES = ['proxy', 'tls', 'http', 'dns-udp', 'dns-tcp'] as const;
export type EgressRole = (typeof EGRESS_ROLES)[number];
export const LISTENER_ROLES = [...EGRESS_ROLES, 'git', 'supervise'] as const;
export type ListenerRole = (typeof LISTENER_ROLES)[number];

/** What a service listens on; what no service serves is not bound at all. */
const ROLES_OF: Readonly<Record<ServiceName, readonly ListenerRole[]>> = {
  egress: EGRESS_ROLES,
  'git-gate': ['git'],
  supervise: ['supervise'],
};

export function rolesOf(services: readonly ServiceName[]): readonly ListenerRole[] {
  return services.flatMap((service) => ROLES_OF[service]);
}

export const LISTENER_PORTS: Readonly<Record<ListenerRole, number>> = {
  proxy: 9099,
  tls: 443,
  http: 80,
  'dns-udp': 53,
  'dns-tcp': 53,
  git: 9420,
  supervise: 9100,
};
/** Where the agent asks the operator, by MCP. */
export const SUPERVISE_URL = 'http://supervise:9100/mcp';
/** Names in the bottle's `/etc/hosts` that mean the bundle. */
export const BUNDLE_NAMES = ['egress', 'supervise', 'git-gate', '_egress.local'] as const;
