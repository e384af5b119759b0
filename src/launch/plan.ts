import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { credentialNames, mergeRoutes, type SourcedRoute } from '../policy/merge.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { ProvisionPlan } from '../providers/provider.ts';
import type { OperatorRules } from '../schema/operator-rules.ts';
import { BottlePlanSchema, INSIDE, type BackendName, type BottlePlan, type Resources } from '../schema/plan.ts';
import type { UpstreamProxy } from '../schema/upstream-proxy.ts';
import { bottleEnvironment } from './environment.ts';
import { checkForgeRoutes, planRepos, type SourcedRepo } from './git-plan.ts';
import type { SecretRequest } from './secrets.ts';

/** One entry of `env` with where it was written. */
export interface PlannedEnv {
  readonly name: string;
  readonly from:
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'host'; readonly variable: string; readonly secret: boolean }
    | { readonly kind: 'prompt'; readonly message: string | null };
  readonly position: SourcePosition | null;
}

/** Everything a plan is made of, resolved and checked; no secret's value among it. */
export interface PlanInput {
  readonly slug: string;
  readonly agent: string;
  readonly label: string | null;
  readonly backend: BackendName;
  readonly provider: string;
  readonly provision: ProvisionPlan;
  readonly env: readonly PlannedEnv[];
  /** Values of `{host, secret: false}` entries, by variable. */
  readonly plainHostValues: ReadonlyMap<string, string>;
  readonly routes: readonly SourcedRoute[];
  readonly log: 0 | 1 | 2;
  readonly gitUser: { readonly name?: string | undefined; readonly email?: string | undefined };
  /** Repositories of the git gate; a gateway alone has none. */
  readonly git?: {
    readonly repos: readonly SourcedRepo[];
    readonly operatorHome: string;
    readonly forgeWrites: boolean;
  };
  /** Whether the agent may ask the operator; a gateway alone has nobody to ask. */
  readonly supervise?: boolean;
  readonly workspace: BottlePlan['workspace'];
  readonly mounts: readonly string[];
  readonly resources: Resources;
  readonly debug: boolean;
  readonly upstream: {
    readonly extraCa: readonly string[];
    readonly resolve: Readonly<Record<string, string>>;
    readonly proxy?: UpstreamProxy;
  };
  /** The operator's own rules for credentials. */
  readonly rules?: OperatorRules;
  readonly warnings: readonly string[];
}

export interface BuiltPlan {
  readonly plan: BottlePlan;
  /** What must be resolved before any backend is called; names match `forwardedEnv` and `credentials`. */
  readonly secrets: readonly SecretRequest[];
}

/** Pure: the same input gives the same printable plan, with every error before anything exists. */
export function buildPlan(input: PlanInput): BuiltPlan {
  const provided = input.provision.routes.map((route) => ({
    route,
    source: `provider ${input.provider}`,
    position: null,
  }));
  const merged = mergeRoutes(provided, input.routes);
  if (!merged.ok) {
    const { host, position, message } = merged.error;
    throw new BottleError('manifest_invalid', {
      message,
      key: `egress.routes (${host})`,
      ...(position === null ? {} : { position }),
    });
  }
  const gateway: BottlePlan['gateway'] = {
    slug: input.slug,
    generation: 1,
    routes: [...merged.value],
    log: input.log,
    supervise: input.supervise ?? false,
    ...(input.rules === undefined ? {} : { rules: input.rules }),
    upstream: {
      extraCa: [...input.upstream.extraCa],
      resolve: { ...input.upstream.resolve },
      ...(input.upstream.proxy === undefined ? {} : { proxy: input.upstream.proxy }),
    },
  };
  const policy = compilePolicy(gateway);
  if (!policy.ok) throw new BottleError('manifest_invalid', { message: policy.error.join('\n'), key: 'egress.routes' });

  const placeholders = placeholderNames(input);
  const forwarded = input.env.filter(isForwarded);
  const credentials = credentialNames(merged.value.map(({ route }) => route));
  const around = checkForgeRoutes(input);
  const git = planRepos(input.git?.repos ?? [], input.slug, input.git?.operatorHome ?? '');
  const plan = BottlePlanSchema.parse({
    slug: input.slug,
    agent: input.agent,
    label: input.label,
    provider: input.provider,
    backend: input.backend,
    command: {
      argv: input.provision.argv.map((argument, index) =>
        index === 0 ? shownAt(argument, input.provision.mounts) : argument,
      ),
      env: { ...bottleEnvironment(input.gitUser), ...plainEnv(input), ...input.provision.env },
      forwardedEnv: forwarded.map(({ name }) => name).filter((name) => !placeholders.includes(name)),
      placeholderEnv: [...placeholders],
      cwd: INSIDE.workspace,
    },
    files: [...input.provision.files, ...git.files],
    workspace: input.workspace,
    mounts: [...new Set(input.mounts)]
      .map((path): BottlePlan['mounts'][number] => ({ path, mode: 'ro' }))
      .concat(input.provision.mounts.map((path) => ({ path, inside: agentPath(path), mode: 'ro' }))),
    resources: input.resources,
    debug: input.debug,
    gateway,
    credentials: credentials.map((name) => ({ name })),
    services: [
      'egress',
      ...(git.repos.length === 0 ? [] : (['git-gate'] as const)),
      ...(input.supervise === true ? (['supervise'] as const) : []),
    ],
    repos: git.repos,
    warnings: [...input.warnings, ...input.provision.warnings, ...around, ...openings(gateway)],
  });
  return {
    plan,
    secrets: [
      ...forwarded.map(envRequest),
      ...credentials.map((name) => credentialRequest(name, input.routes)),
      ...git.secrets,
    ],
  };
}

/** A stand-in needs a value behind it that is asked for or taken from the host; one that is in the file is no secret. */
function placeholderNames(input: PlanInput): readonly string[] {
  const declared = input.routes.flatMap(({ route, position }) =>
    (route.placeholders ?? []).map(({ env }) => ({ env, host: route.host, position })),
  );
  for (const { env, host, position } of declared) {
    const entry = input.env.find(({ name }) => name === env);
    if (entry !== undefined && isForwarded(entry)) continue;
    throw new BottleError('manifest_invalid', {
      message: `placeholders of ${host}: ${env} is ${entry === undefined ? 'no entry of env' : 'a plain value, not a secret'}`,
      key: `egress.routes (${host})`,
      hint: `env: {${env}: '\${${env}}'}`,
      ...(position === null ? {} : { position }),
    });
  }
  return [...new Set(declared.map(({ env }) => env))];
}

/** What opens more than a route says: marked as a danger in preflight (SECURITY S16, S21, S24). */
export function openings({ upstream, routes }: BottlePlan['gateway']): readonly string[] {
  const names =
    upstream.proxy?.resolves === true
      ? [
          'upstream.proxy_resolves (settings.yml): names go to the proxy, which decides what address each one means; no address is checked here',
        ]
      : [];
  return [
    ...names,
    ...routes.flatMap(({ route, source }) => [
      ...(route.tls === 'passthrough'
        ? [
            `${route.host} is passed through unseen (tls: passthrough, ${source}): nothing is scanned there, and the same CDN's other customers are reachable through this host`,
          ]
        : []),
      ...(route.dlp?.outbound_detectors === false
        ? [
            `${route.host} is not scanned (outbound_detectors: false, ${source}): what leaves there is looked at for placeholders alone`,
          ]
        : []),
    ]),
  ];
}

function isForwarded({ from }: PlannedEnv): boolean {
  return from.kind === 'prompt' || (from.kind === 'host' && from.secret);
}

function plainEnv(input: PlanInput): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const { name, from, position } of input.env) {
    if (from.kind === 'literal') plain[name] = from.value;
    if (from.kind === 'host' && !from.secret) {
      const value = input.plainHostValues.get(from.variable);
      if (value === undefined) {
        throw new BottleError('secret_missing', {
          message: `the host variable ${from.variable} is not set`,
          key: `env.${name}`,
          hint: `export ${from.variable}=…`,
          ...(position === null ? {} : { position }),
        });
      }
      plain[name] = value;
    }
  }
  return plain;
}

function envRequest({ name, from, position }: PlannedEnv): SecretRequest {
  const source: SecretRequest['from'] =
    from.kind === 'host'
      ? { kind: 'host', variable: from.variable }
      : { kind: 'prompt', message: from.kind === 'prompt' ? from.message : null };
  return { name: `env:${name}`, from: source, position, key: `env.${name}` };
}

function credentialRequest(variable: string, routes: readonly SourcedRoute[]): SecretRequest {
  const route = routes.find((candidate) => candidate.route.auth?.token_ref === variable);
  return {
    name: `credential:${variable}`,
    from: { kind: 'host', variable },
    position: route?.position ?? null,
    key: route === undefined ? 'agent_provider.auth_token' : `auth.token_ref of ${route.route.host}`,
  };
}

/** A provider's program may lie anywhere on the host, below the home or a temporary directory; inside it has one place. */
function agentPath(mount: string): string {
  return `${INSIDE.agent}/${mount.slice(mount.lastIndexOf('/') + 1)}`;
}

function shownAt(program: string, mounts: readonly string[]): string {
  const mount = mounts.find((candidate) => program === candidate || program.startsWith(`${candidate}/`));
  return mount === undefined ? program : `${agentPath(mount)}${program.slice(mount.length)}`;
}
