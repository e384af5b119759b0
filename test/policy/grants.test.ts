import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../src/policy/compile.ts';
import { decideEgress } from '../../src/policy/decide.ts';
import { withGrants, type Grant } from '../../src/policy/grants.ts';
import { impactOf } from '../../src/policy/impact.ts';
import type { GatewayConfig } from '../../src/schema/gateway-config.ts';
import type { AskedRoute, Risk } from '../../src/schema/proposal.ts';
import type { Route, RouteMatch } from '../../src/schema/route.ts';

const GITHUB: Route = {
  host: 'api.github.com',
  auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' },
  matches: [{ paths: [{ type: 'prefix', value: '/repos/acme' }], methods: ['GET'] }],
};

function config(...routes: readonly Route[]): GatewayConfig {
  let slot = -1;
  return {
    slug: 'reviewer-k3x9q',
    generation: 3,
    routes: routes.map((route) => {
      if (route.auth !== undefined) slot += 1;
      const credential = route.auth === undefined ? {} : { credential: slot };
      return { id: `manifest:${route.host}`, origin: 'manifest', source: 'bottles/acme.md:3', route, ...credential };
    }),
    log: 1,
    supervise: true,
    upstream: { extraCa: [], resolve: {} },
  };
}

const grant = (route: AskedRoute): Grant => ({ id: '3f9a1c72'.repeat(8), route });

function granted(base: GatewayConfig, ...routes: readonly AskedRoute[]): GatewayConfig {
  const result = withGrants(base, routes.map(grant));
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

interface Asked {
  readonly method?: string;
  readonly host: string;
  readonly path?: string;
  readonly port?: number;
}

function decide(live: GatewayConfig, { method = 'GET', host, path = '/', port = 443 }: Asked): string {
  const policy = compilePolicy(live);
  if (!policy.ok) throw new Error(policy.error.join());
  const authority = { host, port };
  const verdict = decideEgress(policy.value, {
    entry: 'connect',
    scheme: 'https',
    authority,
    connect: authority,
    sni: host,
    method,
    target: path,
    headers: [['host', port === 443 ? host : `${host}:${String(port)}`]],
  });
  return verdict.kind === 'allow'
    ? `allow ${verdict.forward.inject === null ? 'bare' : 'with credential'}`
    : verdict.reason;
}

const ISSUES: AskedRoute = {
  host: 'api.github.com',
  matches: [{ paths: [{ type: 'exact', value: '/repos/acme/web/issues' }], methods: ['POST'] }],
};

describe('S32 a grant adds matches and changes nothing else', () => {
  const base = config(GITHUB, { host: '*.cdn.example', matches: [{ methods: ['GET'] }] }, { host: 'open.example' });

  it.each([
    {
      why: 'what was asked passes, with the route’s credential',
      grants: [ISSUES],
      asked: { method: 'POST', host: 'api.github.com', path: '/repos/acme/web/issues' },
      expected: 'allow with credential',
    },
    {
      why: 'nothing beside it does',
      grants: [ISSUES],
      asked: { method: 'POST', host: 'api.github.com', path: '/repos/acme/web/pulls' },
      expected: 'no_match',
    },
    {
      why: 'what passed before passes still',
      grants: [ISSUES],
      asked: { host: 'api.github.com', path: '/repos/acme/web' },
      expected: 'allow with credential',
    },
    {
      why: 'a new host has no credential',
      grants: [{ host: 'new.example' }],
      asked: { host: 'new.example' },
      expected: 'allow bare',
    },
    {
      why: 'a host below a wildcard keeps what that allowed',
      grants: [{ host: 'a.cdn.example', matches: [{ methods: ['PUT'] }] }],
      asked: { host: 'a.cdn.example' },
      expected: 'allow bare',
    },
    {
      why: 'and gets what was granted',
      grants: [{ host: 'a.cdn.example', matches: [{ methods: ['PUT'] }] }],
      asked: { host: 'a.cdn.example', method: 'PUT' },
      expected: 'allow bare',
    },
    {
      why: 'its siblings get nothing',
      grants: [{ host: 'a.cdn.example', matches: [{ methods: ['PUT'] }] }],
      asked: { host: 'b.cdn.example', method: 'PUT' },
      expected: 'no_match',
    },
    {
      why: 'another port takes nothing from 443',
      grants: [{ host: 'a.cdn.example:8443' }],
      asked: { host: 'a.cdn.example' },
      expected: 'allow bare',
    },
    {
      why: 'and is open',
      grants: [{ host: 'a.cdn.example:8443' }],
      asked: { host: 'a.cdn.example', port: 8443 },
      expected: 'allow bare',
    },
    {
      why: 'a named 443 begins as the route without a port',
      grants: [{ host: 'api.github.com:443', matches: ISSUES.matches }],
      asked: { host: 'api.github.com', path: '/repos/acme/web' },
      expected: 'allow with credential',
    },
    {
      why: 'the whole of a host that had matches',
      grants: [{ host: 'api.github.com' }],
      asked: { host: 'api.github.com', path: '/user', method: 'DELETE' },
      expected: 'allow with credential',
    },
    {
      why: 'a host without matches stays as it is',
      grants: [{ host: 'open.example', matches: [{ methods: ['GET'] }] }],
      asked: { host: 'open.example', method: 'POST' },
      expected: 'allow bare',
    },
  ] satisfies readonly { why: string; grants: readonly AskedRoute[]; asked: Asked; expected: string }[])(
    '$why',
    ({ grants, asked, expected }) => {
      expect(decide(granted(base, ...grants), asked)).toBe(expected);
    },
  );

  it('never takes away what was allowed, whatever is granted in whatever order', () => {
    const host = fc.constantFrom(
      'api.github.com',
      'a.cdn.example',
      'b.a.cdn.example',
      '*.cdn.example',
      '*.a.cdn.example',
      'open.example',
      'new.example',
      'a.cdn.example:443',
      'a.cdn.example:8443',
      'open.example:80',
    );
    const matches = fc.constantFrom<RouteMatch[] | undefined>(
      undefined,
      [{ methods: ['POST'] }],
      [{ paths: [{ type: 'prefix', value: '/x' }] }],
    );
    const asked = fc
      .record({ host, matches })
      .map(({ host: name, matches: some }): AskedRoute =>
        some === undefined ? { host: name } : { host: name, matches: some },
      );
    const requests = [
      'api.github.com',
      'a.cdn.example',
      'b.a.cdn.example',
      'c.cdn.example',
      'open.example',
      'new.example',
      'other.example',
    ].flatMap((name) =>
      [443, 80, 8443].flatMap((port) =>
        ['GET', 'POST'].map((method) => ({ host: name, port, method, path: '/repos/acme/web' })),
      ),
    );
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 6 }), (grants) => {
        const live = granted(base, ...grants);
        for (const request of requests) {
          if (decide(base, request).startsWith('allow')) expect(decide(live, request)).toBe(decide(base, request));
          if (request.host === 'other.example') expect(decide(live, request)).toBe('no_route');
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('the impact of a yes', () => {
  const base = config(GITHUB);
  const read = { methods: ['GET'], paths: [{ type: 'exact' as const, value: '/a' }] };
  it.each([
    {
      why: 'reading named paths of a new host',
      asked: { host: 'docs.example', matches: [read] },
      risk: 'low',
      confirm: false,
    },
    {
      why: 'reading with a credential',
      asked: { host: 'api.github.com', matches: [read] },
      risk: 'medium',
      confirm: false,
    },
    { why: 'writing with a credential', asked: ISSUES, risk: 'high', confirm: true },
    {
      why: 'writing to a named path',
      asked: { host: 'docs.example', matches: [{ ...read, methods: ['POST'] }] },
      risk: 'medium',
      confirm: false,
    },
    { why: 'a whole host', asked: { host: 'docs.example' }, risk: 'high', confirm: false },
    {
      why: 'reading a whole host',
      asked: { host: 'docs.example', matches: [{ methods: ['GET'] }] },
      risk: 'medium',
      confirm: false,
    },
    { why: 'a wildcard', asked: { host: '*.example.com', matches: [read] }, risk: 'high', confirm: true },
    {
      why: 'a paste service',
      asked: { host: 'gist.github.com', matches: [{ ...read, methods: ['POST'] }] },
      risk: 'high',
      confirm: false,
    },
    {
      why: 'raw content, one path',
      asked: { host: 'raw.githubusercontent.com', matches: [read] },
      risk: 'medium',
      confirm: false,
    },
  ] satisfies readonly { why: string; asked: AskedRoute; risk: Risk; confirm: boolean }[])(
    '$why is $risk',
    ({ asked, risk, confirm }) => {
      expect(impactOf(base, asked)).toMatchObject({ risk, confirm, generation: 3 });
    },
  );

  it('says before and after, and which credential the requests would carry', () => {
    expect(impactOf(base, ISSUES)).toMatchObject({
      opens: ['POST  api.github.com/repos/acme/web/issues'],
      now: ['GET  api.github.com/repos/acme[/*]'],
      credential: 'GH_TOKEN',
    });
  });

  it('offers only what allows less than was asked', () => {
    const asked: AskedRoute = {
      host: 'docs.example',
      matches: [{ paths: [{ type: 'prefix', value: '/v1' }] }],
      gitFetch: true,
    };
    const { narrower } = impactOf(base, asked);
    expect(narrower.map(({ key }) => key)).toEqual(['n1', 'n2', 'n3']);
    for (const { route } of narrower) {
      for (const request of [{ path: '/v1' }, { path: '/v1/x' }, { method: 'POST', path: '/v1' }, { path: '/other' }]) {
        const full = decide(granted(base, asked), { host: 'docs.example', ...request });
        const less = decide(granted(base, route), { host: 'docs.example', ...request });
        if (less.startsWith('allow')) expect(full).toBe(less);
      }
    }
  });
});
