import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideEgress, type RequestFacts } from '../../src/policy/decide.ts';
import { allowed, factsOf, outcomeOf, policyOf } from './support/policy.ts';

const policy = policyOf([
  {
    host: 'api.example.com',
    auth: { scheme: 'Bearer', token_ref: 'TOKEN' },
    matches: [
      {
        paths: [{ type: 'prefix', value: '/v1/' }],
        methods: ['GET', 'POST'],
        headers: [{ type: 'exact', name: 'x-team', value: 'web' }],
      },
    ],
  },
  { host: '*.cdn.example.com', matches: [{ methods: ['GET'] }] },
  { host: 'git.example.com', git: { fetch: true } },
  { host: 'plain.example.com' },
]);

const good = factsOf({
  target: '/v1/items?page=2',
  headers: [
    ['Host', 'api.example.com'],
    ['X-Team', 'web'],
  ],
  sni: 'api.example.com',
});
const headers = (...more: RequestFacts['headers']): Partial<RequestFacts> => ({ headers: [...good.headers, ...more] });
const instead = (name: string, value: string): Partial<RequestFacts> => ({
  headers: good.headers.map(([own, old]) => [own, own === name ? value : old]),
});

describe('a request that is allowed, with every field changed alone', () => {
  it('is allowed as it stands, and says by which steps', () => {
    const verdict = allowed(decideEgress(policy, good));
    expect(verdict.trace.map(({ check }) => check)).toEqual(['names', 'path', 'route', 'rules', 'credential']);
    expect(verdict.permit).toMatchObject({ host: 'api.example.com', port: 443, scheme: 'https' });
  });

  it.each<{ readonly why: string; readonly changed: Partial<RequestFacts>; readonly reason: string }>([
    { why: 'another host', changed: { authority: { host: 'evil.example', port: 443 } }, reason: 'host_mismatch' },
    { why: 'another port', changed: { authority: { host: 'api.example.com', port: 8443 } }, reason: 'host_mismatch' },
    { why: 'another CONNECT host', changed: { connect: { host: 'evil.example', port: 443 } }, reason: 'host_mismatch' },
    {
      why: 'another CONNECT port',
      changed: { connect: { host: 'api.example.com', port: 8443 } },
      reason: 'host_mismatch',
    },
    { why: 'another SNI', changed: { sni: 'evil.example' }, reason: 'host_mismatch' },
    { why: 'another Host', changed: instead('Host', 'evil.example'), reason: 'host_mismatch' },
    { why: 'another Host port', changed: instead('Host', 'api.example.com:8443'), reason: 'host_mismatch' },
    { why: 'a second Host', changed: headers(['Host', 'api.example.com']), reason: 'bad_request' },
    { why: 'a Host that is none', changed: instead('Host', 'api .example.com'), reason: 'bad_request' },
    { why: 'an SNI that is none', changed: { sni: 'a b' }, reason: 'bad_request' },
    { why: 'S11 no TLS', changed: { scheme: 'http', connect: null, sni: null }, reason: 'cleartext_credential' },
    { why: 'another method', changed: { method: 'DELETE' }, reason: 'no_match' },
    { why: 'a method in small letters', changed: { method: 'get' }, reason: 'no_match' },
    { why: 'TRACE', changed: { method: 'TRACE' }, reason: 'method_refused' },
    { why: 'CONNECT inside', changed: { method: 'CONNECT' }, reason: 'method_refused' },
    { why: 'another path', changed: { target: '/v2/items' }, reason: 'no_match' },
    { why: 'the prefix without its slash', changed: { target: '/v1' }, reason: 'no_match' },
    { why: 'S22 a path that some read as another', changed: { target: '/v1/..%2fadmin' }, reason: 'ambiguous_path' },
    { why: 'S22 a broken escape', changed: { target: '/v1/%zz' }, reason: 'bad_request' },
    { why: 'a target that is no path', changed: { target: 'v1/items' }, reason: 'bad_request' },
    { why: 'the asterisk', changed: { target: '*' }, reason: 'method_refused' },
    { why: 'another header value', changed: instead('X-Team', 'ops'), reason: 'no_match' },
    { why: 'the header left out', changed: { headers: [['Host', 'api.example.com']] }, reason: 'no_match' },
    { why: 'S22 a method override', changed: headers(['X-HTTP-Method-Override', 'DELETE']), reason: 'override_header' },
    { why: 'S22 a rewrite', changed: headers(['X-Original-URL', '/admin']), reason: 'override_header' },
    { why: 'S22 _method', changed: { target: '/v1/items?_method=DELETE' }, reason: 'override_header' },
    { why: 'an upgrade', changed: headers(['Upgrade', 'h2c']), reason: 'upgrade_refused' },
    { why: 'HTTP2-Settings', changed: headers(['HTTP2-Settings', 'AAMAAABkAAQAAP__']), reason: 'upgrade_refused' },
    { why: 'H14 a push', changed: { target: '/v1/x.git/info/refs?service=git-receive-pack' }, reason: 'git_push' },
    { why: 'H14 a fetch', changed: { target: '/v1/x.git/info/refs?service=git-upload-pack' }, reason: 'git_fetch' },
  ])('$why → $reason', ({ changed, reason }) => {
    const verdict = decideEgress(policy, { ...good, ...changed });
    expect(verdict).toMatchObject({ kind: 'deny', reason });
    expect(verdict.trace.at(-1)).toMatchObject({ outcome: 'refused' });
  });

  it('a host that no route names, in all its places at once → no_route', () => {
    const verdict = decideEgress(policy, factsOf({ authority: { host: 'other.example', port: 443 } }));
    expect(verdict).toMatchObject({ kind: 'deny', reason: 'no_route', route: null });
  });
});

const names = fc.constantFrom(
  'api.example.com',
  'plain.example.com',
  'a.cdn.example.com',
  'git.example.com',
  'x.example',
);
const targets = fc.constantFrom('/', '/v1/items', '/v1/%2e%2e/x', '/a.git/info/refs?service=git-upload-pack', '//v1/');

describe('G-ONE', () => {
  it('the four ways in give one verdict for one request', () => {
    fc.assert(
      fc.property(names, targets, fc.constantFrom('GET', 'POST', 'PUT'), (host, target, method) => {
        const authority = { host, port: 443 };
        const request = { authority, target, method, headers: [['Host', host]] as const };
        const entries: readonly Partial<RequestFacts>[] = [
          { entry: 'connect', connect: authority, sni: host },
          { entry: 'connect', connect: authority, sni: null },
          { entry: 'absolute', connect: null, sni: null },
          { entry: 'transparent-tls', connect: null, sni: host },
        ];
        const outcomes = entries.map((entry) => outcomeOf(policy, factsOf({ ...request, ...entry })));
        expect(new Set(outcomes).size).toBe(1);
      }),
    );
  });
});

describe('G-DENY whatever the bytes', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('', '\0', '%', '%00', '/%2f..;/x', 'api.example.com.', '[::1]', '0x7f.1', 'xn--', '*', '\r\n\r\n'),
  );

  it('the decision never throws, and allows only what names an allowed host', () => {
    const facts = fc.record<RequestFacts>({
      entry: fc.constantFrom('connect', 'absolute', 'transparent-tls', 'transparent-http'),
      scheme: fc.constantFrom('http', 'https'),
      authority: fc.record({ host: fc.oneof(names, text), port: fc.integer({ min: 0, max: 70_000 }) }),
      connect: fc.oneof(fc.constant(null), fc.record({ host: fc.oneof(names, text), port: fc.nat(70_000) })),
      sni: fc.oneof(fc.constant(null), names, text),
      method: fc.oneof(fc.constantFrom('GET', 'POST'), text),
      target: fc.oneof(targets, text),
      headers: fc.array(fc.tuple(fc.oneof(fc.constantFrom('Host', 'Cookie', 'x-team'), text), fc.oneof(names, text)), {
        maxLength: 4,
      }),
    });
    fc.assert(
      fc.property(facts, (one) => {
        const verdict = decideEgress(policy, one);
        if (verdict.kind === 'allow') {
          expect(['api', 'plain', 'cdn', 'git'].some((part) => one.authority.host.toLowerCase().includes(part))).toBe(
            true,
          );
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
