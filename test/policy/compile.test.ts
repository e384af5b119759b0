import { describe, expect, it } from 'vitest';
import { allowsName } from '../../src/policy/compile.ts';
import { factsOf, outcomeOf, policyOf, problemsOf } from './support/policy.ts';

const auth = { scheme: 'Bearer', token_ref: 'TOKEN' } as const;

describe('a policy that can’t be compiled names what is wrong', () => {
  it.each([
    { why: 'a host that is none', routes: [{ host: 'a b' }], says: /a b/ },
    { why: 'a wildcard in the middle', routes: [{ host: 'a.*.example' }], says: /\*/ },
    {
      why: 'one host twice',
      routes: [{ host: 'a.example' }, { host: 'A.example.' }],
      says: /a\.example is routed already/,
    },
    {
      why: 'S22 a pattern that no linear matcher can hold',
      routes: [{ host: 'a.example', matches: [{ paths: [{ type: 'regex' as const, value: '(a)\\1' }] }] }],
      says: /regex|pattern|nested/i,
    },
    {
      why: 'a header name with a space in auth',
      routes: [{ host: 'a.example', auth: { scheme: 'header' as const, token_ref: 'TOKEN', name: 'x key' } }],
      says: /is not the name of a header/,
    },
    {
      why: 'a header that frames the message',
      routes: [{ host: 'a.example', auth: { scheme: 'header' as const, token_ref: 'TOKEN', name: 'Content-Length' } }],
      says: /has another meaning/,
    },
  ])('$why', ({ routes, says }) => {
    expect(problemsOf(routes)).toEqual([expect.stringMatching(says)]);
  });

  it('is none for what the reference shows', () => {
    expect(
      problemsOf([{ host: 'api.github.com', auth }, { host: '*.cdn.example' }, { host: '192.0.2.7:8080' }]),
    ).toEqual([]);
  });
});

describe('which route decides', () => {
  const policy = policyOf([
    { host: '*.example.com', matches: [{ methods: ['GET'] }] },
    { host: 'api.example.com', matches: [{ methods: ['POST'] }] },
    { host: '*.deep.example.com', matches: [{ methods: ['PUT'] }] },
    { host: 'api.example.com:8443', matches: [{ methods: ['DELETE'] }] },
  ]);
  it.each([
    { host: 'x.example.com', port: 443, method: 'GET', outcome: 'allow', why: 'the wildcard' },
    { host: 'example.com', port: 443, method: 'GET', outcome: 'no_route', why: 'never the apex' },
    { host: 'a.b.example.com', port: 443, method: 'GET', outcome: 'allow', why: 'any depth' },
    {
      host: 'api.example.com',
      port: 443,
      method: 'GET',
      outcome: 'no_match',
      why: 'exact beats wildcard, with no falling through',
    },
    { host: 'api.example.com', port: 443, method: 'POST', outcome: 'allow', why: 'the exact one' },
    { host: 'x.deep.example.com', port: 443, method: 'GET', outcome: 'no_match', why: 'the longer wildcard alone' },
    { host: 'x.deep.example.com', port: 443, method: 'PUT', outcome: 'allow', why: 'the longer wildcard' },
    { host: 'api.example.com', port: 8443, method: 'DELETE', outcome: 'allow', why: 'a named port' },
    { host: 'api.example.com', port: 8443, method: 'POST', outcome: 'no_match', why: 'a named port alone' },
    { host: 'api.example.com', port: 9000, method: 'POST', outcome: 'no_route', why: 'another port is not implied' },
    { host: 'x.example.com', port: 8443, method: 'GET', outcome: 'no_route', why: 'nor is it for a wildcard' },
  ])('$method $host:$port → $outcome ($why)', ({ host, port, method, outcome }) => {
    const authority = { host, port };
    expect(outcomeOf(policy, factsOf({ authority, connect: authority, method }))).toBe(outcome);
  });

  it('S21 a literal matches no wildcard', () => {
    const wide = policyOf([{ host: '*.0.2.7' }, { host: '*.example' }].slice(1));
    expect(outcomeOf(wide, factsOf({ authority: { host: '192.0.2.7', port: 443 } }))).toBe('no_route');
  });

  it('names of routes resolve to the bundle, others do not', () => {
    expect(['api.example.com', 'x.example.com', 'other.example'].map((name) => allowsName(policy, name))).toEqual([
      true,
      true,
      false,
    ]);
  });
});
