import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  authProblem,
  carriesCredential,
  injectCredential,
  stripCredentials,
  valueProblem,
} from '../../src/policy/credentials.ts';
import { decideEgress } from '../../src/policy/decide.ts';
import type { Header } from '../../src/schema/header.ts';
import type { Route, RouteAuth } from '../../src/schema/route.ts';
import { allowed, factsOf, outcomeOf, policyOf } from './support/policy.ts';

const HOST = 'api.example.com';
const OURS = 'ours-7f3Kq9Zw';
const BEARER: RouteAuth = { scheme: 'Bearer', token_ref: 'TOKEN' };
const SCHEMES: readonly RouteAuth[] = [
  BEARER,
  { scheme: 'token', token_ref: 'TOKEN' },
  { scheme: 'Basic', token_ref: 'TOKEN' },
  { scheme: 'header', token_ref: 'TOKEN', name: 'X-Vendor-Pass' },
  { scheme: 'query', token_ref: 'TOKEN', name: 'pass' },
];

/** What the upstream gets for what the agent sent, by the very decision. */
function sent(auth: RouteAuth, target: string, headers: readonly Header[]) {
  const policy = policyOf([{ host: HOST, auth }]);
  const { forward } = allowed(decideEgress(policy, factsOf({ target, headers: [['Host', HOST], ...headers] })));
  if (forward.inject === null) throw new Error('nothing would be put in');
  return injectCredential(forward, forward.inject, OURS);
}

const CREDENTIAL_HEADERS = [
  'Authorization',
  'Proxy-Authorization',
  'Cookie',
  'X-Api-Key',
  'Api-Key',
  'X-Goog-Api-Key',
  'X-Auth-Token',
  'Private-Token',
  'Job-Token',
  'Anthropic-Api-Key',
  'X-ApiKey',
  'X-Access-Token',
  'X-Auth-Key',
  'X-Vault-Token',
  'Ocp-Apim-Subscription-Key',
  'DD-Application-Key',
];
const ACCOUNT_HEADERS = [
  'OpenAI-Organization',
  'OpenAI-Project',
  'ChatGPT-Account-Id',
  'Anthropic-Organization-Id',
  'X-Goog-User-Project',
];
const SPELLINGS: readonly { how: string; spell: (name: string) => string }[] = [
  { how: 'as documented', spell: (name) => name },
  { how: 'small', spell: (name) => name.toLowerCase() },
  { how: 'capitals', spell: (name) => name.toUpperCase() },
  { how: 'alternating', spell: (name) => name.replace(/../g, (two) => two.charAt(0).toLowerCase() + two.charAt(1)) },
  { how: 'underscores', spell: (name) => name.replaceAll('-', '_') },
  { how: 'dots', spell: (name) => name.replaceAll('-', '.') },
];

describe('S10 headers of the agent on a route with auth', () => {
  const rows = [...CREDENTIAL_HEADERS, ...ACCOUNT_HEADERS].flatMap((name) =>
    SPELLINGS.map(({ how, spell }) => ({ name: spell(name), how })),
  );
  it.each(rows)('$name ($how) never gets through', ({ name }) => {
    const { headers } = sent(BEARER, '/', [
      [name, 'Bearer theirs'],
      ['X-Other', 'kept'],
      [name, 'theirs, again'],
    ]);
    expect(headers).toEqual([
      ['Host', HOST],
      ['X-Other', 'kept'],
      ['Authorization', `Bearer ${OURS}`],
    ]);
  });

  it.each([
    ['Sec-WebSocket-Protocol', 'realtime, openai-insecure-api-key.sk-theirs'],
    ['sec-websocket-protocol', 'base64url.bearer.authorization.k8s.io.dGhlaXJz'],
    ['SEC-WEBSOCKET-PROTOCOL', 'access_token, theirs'],
    ['Sec_WebSocket_Protocol', 'auth-theirs'],
  ])('%s: %s brings a key', (name, value) => {
    expect(sent(BEARER, '/', [[name, value]]).headers).toEqual([
      ['Host', HOST],
      ['Authorization', `Bearer ${OURS}`],
    ]);
  });

  it.each([
    ['Sec-WebSocket-Protocol', 'graphql-transport-ws', 'a sub-protocol without a key'],
    ['Idempotency-Key', '7', 'names a request, not a caller'],
    ['X-Idempotency-Key', '7', 'the same'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'a nonce of the protocol'],
    ['X-CSRF-Token', '7', 'goes with a session, and is none'],
    ['Accept', 'application/json', 'no credential'],
    ['X-Tokens-Left', '7', 'no credential'],
    ['Authority', 'x', 'not Authorization'],
  ])('%s: %s stays: %s', (name, value) => {
    expect(sent(BEARER, '/', [[name, value]]).headers).toContainEqual([name, value]);
  });

  it("the route's own name is the operator's, as header and as parameter", () => {
    const named: RouteAuth = { scheme: 'header', token_ref: 'TOKEN', name: 'X-Vendor-Pass' };
    const { target, headers } = sent(named, '/?x-vendor-pass=theirs&a=1', [
      ['x_vendor_pass', 'theirs'],
      ['X-VENDOR-PASS', 'theirs'],
    ]);
    expect({ target, headers }).toEqual({
      target: '/?a=1',
      headers: [
        ['Host', HOST],
        ['X-Vendor-Pass', OURS],
      ],
    });
  });
});

describe('S10 parameters of the agent on a route with auth', () => {
  const names = ['key', 'api_key', 'apikey', 'access_token', 'token', 'auth', 'pass'];
  const escape = (text: string): string =>
    Array.from(text, (character) => `%${character.charCodeAt(0).toString(16)}`).join('');
  const spellings: readonly { how: string; spell: (name: string) => string }[] = [
    { how: 'as it is', spell: (name) => name },
    { how: 'capitals', spell: (name) => name.toUpperCase() },
    { how: 'escaped', spell: escape },
    { how: 'escaped twice', spell: (name) => escape(name).replaceAll('%', '%25') },
    { how: 'escaped four times', spell: (name) => escape(name).replaceAll('%', '%25252525') },
    { how: 'last letter escaped', spell: (name) => name.slice(0, -1) + escape(name.slice(-1)) },
    { how: 'a list', spell: (name) => `${name}[]` },
    { how: 'an escaped list', spell: (name) => `${name}%5B%5D` },
    { how: 'a map', spell: (name) => `${name}[a][b]` },
    { how: 'space before', spell: (name) => `+${name}` },
    { how: 'space behind', spell: (name) => `${name}%20` },
    { how: 'NUL behind', spell: (name) => `${name}%00` },
    { how: 'dots, as PHP folds them', spell: (name) => name.replaceAll('_', '.') },
    { how: 'a bracket, as PHP folds it', spell: (name) => name.replaceAll('_', '[') },
    { how: 'dashes', spell: (name) => name.replaceAll('_', '-') },
    { how: 'behind an escaped separator', spell: (name) => `x%26${name}` },
  ];
  const frames: readonly { how: string; frame: (pair: string) => string; left: string }[] = [
    { how: 'alone', frame: (pair) => `?${pair}`, left: '' },
    { how: 'first', frame: (pair) => `?${pair}&a=1`, left: '?a=1' },
    { how: 'last', frame: (pair) => `?a=1&${pair}`, left: '?a=1' },
    { how: 'between', frame: (pair) => `?a=1&${pair}&b=2`, left: '?a=1&b=2' },
    { how: 'after a semicolon', frame: (pair) => `?a=1;${pair};b=2`, left: '?a=1;b=2' },
    { how: 'twice', frame: (pair) => `?${pair}&a=1&${pair}`, left: '?a=1' },
    { how: 'among empty pairs', frame: (pair) => `?&&${pair}&&a=1`, left: '?&&&a=1' },
  ];
  const route: RouteAuth = { scheme: 'header', token_ref: 'TOKEN', name: 'pass' };
  const rows = names.flatMap((name) =>
    spellings.flatMap(({ how, spell }) =>
      frames.map((frame) => ({ how: `${name} ${how}, ${frame.how}`, frame, name: spell(name) })),
    ),
  );
  it.each(rows)('$how', ({ frame, name }) => {
    expect(sent(route, `/p${frame.frame(`${name}=theirs`)}`, []).target).toBe(`/p${frame.left}`);
    expect(sent(route, `/p${frame.frame(name)}`, []).target).toBe(`/p${frame.left}`);
  });

  it.each([
    ['/p?monkey=1', 'another word that ends so'],
    ['/p?tokens=1', 'another word that begins so'],
    ['/p?q=token', 'a value'],
    ['/p?q=a%26key%3D1', 'a value with an escaped pair'],
    ['/p?redirect=https%3A%2F%2Fx.example%2F%3Fkey%3D1', 'an address as a value'],
    ['/p?', 'nothing'],
    ['/p?&&', 'nothing, three times'],
    ['/key=1', 'a path'],
    ['/p?a=%zz', 'a broken escape in a value'],
  ])('%s stays as it is: %s', (target) => {
    expect(sent(BEARER, target, []).target).toBe(target);
  });

  it('leaves every other pair and separator as sent', () => {
    const pair = fc.oneof(
      fc.constantFrom('', 'a', 'a=', 'a=1', 'b=%20', 'q=key', 'tokenx=1'),
      fc.constantFrom('key=1', 'ToKeN', 'api%5fkey=2', 'auth[]=3'),
    );
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 6 }), (pairs) => {
        const mine = pairs.filter((each) => /^(?:|a|b|q|tokenx)(?:=|$)/.test(each));
        const { target } = stripCredentials({ target: `/p?${pairs.join('&')}`, headers: [] }, BEARER);
        const expected = mine.join('&');
        expect(target === '/p' ? '' : target.slice(3)).toBe(expected);
      }),
    );
  });
});

describe('S10 exactly one credential, ours', () => {
  const hostile = fc.array(
    fc.tuple(
      fc.constantFrom(...CREDENTIAL_HEADERS, ...ACCOUNT_HEADERS, 'X-Vendor-Pass', 'Accept', 'X-Other'),
      fc.constantFrom('theirs', 'Bearer theirs', ''),
    ),
    { maxLength: 8 },
  );
  const query = fc.array(fc.constantFrom('key=theirs', 'pass=theirs', 'PASS=theirs', 'a=1', '', 'p%61ss=theirs'), {
    maxLength: 5,
  });
  it.each(SCHEMES)('$scheme', (auth) => {
    fc.assert(
      fc.property(hostile, query, (headers, pairs) => {
        const kept = headers.filter(([name]) => name === 'Accept' || name === 'X-Other');
        const others = headers.filter(([name]) => name === 'X-Vendor-Pass' && auth.name !== name);
        const out = sent(auth, `/p?${pairs.join('&')}`, headers);
        const whole = [out.target, ...out.headers.map(([name, value]) => `${name}: ${value}`)].join('\n');
        const value = auth.scheme === 'Basic' ? btoa(`x-access-token:${OURS}`) : OURS;
        expect(whole.split(value)).toHaveLength(2);
        expect(out.headers.filter(([name]) => CREDENTIAL_HEADERS.includes(name) && name !== 'Authorization')).toEqual(
          [],
        );
        expect(out.headers.filter(([name]) => name === 'Accept' || name === 'X-Other')).toEqual(kept);
        expect(out.headers.filter(([name]) => name === 'X-Vendor-Pass')).toHaveLength(
          auth.name === 'X-Vendor-Pass' ? 1 : others.length,
        );
        if (auth.name === 'pass') expect(whole).not.toMatch(/p(?:a|%61)ss=theirs/i);
      }),
    );
  });

  it.each([
    { auth: BEARER, target: '/', header: ['Authorization', `Bearer ${OURS}`] },
    { auth: { scheme: 'token', token_ref: 'T' }, target: '/', header: ['Authorization', `token ${OURS}`] },
    {
      auth: { scheme: 'Basic', token_ref: 'T' },
      target: '/',
      header: ['Authorization', `Basic ${btoa(`x-access-token:${OURS}`)}`],
    },
    { auth: { scheme: 'header', token_ref: 'T', name: 'X-Key' }, target: '/', header: ['X-Key', OURS] },
    { auth: { scheme: 'query', token_ref: 'T', name: 'pass' }, target: `/?pass=${OURS}`, header: null },
  ] as const)('$auth.scheme is put in as documented', ({ auth, target, header }) => {
    const out = sent(auth, '/', []);
    expect(out.target).toBe(target);
    expect(out.headers).toEqual([['Host', HOST], ...(header === null ? [] : [header])]);
  });

  it.each([
    ['/p', '/p?a%20b=v%26w'],
    ['/p?', '/p?a%20b=v%26w'],
    ['/p?x=1', '/p?x=1&a%20b=v%26w'],
  ])('a parameter goes behind %s as %s', (target, expected) => {
    const injection = { slot: 0, scheme: 'query', name: 'a b' } as const;
    expect(injectCredential({ target, headers: [] }, injection, 'v&w').target).toBe(expected);
  });

  it('Basic takes `user:password` as it is, in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (user, password) => {
        const value = `${user.replaceAll(':', '')}:${password}`;
        const { headers } = injectCredential({ target: '/', headers: [] }, { slot: 0, scheme: 'Basic' }, value);
        const [, encoded = ''] = headers[0]?.[1].split(' ') ?? [];
        expect(Buffer.from(encoded, 'base64').toString()).toBe(Buffer.from(value).toString());
        expect(encoded).toBe(Buffer.from(value).toString('base64'));
      }),
    );
  });

  it('an injection without its name is a bug, not a request', () => {
    expect(() => injectCredential({ target: '/', headers: [] }, { slot: 0, scheme: 'header' }, 'x')).toThrow(
      'without a name',
    );
  });
});

describe('S10 names and values that could not be put in are refused before anything runs', () => {
  it.each([
    { name: 'X-Key', problem: null },
    { name: 'Authorization', problem: null },
    { name: 'Cookie', problem: null },
    { name: 'X Key', problem: 'not the name of a header' },
    { name: 'X-Key:', problem: 'not the name of a header' },
    { name: 'X-Key\r\nX', problem: 'not the name of a header' },
    { name: 'clé', problem: 'not the name of a header' },
    { name: 'Host', problem: 'another meaning' },
    { name: 'content-length', problem: 'another meaning' },
    { name: 'Transfer_Encoding', problem: 'another meaning' },
  ])('header $name', ({ name, problem }) => {
    const found = authProblem({ scheme: 'header', token_ref: 'T', name });
    if (problem === null) expect(found).toBeNull();
    else expect(found).toContain(problem);
    expect(authProblem({ scheme: 'query', token_ref: 'T', name })).toBeNull();
  });

  it.each([
    { value: 'abc def', problem: null },
    { value: 'abc\n', problem: 'begins or ends' },
    { value: ' abc', problem: 'begins or ends' },
    { value: 'a\r\nX: y', problem: 'no header can carry' },
    { value: 'a\0b', problem: 'no header can carry' },
    { value: 'schlüssel', problem: 'no header can carry' },
  ])('value $value', ({ value, problem }) => {
    for (const scheme of ['Bearer', 'token', 'header'] as const) {
      const found = valueProblem(scheme, value);
      if (problem === null) expect(found).toBeNull();
      else expect(found).toContain(problem);
    }
    expect([valueProblem('Basic', value), valueProblem('query', value)]).toEqual([null, null]);
  });
});

describe('S10 a credential of the agent on a route without auth', () => {
  const CASES: readonly { why: string; headers?: readonly Header[]; target?: string; foreign: boolean }[] = [
    { why: 'none', foreign: false },
    { why: 'Authorization', headers: [['authorization', 'Bearer x']], foreign: true },
    { why: 'a key header', headers: [['X_API_KEY', 'x']], foreign: true },
    { why: 'a key as a parameter', target: '/?access%5Ftoken=x', foreign: true },
    { why: 'a parameter behind a semicolon', target: '/?a;api_key=x', foreign: true },
    { why: 'a key as a sub-protocol', headers: [['Sec-WebSocket-Protocol', 'x.api-key.y']], foreign: true },
    { why: 'a cookie alone says nothing of who owns the account', headers: [['Cookie', 'a=b']], foreign: false },
    { why: 'a value that looks like a name', target: '/?q=token', foreign: false },
  ];
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'];
  const ROUTES: readonly Route[] = [
    { host: HOST },
    { host: HOST, agent_credentials: 'allow' },
    { host: HOST, agent_credentials: 'deny' },
  ];
  const rows = CASES.flatMap((row) => ROUTES.map((route) => ({ ...row, route, rule: route.agent_credentials })));
  it.each(rows)('$why, agent_credentials $rule', ({ headers = [], target = '/', foreign, route, rule }) => {
    const policy = policyOf([route]);
    for (const method of METHODS) {
      const reading = method === 'GET' || method === 'HEAD';
      const open = !foreign || rule === 'allow' || (rule === undefined && reading);
      const facts = factsOf({ method, target, headers: [['Host', HOST], ...headers] });
      expect([method, outcomeOf(policy, facts)]).toEqual([method, open ? 'allow' : 'foreign_credential']);
    }
    expect(carriesCredential(headers, target.split('?')[1] ?? '')).toBe(foreign);
  });

  it('is forwarded untouched where it is let through', () => {
    const policy = policyOf([{ host: HOST, agent_credentials: 'allow' }]);
    const headers: readonly Header[] = [
      ['Host', HOST],
      ['Authorization', 'Bearer x'],
      ['Cookie', 'a=b'],
    ];
    const { forward } = allowed(decideEgress(policy, factsOf({ method: 'POST', target: '/?key=1', headers })));
    expect(forward).toMatchObject({ target: '/?key=1', headers, inject: null });
  });
});

describe('S11 never in clear', () => {
  const port80 = { host: HOST, port: 80 };
  const clear = factsOf({ entry: 'transparent-http', scheme: 'http', authority: port80 });
  it.each(SCHEMES)('$scheme over plain HTTP is refused', (auth) => {
    const route: Route = { host: HOST, auth };
    expect(outcomeOf(policyOf([route]), clear)).toBe('cleartext_credential');
    expect(outcomeOf(policyOf([route]), factsOf())).toBe('allow');
  });

  it('an address from upstream.resolve is the exception, for that very port', () => {
    const route: Route = { host: HOST, auth: BEARER };
    expect(outcomeOf(policyOf([route], { resolve: { [`${HOST}:80`]: '127.0.0.1:8080' } }), clear)).toBe('allow');
    expect(outcomeOf(policyOf([route], { resolve: { [`${HOST}:443`]: '127.0.0.1:8443' } }), clear)).toBe(
      'cleartext_credential',
    );
  });

  it('a route without auth may be asked in clear', () => {
    expect(outcomeOf(policyOf([{ host: HOST }]), clear)).toBe('allow');
  });
});
