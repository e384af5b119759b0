import { z } from 'zod';
import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { ProvisionedFileSchema } from '../schema/plan.ts';
import type { Route } from '../schema/route.ts';

/**
 * A provider knows one coding agent: how it is started, what it must find in its home, which endpoints it needs and in
 * what form it takes its credential. It says so as a value, `ProvisionPlan`, and does nothing; `launch` does.
 */
export interface Provider {
  readonly template: string;
  /** Shape of `agent_provider.settings`. */
  readonly settingsSchema: z.ZodType;
  /** Puts the agent's program on the host, if it needs one; absent when the image or the operator brings it. */
  readonly install: ((host: InstallHost, settings: ProviderSettings) => Promise<InstalledCli>) | null;
  /** Pure: same input, same plan. Wrong settings are a BottleError with the key's path. */
  provision(input: ProvisionInput): ProvisionPlan;
}

export interface ProviderSettings {
  /** `agent_provider.settings` as the manifest has it, unchecked. */
  readonly value: unknown;
  /** Where `agent_provider` stands, for errors. */
  readonly position: SourcePosition | null;
}

export interface ProvisionInput {
  readonly settings: ProviderSettings;
  /** Name of the host variable that holds the provider's credential; the value is not known here. */
  readonly authToken: string | null;
  /** The agent file's Markdown body, unchanged; empty when there is none. */
  readonly prompt: string;
  /** The task of a headless start; null = the operator talks to the agent. */
  readonly headlessPrompt: string | null;
  /** The agent goes on with the conversation that its home holds. */
  readonly continues: boolean;
  /** What `run -- COMMAND` was given; empty for providers that bring their own program. */
  readonly command: readonly string[];
  readonly cli: InstalledCli | null;
  /** Where the agent may ask the operator, by MCP; null or absent where it may not. */
  readonly superviseUrl?: string | null;
  /** Places inside the bottle. */
  readonly home: string;
  readonly workspace: string;
}

/** A program on the host that bottles may be shown. */
export interface InstalledCli {
  /** Absolute path, the same on the host and inside. */
  readonly executable: string;
  /** What to mount read-only so that `executable` is there: its directory, or the file alone. */
  readonly mount: string;
  /** Null for a program that the operator installed: the host never runs it to ask. */
  readonly version: string | null;
}

export interface InstallHost {
  /** Cache directory of the bot-bottle home. */
  readonly cacheRoot: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line for people, about work that takes longer than a second. */
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface ProvisionPlan {
  /** For people: `claude 2.1.329`. */
  readonly title: string;
  readonly argv: readonly string[];
  /** Plain values only: where the agent insists on a credential, a stand-in of the right shape. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly ProvisionedFile[];
  /** `auth.token_ref` names the host variable; the value goes to the gateway alone. */
  readonly routes: readonly Route[];
  /** Host paths shown read-only at the same path inside. */
  readonly mounts: readonly string[];
  /** What must be true on the host right before the launch. */
  readonly verify: readonly ProvisionCheck[];
  readonly warnings: readonly string[];
}

export type ProvisionedFile = z.infer<typeof ProvisionedFileSchema>;

export interface ProvisionCheck {
  readonly kind: 'executable';
  readonly path: string;
}

interface ProviderDefinition<Schema extends z.ZodType> {
  readonly template: string;
  readonly settingsSchema: Schema;
  readonly install?: (host: InstallHost, settings: z.output<Schema>) => Promise<InstalledCli>;
  readonly provision: (input: ProvisionInput, settings: z.output<Schema>) => ProvisionPlan;
}

/** Binds a definition to its settings schema, so that no provider sees settings nobody has checked. */
export function defineProvider<Schema extends z.ZodType>(definition: ProviderDefinition<Schema>): Provider {
  const { template, settingsSchema, install } = definition;
  return {
    template,
    settingsSchema,
    install: install === undefined ? null : (host, settings) => install(host, checkSettings(settingsSchema, settings)),
    provision: (input) => definition.provision(input, checkSettings(settingsSchema, input.settings)),
  };
}

function checkSettings<Schema extends z.ZodType>(schema: Schema, settings: ProviderSettings): z.output<Schema> {
  const parsed = schema.safeParse(settings.value ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = [...(issue?.path ?? []), ...(issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])];
  throw new BottleError('manifest_invalid', {
    message: issue?.code === 'unrecognized_keys' ? unknownKey(schema, issue.keys) : (issue?.message ?? 'not valid'),
    key: ['agent_provider.settings', ...path.map(String)].join('.'),
    ...(settings.position === null ? {} : { position: settings.position }),
  });
}

function unknownKey(schema: z.ZodType, keys: readonly string[]): string {
  const allowed = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const rest = allowed.length === 0 ? 'it takes none' : `allowed: ${allowed.join(', ')}`;
  return `unknown key "${keys[0] ?? ''}"; ${rest}`;
}
