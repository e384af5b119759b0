import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainEgress, explainFacts } from '../../src/policy/explain.ts';
import { ExplanationSchema, type Explanation } from '../../src/schema/decision.ts';
import type { Header } from '../../src/schema/header.ts';
import { factsOf, policyOf } from './support/policy.ts';

const policy = policyOf([
  { host: 'api.example.com', matches: [{ paths: [{ type: 'prefix', value: '/v1/' }], methods: ['GET'] }] },
  { host: 'token.example.com', auth: { scheme: 'Bearer', token_ref: 'TOKEN' } },
  { host: '2001:db8::7' },
]);

function explain(method: string, url: string, headers: readonly Header[] = []): Explanation | string {
  const facts = explainFacts({ method, url, headers });
  return facts.ok ? explainEgress(policy, facts.value) : facts.error;
}

describe('the request that is meant', () => {
  it.each([
    ['https://api.example.com', '/', 443, 'no path'],
    ['https://api.example.com?a=1', '/?a=1', 443, 'a query without a path'],
    ['https://api.example.com/a/../b//c?d=%2F#e', '/a/../b//c?d=%2F', 443, 'the path as written; no fragment is sent'],
    ['HTTPS://API.example.com./', '/', 443, 'spellings of scheme and host'],
    ['http://api.example.com/', '/', 80, 'the port of the scheme'],
    ['https://api.example.com:8443/', '/', 8443, 'a port of its own'],
  ])('%s → %s', (url, target, port) => {
    const facts = explainFacts({ method: 'get', url, headers: [] });
    expect(facts).toMatchObject({
      ok: true,
      value: { entry: 'explain', method: 'GET', target, authority: { host: 'api.example.com', port } },
    });
  });

  it('has the facts of the request inside a CONNECT but for the name of the entry', () => {
    const headers: readonly Header[] = [['Accept', '*/*']];
    expect(explainFacts({ method: 'GET', url: 'https://api.example.com/v1/x', headers })).toEqual({
      ok: true,
      value: factsOf({ entry: 'explain', target: '/v1/x', headers: [['Host', 'api.example.com'], ...headers] }),
    });
  });

  it.each([
    ['GET', 'api.example.com/', 'http:// or https://'],
    ['GET', 'ftp://api.example.com/', 'http:// or https://'],
    ['GET', 'https:///x', 'http:// or https://'],
    ['GET', 'https://me:pass@api.example.com/', 'user name or password'],
    ['GET', 'https://2001:db8::7/', 'brackets'],
    ['GET', 'https://api.example.com:0/', 'port'],
    ['GET', 'https://api.example.com/a b', 'escaped'],
    ['GET', 'https://api.example.com/é', 'escaped'],
    ['GET', 'https://api.example.com\\@evil.example/', 'backslash'],
    ['G T', 'https://api.example.com/', 'not a method'],
    ['', 'https://api.example.com/', 'not a method'],
  ])('%s %s is no request: %s', (method, url, problem) => {
    expect(explain(method, url)).toContain(problem);
  });
});

describe('the explanation', () => {
  it.each([
    ['GET', 'https://api.example.com/v1/x', 'allow', 'allowed', 'manifest:api.example.com'],
    ['POST', 'https://api.example.com/v1/x', 'deny', 'no_match', 'manifest:api.example.com'],
    ['GET', 'https://api.example.com/v1/%2e%2e/x', 'deny', 'ambiguous_path', 'manifest:api.example.com'],
    ['GET', 'https://other.example.com/', 'deny', 'no_route', null],
    ['GET', 'http://token.example.com/', 'deny', 'cleartext_credential', 'manifest:token.example.com'],
    ['GET', 'https://[2001:db8::7]/', 'allow', 'allowed', 'manifest:2001:db8::7'],
  ])('%s %s → %s, %s', (method, url, decision, reason, route) => {
    expect(explain(method, url)).toMatchObject({ decision, reason, route });
  });

  it('ends its trace with the step that refused, and names no step after it', () => {
    const found = explain('GET', 'https://other.example.com/');
    if (typeof found === 'string') throw new Error(found);
    expect(found.trace.map(({ check }) => check)).toEqual(['names', 'path', 'route']);
    expect(found.trace.at(-1)?.outcome).toBe('refused');
  });

  it('a Host that is given takes the place of the URL’s', () => {
    const headers: readonly Header[] = [['host', 'token.example.com']];
    expect(explain('GET', 'https://api.example.com/v1/x', headers)).toMatchObject({ reason: 'host_mismatch' });
  });

  it('is an answer or a problem in words, whatever is asked', () => {
    const url = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `https://api.example.com/${text}`),
      fc.string().map((text) => `https://${text}/`),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom('GET', 'get', 'TRACE')), url, (method, asked) => {
        const found = explain(method, asked);
        if (typeof found === 'string') expect(found).not.toBe('');
        else expect(ExplanationSchema.safeParse(found).success).toBe(true);
      }),
    );
  });
});
