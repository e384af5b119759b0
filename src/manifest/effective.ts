import { z } from 'zod';
import { BugError, type SourcePosition } from '../kernel/errors.ts';
import type { Files } from '../ports/files.ts';
import {
  AgentProviderSchema,
  BottleFileSchema,
  EnvValueSchema,
  GitUserSchema,
  sizeInBytes,
  type GitRepo,
} from '../schema/manifest.ts';
import { ResourcesSchema } from '../schema/plan.ts';
import { RouteSchema } from '../schema/route.ts';
import type { Agent } from './agent-file.ts';
import { keyPositionOf, placeText, plainOf, positionOf, type KeyPath, type LocatedMap } from './located.ts';
import { mergeTrees } from './merge.ts';
import { mountPath } from './mounts.ts';

/** What the picked bottles say together: every default filled in, every value with the place it comes from. */
const BottleContentSchema = BottleFileSchema.omit({ extends: true });
type BottleContent = z.infer<typeof BottleContentSchema>;

export type EffectiveEnv = z.infer<typeof EnvValueSchema> & { readonly origin: SourcePosition };
export type EffectiveProvider = Pick<Required<z.infer<typeof AgentProviderSchema>>, 'template' | 'settings'> & {
  readonly authToken: string | null;
  /** Where `agent_provider` stands. */
  readonly origin: SourcePosition;
};
export interface EffectiveRoute {
  readonly route: z.infer<typeof RouteSchema>;
  readonly origin: SourcePosition;
}
export interface EffectiveMount {
  /** Absolute, `~` put in. */
  readonly path: string;
  readonly mode: 'ro';
  readonly origin: SourcePosition;
}

export interface EffectiveRepo {
  readonly name: string;
  readonly repo: GitRepo;
  readonly at: (key: string | null) => SourcePosition;
}

export interface EffectiveBottle {
  /** As picked, in order; none for a bottle that may reach nothing. */
  readonly names: readonly string[];
  /** Every bottle that has a say, the strongest first: `acme ← claude ← base`. */
  readonly lineage: readonly string[];
  readonly description: string | null;
  readonly env: Readonly<Record<string, EffectiveEnv>>;
  readonly provider: EffectiveProvider | null;
  readonly egress: {
    readonly log: 0 | 1 | 2;
    readonly routes: readonly EffectiveRoute[];
    /** The forge's API may write what the git gate would look at (SECURITY S31). */
    readonly forgeWrites: boolean;
  };
  /** Fields left empty are absent. */
  readonly gitUser: Readonly<z.infer<typeof GitUserSchema>>;
  /** In the order of the file; `at` is where a key of it is written, or its name. */
  readonly gitRepos: readonly EffectiveRepo[];
  readonly workspace: Readonly<NonNullable<BottleContent['workspace']>> | null;
  readonly resources: Readonly<z.infer<typeof ResourcesSchema>>;
  readonly mounts: readonly EffectiveMount[];
  readonly debug: boolean;
  readonly supervise: boolean;
  /** What merging replaced and which defaults act as their closed neighbour; preflight says it. */
  readonly notices: readonly string[];
  readonly warnings: readonly string[];
  /** The merged manifest itself; `originOf` and `explainBottle` read it. */
  readonly manifest: LocatedMap;
}

export interface EffectiveParts {
  readonly names: readonly string[];
  readonly lineage: readonly string[];
  readonly tree: LocatedMap;
  readonly notices: readonly string[];
  readonly warnings: readonly string[];
}

export function effectiveBottle(
  { names, lineage, tree, notices, warnings }: EffectiveParts,
  files: Files,
): EffectiveBottle {
  const content = contentOf(tree);
  const env = envOf(content, tree);
  const routes = routesOf(content, tree);
  return {
    names,
    lineage,
    description: content.description ?? null,
    env,
    provider: providerOf(content, tree),
    egress: { log: content.egress?.log ?? 1, routes, forgeWrites: content.egress?.forge_writes === 'allow' },
    gitUser: gitUserOf(content),
    gitRepos: gitReposOf(content, tree),
    workspace: content.workspace ?? null,
    resources: resourcesOf(content),
    mounts: mountsOf(content, tree, files),
    debug: content.debug ?? false,
    // A command without a bottle of its own has nobody who knows what it should reach.
    supervise: content.supervise ?? names.length > 0,
    notices: [...notices],
    warnings: [...warnings, ...secretsInClear(env, routes).map(clearWarning)],
    manifest: tree,
  };
}

/** The agent's git identity over the bottle's, field by field. */
export function withAgent(bottle: EffectiveBottle, agent: Agent, files: Files): EffectiveBottle {
  const { tree } = mergeTrees(bottle.manifest, agent.overlay);
  const { names, lineage } = bottle;
  const { gitUser } = effectiveBottle({ names, lineage, tree, notices: [], warnings: [] }, files);
  return { ...bottle, gitUser, manifest: tree };
}

/** Where the value of a key path is written: `originOf(bottle, ['git-gate', 'user', 'name'])`. */
export function originOf(bottle: EffectiveBottle, path: KeyPath): SourcePosition {
  return positionOf(bottle.manifest, path);
}

export interface SecretInClear {
  readonly name: string;
  readonly origin: SourcePosition;
}

/** Forwarded secrets that the agent will see (SECURITY S8): those of which no route says where a stand-in is swapped. */
export function secretsInClear(
  env: EffectiveBottle['env'],
  routes: readonly EffectiveRoute[],
): readonly SecretInClear[] {
  const outside = new Set(routes.flatMap(({ route }) => (route.placeholders ?? []).map((place) => place.env)));
  return Object.entries(env)
    .filter(([name]) => !outside.has(name))
    .filter(([, value]) => value.kind === 'prompt' || (value.kind === 'host' && value.secret))
    .map(([name, { origin }]) => ({ name, origin }));
}

function clearWarning({ name, origin }: SecretInClear): string {
  return `${name} would be inside in clear (${placeText(origin)})`;
}

/** Each file was checked alone; their merge is a value of the same shape, or the merge is wrong. */
function contentOf(tree: LocatedMap): BottleContent {
  const parsed = BottleContentSchema.safeParse(plainOf(tree));
  if (!parsed.success) throw new BugError(`merged manifest: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function gitReposOf(content: BottleContent, tree: LocatedMap): EffectiveBottle['gitRepos'] {
  return Object.entries(content['git-gate']?.repos ?? {}).map(([name, repo]) => {
    const path = ['git-gate', 'repos', name];
    return {
      name,
      repo,
      at: (key) => (key === null ? keyPositionOf(tree, path) : positionOf(tree, [...path, key])),
    };
  });
}

function envOf(content: BottleContent, tree: LocatedMap): EffectiveBottle['env'] {
  const entries = Object.entries(content.env ?? {}).map(([name, entry]) => {
    const origin = positionOf(tree, ['env', name]);
    return [name, { ...envValue(entry), origin }] as const;
  });
  return Object.fromEntries(entries);
}

type EnvEntry = NonNullable<BottleContent['env']>[string];

/** REFERENCE 2: `?` asks, `${NAME}` as the whole value takes from the host, all else is what it is. */
export function envValue(entry: EnvEntry): z.infer<typeof EnvValueSchema> {
  if (typeof entry !== 'string') return { kind: 'host', variable: entry.host, secret: entry.secret ?? true };
  if (entry.startsWith('?')) return { kind: 'prompt', message: entry.slice(1).trim() || null };
  const [, variable] = /^\$\{(\w+)\}$/.exec(entry) ?? [];
  return variable === undefined ? { kind: 'literal', value: entry } : { kind: 'host', variable, secret: true };
}

function providerOf({ agent_provider: provider }: BottleContent, tree: LocatedMap): EffectiveProvider | null {
  if (provider === undefined) return null;
  return {
    template: provider.template ?? 'claude',
    authToken: provider.auth_token ?? null,
    settings: provider.settings ?? {},
    origin: keyPositionOf(tree, ['agent_provider']),
  };
}

function routesOf({ egress }: BottleContent, tree: LocatedMap): readonly EffectiveRoute[] {
  return (egress?.routes ?? []).map((route, index) => ({
    route,
    origin: positionOf(tree, ['egress', 'routes', index]),
  }));
}

function gitUserOf(content: BottleContent): EffectiveBottle['gitUser'] {
  const { name = '', email = '' } = content['git-gate']?.user ?? {};
  return { ...(name === '' ? {} : { name }), ...(email === '' ? {} : { email }) };
}

function resourcesOf({ resources }: BottleContent): EffectiveBottle['resources'] {
  const { cpus, memory, pids, disk, strict = false } = resources ?? {};
  return ResourcesSchema.parse({
    ...(cpus === undefined ? {} : { cpus }),
    ...(memory === undefined ? {} : { memoryBytes: sizeInBytes(memory) }),
    ...(pids === undefined ? {} : { pids }),
    ...(disk === undefined ? {} : { diskBytes: sizeInBytes(disk) }),
    strict,
  });
}

function mountsOf(content: BottleContent, tree: LocatedMap, files: Files): readonly EffectiveMount[] {
  return (content.mounts ?? []).map((mount, index) => ({
    path: mountPath(mount.path, files),
    mode: mount.mode ?? 'ro',
    origin: positionOf(tree, ['mounts', index]),
  }));
}
