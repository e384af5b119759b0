import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideConnect } from '../../src/policy/connect.ts';
import { decideEgress, type RequestFacts } from '../../src/policy/decide.ts';
import type { Header } from '../../src/schema/header.ts';
import { allowed, factsOf, policyOf } from './support/policy.ts';

const HOST = 'api.example.com';

describe('what is forwarded', () => {
  const forward = (headers: readonly Header[], changed: Partial<RequestFacts> = {}): readonly Header[] =>
    allowed(decideEgress(policyOf([{ host: HOST }]), factsOf({ ...changed, headers }))).forward.headers;

  it('less what concerned the agent’s own connection', () => {
    const gone = ['Connection', 'Keep-Alive', 'Proxy-Connection', 'TE', 'Trailer', 'Transfer-Encoding', 'Expect'];
    const headers: Header[] = [['Host', HOST], ...gone.map((name): Header => [name, 'x']), ['Accept', 'a']];
    expect(forward(headers)).toEqual([
      ['Host', HOST],
      ['Accept', 'a'],
    ]);
  });

  it('less what Connection names, but never what the request means', () => {
    const headers: Header[] = [
      ['Host', HOST],
      ['Connection', 'X-Hop, host, Content-Length'],
      ['connection', 'x-other'],
      ['X-Hop', '1'],
      ['X-Other', '1'],
      ['Content-Length', '0'],
    ];
    expect(forward(headers)).toEqual([
      ['Host', HOST],
      ['Content-Length', '0'],
    ]);
  });

  it.each([
    [{ host: HOST, port: 443 }, 'https', HOST],
    [{ host: HOST, port: 80 }, 'https', `${HOST}:80`],
    [{ host: HOST, port: 80 }, 'http', HOST],
  ] as const)('a Host where none was sent: %o by %s', (authority, scheme, expected) => {
    expect(forward([], { authority, scheme, connect: null })).toEqual([['Host', expected]]);
  });

  it.each([
    [undefined, true, true],
    [{ outbound_detectors: false as const }, false, false],
    [{ outbound_detectors: [] }, false, false],
    [{ outbound_detectors: ['known_secrets' as const] }, true, false],
    [{ outbound_detectors: ['token_patterns' as const] }, false, true],
  ])('dlp %o: known values scanned %s, formats %s', (dlp, knownSecrets, tokenPatterns) => {
    const policy = policyOf([{ host: HOST, ...(dlp === undefined ? {} : { dlp }) }]);
    expect(allowed(decideEgress(policy, factsOf())).forward.outbound).toEqual({
      knownSecrets,
      tokenPatterns,
      onMatch: 'block',
    });
  });

  it('the permit names what was decided, and nothing else', () => {
    const policy = policyOf([{ host: '192.0.2.7' }, { host: HOST }], {
      generation: 7,
      resolve: { [`${HOST}:443`]: '127.0.0.1:8443' },
    });
    const permitOf = (host: string): unknown =>
      allowed(decideEgress(policy, factsOf({ authority: { host, port: 443 } }))).permit;
    expect(permitOf(HOST)).toEqual({
      scheme: 'https',
      host: HOST,
      port: 443,
      routeId: `manifest:${HOST}`,
      generation: 7,
      resolveTo: '127.0.0.1:8443',
      literal: false,
    });
    expect(permitOf('192.0.2.7')).toMatchObject({ host: '192.0.2.7', resolveTo: null, literal: true });
  });
});

describe('G-ONE the first word on a CONNECT', () => {
  const policy = policyOf([
    { host: HOST },
    { host: '*.wide.example.com', auth: { scheme: 'Bearer', token_ref: 'TOKEN' } },
    { host: '192.0.2.7' },
  ]);
  const hosts = fc.constantFrom(
    HOST,
    'a.wide.example.com',
    'wide.example.com',
    '192.0.2.7',
    'other.example.com',
    'a b',
  );

  it('refuses only what every request inside would be refused for', () => {
    fc.assert(
      fc.property(hosts, fc.constantFrom(443, 80, 8443), fc.constantFrom('GET', 'PUT'), (host, port, method) => {
        const authority = { host, port };
        if (decideConnect(policy, authority).kind === 'allow') return;
        expect(decideEgress(policy, factsOf({ authority, method, headers: [['Host', host]] })).kind).toBe('deny');
      }),
    );
  });

  it.each([
    ['other.example.com', { kind: 'deny', reason: 'no_route', status: 403 }],
    ['a b', { kind: 'deny', reason: 'bad_request', status: 400 }],
    [HOST.toUpperCase(), { kind: 'allow', route: `manifest:${HOST}` }],
  ])('%s', (host, verdict) => {
    expect(decideConnect(policy, { host, port: 443 })).toMatchObject(verdict);
  });
});
