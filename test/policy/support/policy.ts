import { compilePolicy, type Policy } from '../../../src/policy/compile.ts';
import { decideEgress, type RequestFacts, type Verdict } from '../../../src/policy/decide.ts';
import type { GatewayConfig } from '../../../src/schema/gateway-config.ts';
import { RouteSchema, type Route } from '../../../src/schema/route.ts';

type Extras = Partial<Pick<GatewayConfig, 'supervise' | 'generation'>> & {
  readonly resolve?: Readonly<Record<string, string>>;
};

/** Routes as a manifest's would arrive: through the schema, one credential slot per `token_ref`. */
export function configOf(routes: readonly Route[], extras: Extras = {}): GatewayConfig {
  const names = [...new Set(routes.flatMap(({ auth }) => (auth === undefined ? [] : [auth.token_ref])))];
  return {
    slug: 'tests-00000',
    generation: extras.generation ?? 1,
    routes: routes.map((written, index) => {
      const route = RouteSchema.parse(written);
      return {
        id: `manifest:${route.host}`,
        origin: 'manifest',
        source: `bottles/tests.md:${String(index + 1)}`,
        route,
        ...(route.auth === undefined ? {} : { credential: names.indexOf(route.auth.token_ref) }),
      };
    }),
    log: 1,
    supervise: extras.supervise ?? false,
    upstream: { extraCa: [], resolve: { ...extras.resolve } },
  };
}

export function policyOf(routes: readonly Route[], extras: Extras = {}): Policy {
  const policy = compilePolicy(configOf(routes, extras));
  if (!policy.ok) throw new Error(policy.error.join('\n'));
  return policy.value;
}

export function problemsOf(routes: readonly Route[], extras: Extras = {}): readonly string[] {
  const policy = compilePolicy(configOf(routes, extras));
  return policy.ok ? [] : policy.error;
}

/** GET https://api.example.com/ inside a CONNECT, with whatever a test changes of it. */
export function factsOf(changed: Partial<RequestFacts> = {}): RequestFacts {
  const authority = changed.authority ?? { host: 'api.example.com', port: 443 };
  return {
    entry: 'connect',
    scheme: 'https',
    authority,
    connect: changed.scheme === 'http' ? null : authority,
    sni: null,
    method: 'GET',
    target: '/',
    headers: [['Host', authority.host.includes(':') ? `[${authority.host}]` : authority.host]],
    ...changed,
  };
}

/** `allow`, or the reason. */
export function outcomeOf(policy: Policy, facts: RequestFacts): string {
  const verdict = decideEgress(policy, facts);
  return verdict.kind === 'allow' ? 'allow' : verdict.reason;
}

export function allowed(verdict: Verdict): Extract<Verdict, { kind: 'allow' }> {
  if (verdict.kind === 'deny') throw new Error(`refused: ${verdict.reason}: ${verdict.detail}`);
  return verdict;
}
