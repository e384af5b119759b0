import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { buildPlan, type BuiltPlan, type PlanInput, type PlannedEnv } from '../../launch/plan.ts';
import { openLocalRepository } from '../../launch/git-upstreams.ts';
import { planBind, refuseBindAsRoot } from '../../launch/bind.ts';
import { limitWarnings } from '../../launch/preflight.ts';
import { checkCloneSource, checkWorkspaceSource } from '../../launch/workspace.ts';
import { originOf as placeOf, placeText, secretsInClear, type EffectiveBottle } from '../../manifest/index.ts';
import { reveal } from '../../platform/reveal.ts';
import type { SourcedRoute } from '../../policy/merge.ts';
import { resourceComplaints, unenforced, type Unenforced } from '../../policy/resources.ts';
import type { Backend } from '../../ports/backend.ts';
import { commandProvider, providerFor, verifyProvision, type ProvisionPlan } from '../../providers/index.ts';
import { INSIDE, SUPERVISE_URL, type BottlePlan } from '../../schema/plan.ts';
import type { BottleOrigin } from '../../state/bottles.ts';
import { orCancelled } from '../ask.ts';
import type { CliContext } from '../context.ts';

/** From the command line and the manifests to a plan, with every complaint before anything exists. */
export interface PrepareRequest {
  readonly agent: string;
  readonly bottle: EffectiveBottle;
  readonly backend: Backend;
  readonly label: string | null;
  readonly slug: string;
  /** `--cwd`, resolved; null when the workspace stays empty unless the manifest says otherwise. */
  readonly workspaceDirectory: string | null;
  readonly workspaceMode: string | null;
  readonly provider: string;
  readonly prompt: string;
  readonly headlessPrompt: string | null;
  readonly command: readonly string[];
  /** A resumed agent whose home holds a conversation. */
  readonly continues?: boolean;
}

export interface PreparedPlan extends BuiltPlan {
  readonly providerTitle: string;
  /** Limits that this machine does not hold to the letter. */
  readonly unenforced: readonly Unenforced[];
}

export async function prepare(context: CliContext, request: PrepareRequest): Promise<PreparedPlan> {
  const { bottle } = request;
  const weak = await checkResources(bottle, request.backend);
  const provided = await provision(context, request);
  const built = buildPlan({
    ...commonInput(context, bottle),
    slug: request.slug,
    agent: request.agent,
    label: request.label,
    backend: request.backend.capabilities.name,
    provider: request.provider,
    provision: provided,
    workspace: workspaceOf(context, request),
    git: { repos: bottle.gitRepos, operatorHome: context.operatorHome, forgeWrites: bottle.egress.forgeWrites },
    supervise: bottle.supervise,
  });
  built.plan.repos.forEach(openLocalRepository);
  return { ...built, providerTitle: provided.title, unenforced: weak };
}

/** Before anything is fetched or made, and with the line that asks for it. */
async function checkResources(bottle: EffectiveBottle, backend: Backend): Promise<readonly Unenforced[]> {
  const { resources } = bottle;
  if (Object.keys(resources).every((key) => key === 'strict')) return [];
  const support = await backend.limits();
  const [complaint] = resourceComplaints(resources, support);
  if (complaint === undefined) return unenforced(resources, support);
  const { resource, message, hint } = complaint;
  throw new BottleError('resource_unavailable', {
    message,
    hint,
    key: `resources.${resource}`,
    position: placeOf(bottle, ['resources', resource]),
  });
}

/** For commands that show no preflight. */
export function warningsOf({ plan, unenforced: weak }: PreparedPlan, bottle: EffectiveBottle): readonly string[] {
  return [...plan.warnings, ...limitWarnings(bottle, weak).map(({ text }) => text)];
}

/** What `resume` has to know: names and places. */
export function originOf(
  command: BottleOrigin['command'],
  plan: BottlePlan,
  bottles: readonly string[],
  colour: string | null,
): BottleOrigin {
  const source = plan.workspace.mode === 'none' ? null : plan.workspace.source;
  return { command, bottles: [...bottles], argv: command === 'run' ? [...plan.command.argv] : [], source, colour };
}

/** The part of a plan that `gateway` and `explain` need: no agent, no workspace. */
export function gatewayInput(context: CliContext, bottle: EffectiveBottle, slug: string): PlanInput {
  return {
    ...commonInput(context, bottle),
    slug,
    agent: 'gateway',
    label: null,
    backend: 'bubblewrap',
    provider: 'command',
    provision: {
      title: 'gateway',
      argv: ['gateway'],
      env: {},
      files: [],
      routes: [],
      mounts: [],
      verify: [],
      warnings: [],
    },
    workspace: { mode: 'none' },
  };
}

type CommonInput = Omit<PlanInput, 'slug' | 'agent' | 'label' | 'backend' | 'provider' | 'provision' | 'workspace'>;

function commonInput(context: CliContext, bottle: EffectiveBottle): CommonInput {
  const { upstream, rules, strictSecrets } = context.settings();
  const [clear] = secretsInClear(bottle.env, bottle.egress.routes);
  if (strictSecrets && clear !== undefined) {
    throw new BottleError('manifest_invalid', {
      message: `${clear.name} would be inside in clear, and settings.yml says strict_secrets`,
      key: `env.${clear.name}`,
      position: clear.origin,
      hint: 'take it out of env, give it to a route as auth, or say under placeholders where it is needed',
    });
  }
  return {
    env: plannedEnv(bottle),
    plainHostValues: plainHostValues(context, bottle),
    routes: sourcedRoutes(bottle),
    log: bottle.egress.log,
    gitUser: bottle.gitUser,
    mounts: bottle.mounts.map((mount) => mount.path),
    resources: bottle.resources,
    debug: bottle.debug,
    upstream: {
      extraCa: upstream.extraCa,
      resolve: upstream.resolve,
      ...(upstream.proxy === null ? {} : { proxy: upstream.proxy.address }),
    },
    ...(rules === null ? {} : { rules }),
    warnings: [...context.manifests().warnings, ...bottle.notices, ...bottle.warnings],
  };
}

async function provision(context: CliContext, request: PrepareRequest): Promise<ProvisionPlan> {
  const { bottle } = request;
  const provider =
    request.provider === commandProvider.template
      ? commandProvider
      : providerFor(request.provider, bottle.provider?.origin ?? null);
  const settings = { value: bottle.provider?.settings ?? {}, position: bottle.provider?.origin ?? null };
  const host = {
    cacheRoot: context.paths.cacheRoot,
    environment: context.environment,
    progress: (line: string): void => {
      context.terminal.say(line);
    },
    signal: context.stopRequested,
  };
  const { install } = provider;
  const cli = install === null ? null : await orCancelled(context, 'nothing was done', () => install(host, settings));
  const plan = provider.provision({
    settings,
    authToken: bottle.provider?.authToken ?? null,
    prompt: request.prompt,
    headlessPrompt: request.headlessPrompt,
    command: request.command,
    continues: request.continues ?? false,
    cli,
    superviseUrl: bottle.supervise ? SUPERVISE_URL : null,
    home: INSIDE.home,
    workspace: INSIDE.workspace,
  });
  verifyProvision(plan);
  return plan;
}

function workspaceOf(context: CliContext, request: PrepareRequest): BottlePlan['workspace'] {
  const directory = request.workspaceDirectory;
  const mode = request.workspaceMode ?? request.bottle.workspace?.mode ?? (directory === null ? 'none' : 'copy');
  if (mode === 'none') return { mode };
  const source = checkWorkspaceSource(path.resolve(directory ?? context.cwd), context.operatorHome);
  switch (mode) {
    case 'copy':
      return { mode, source, withoutIgnored: request.bottle.workspace?.ignored === 'leave' };
    case 'clone':
      checkCloneSource(source);
      return { mode, source };
    case 'bind':
      refuseBindAsRoot(process.getuid?.());
      return planBind(source);
    default:
      throw new BottleError('usage', { message: `there is no workspace mode "${mode}"`, hint: '--workspace copy' });
  }
}

function plannedEnv(bottle: EffectiveBottle): readonly PlannedEnv[] {
  return Object.entries(bottle.env).map(([name, { origin, ...value }]) => {
    switch (value.kind) {
      case 'literal':
        return { name, position: origin, from: { kind: 'literal', value: value.value } };
      case 'host':
        return { name, position: origin, from: { kind: 'host', variable: value.variable, secret: value.secret } };
      case 'prompt':
        return { name, position: origin, from: { kind: 'prompt', message: value.message } };
    }
  });
}

/** Values of `{host, secret: false}`: the operator said that they are no secrets, so the plan may show them. */
function plainHostValues(context: CliContext, bottle: EffectiveBottle): ReadonlyMap<string, string> {
  return new Map(
    Object.values(bottle.env).flatMap((value) => {
      if (value.kind !== 'host' || value.secret) return [];
      const found = context.secrets.hostVariable(value.variable);
      return found === null ? [] : [[value.variable, reveal(found, 'pipe')] as const];
    }),
  );
}

function sourcedRoutes(bottle: EffectiveBottle): readonly SourcedRoute[] {
  return bottle.egress.routes.map(({ route, origin }) => ({ route, source: placeText(origin), position: origin }));
}
