import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestEntry, serviceEntry, type Entry } from '../../src/cli/logs/entry.ts';
import { entryFilter } from '../../src/cli/logs/filter.ts';
import { entryLine, type LineLayout } from '../../src/cli/logs/line.ts';
import { LogsOptionsSchema } from '../../src/cli/options.ts';
import type { DecisionRecord } from '../../src/schema/decision.ts';

const RECORD: DecisionRecord = {
  event: 'ended',
  time: '2026-11-20T14:03:07.221Z',
  slug: 'web-k3x9q',
  generation: 1,
  id: 'abc-1',
  entry: 'connect',
  method: 'GET',
  host: 'api.github.com',
  port: 443,
  path: '/repos/acme/web',
  decision: 'allow',
  reason: 'allowed',
  route: 'manifest:api.github.com',
  status: 200,
  timings: { decidedMs: 0.4, connectedMs: 20.5, firstByteMs: 120.5, endedMs: 143.2 },
  bytes: { sent: 0, received: 10 },
  ended: 'complete',
  findings: [],
};
const PLAIN: LineLayout = { columns: null, colour: false, slugs: false, timings: false };

function entryOf(changes: Partial<DecisionRecord> = {}): Entry {
  const entry = requestEntry('web-k3x9q', JSON.stringify({ ...RECORD, ...changes }));
  if (entry === null) throw new Error('the record is not read');
  return entry;
}

describe('a line for people', () => {
  it.each([
    {
      why: 'the everyday',
      changes: {},
      line: '14:03:07.221  allow   200    143 ms  GET      api.github.com/repos/acme/web',
    },
    {
      why: 'a refusal says its reason',
      changes: {
        decision: 'deny',
        reason: 'no_route',
        status: 403,
        method: 'CONNECT',
        path: '',
        host: 'paste.example.org',
      },
      line: '14:03:07.221  deny    403    143 ms  CONNECT  paste.example.org  no_route',
    },
    {
      why: 'a finding says whose value and where, never the value',
      changes: {
        decision: 'deny',
        reason: 'known_secret',
        status: 403,
        findings: [{ rule: 'known_secret', place: 'body', name: 'GH_TOKEN', fingerprint: 'fp:0011aabb' }],
      },
      line: '14:03:07.221  deny    403    143 ms  GET      api.github.com/repos/acme/web  known_secret  GH_TOKEN in body',
    },
    {
      why: 'an end without an answer, another port, a long time',
      changes: { status: 0, port: 8443, ended: 'agent_gone', timings: { ...RECORD.timings, endedMs: 75_000 } },
      line: '14:03:07.221  allow     -    75.0 s  GET      api.github.com:8443/repos/acme/web  agent_gone',
    },
  ] as const)('$why', ({ changes, line }) => {
    expect(entryLine(entryOf(changes as Partial<DecisionRecord>), PLAIN)).toBe(line);
  });

  it('says where the time went, and which bottle, when asked', () => {
    expect(entryLine(entryOf(), { ...PLAIN, slugs: true, timings: true })).toBe(
      '14:03:07.221  web-k3x9q  allow   200    143 ms  GET      api.github.com/repos/acme/web  decide 0.4 connect 20.1 wait 100.0 transfer 22.7',
    );
  });

  it('has colour for what matters only', () => {
    const painted = (changes: Partial<DecisionRecord>): string =>
      entryLine(entryOf(changes), { ...PLAIN, colour: true });
    expect(painted({})).not.toMatch(/\u001b\[3[13]m/);
    expect(painted({ decision: 'deny' })).toContain('\u001b[31mdeny');
    expect(painted({ status: 502, reason: 'upstream_timeout' })).toContain('\u001b[33mallow');
  });

  it.each([40, 60, 79, 80, 120])('fits into %i columns, and keeps both ends of what is cut', (columns) => {
    const path = `/a/${'long/'.repeat(60)}end`;
    const line = entryLine(entryOf({ path }), { ...PLAIN, columns });
    expect(line.length).toBeLessThanOrEqual(columns);
    expect(line).toMatch(/…\S*end$/);
    const refused = entryLine(entryOf({ path, decision: 'deny', reason: 'no_route' }), { ...PLAIN, columns: 90 });
    expect(refused.length).toBeLessThanOrEqual(90);
    expect(refused).toMatch(/ {2}no_route$/);
  });

  it('stays one line of harmless characters, whatever an agent wrote', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('\u001b[2J', '\r', '\n', '\u202e', '\u0000', 'é', '漢', 'a', '\t', '\u009b'),
    });
    fc.assert(
      fc.property(hostile, hostile, hostile, (method, host, path) => {
        expect(entryLine(entryOf({ method, host, path }), { ...PLAIN, slugs: true })).toMatch(/^[\u0020-\u007e]*$/);
      }),
    );
    const said = serviceEntry('web-k3x9q', '2026-11-20T14:03:07.221Z egress: a \u001b]0;title\u0007 b');
    expect(said === null ? '' : entryLine(said, PLAIN)).toBe('14:03:07.221  egress: a \\u{1b}]0;title\\u{7} b');
  });

  it('lines of requests are aligned', () => {
    const at = (changes: Partial<DecisionRecord>): number =>
      entryLine(entryOf(changes), PLAIN).indexOf('api.github.com');
    const columns = [
      at({}),
      at({ method: 'OPTIONS' }),
      at({ decision: 'redact', status: 0 }),
      at({ timings: { ...RECORD.timings, endedMs: 9_999 } }),
      at({ timings: { ...RECORD.timings, endedMs: 86_400_000 } }),
    ];
    expect(new Set(columns).size).toBe(1);
  });
});

describe('filters', () => {
  const NOW = Date.parse('2026-11-20T14:10:00Z');
  const OPTIONS = { decision: [], host: [], method: [], reason: [], status: [] };
  const passes = (options: Record<string, unknown>, entry = entryOf()): boolean =>
    entryFilter(LogsOptionsSchema.parse({ ...OPTIONS, ...options }), NOW)(entry);

  it.each([
    { options: {}, held: true },
    { options: { decision: ['allow'] }, held: true },
    { options: { decision: ['deny', 'allow'] }, held: true },
    { options: { decision: ['deny'] }, held: false },
    { options: { host: ['api.github.com'] }, held: true },
    { options: { host: ['.github.com'] }, held: true },
    { options: { host: ['github.com'] }, held: false },
    { options: { host: ['x.example', 'API.GitHub.com'] }, held: true },
    { options: { method: ['get'] }, held: true },
    { options: { method: ['POST'] }, held: false },
    { options: { reason: ['no_route', 'allowed'] }, held: true },
    { options: { reason: ['no_route'] }, held: false },
    { options: { status: ['200'] }, held: true },
    { options: { status: ['2xx'] }, held: true },
    { options: { status: ['4xx', '5xx'] }, held: false },
    { options: { since: '10m' }, held: true },
    { options: { since: '1m' }, held: false },
    { options: { since: '2026-11-20T14:03Z' }, held: true },
    { options: { since: '2026-11-20T15:03:08+01:00' }, held: false },
    { options: { host: ['api.github.com'], method: ['POST'] }, held: false },
  ])('$options → $held', ({ options, held }) => {
    expect(passes(options)).toBe(held);
  });

  it('that ask about requests leave out what services say', () => {
    const said = serviceEntry('web-k3x9q', '2026-11-20T14:03:07.221Z egress: started');
    expect(said === null ? null : [passes({}, said), passes({ status: ['2xx'] }, said)]).toEqual([true, false]);
  });

  it.each([
    { options: { since: 'soon' }, says: '--since "soon" is no age and no time' },
    { options: { since: '2026-13-77' }, says: '--since "2026-13-77" is no age and no time' },
    { options: { status: ['6xx'] }, says: '--status "6xx" is no status' },
    { options: { host: ['a b'] }, says: '--host "a b"' },
  ])('$options are refused', ({ options, says }) => {
    expect(() => passes(options)).toThrow(says);
  });
});

describe('records', () => {
  it('of a version that writes more, or other words, are shown all the same', () => {
    const newer = JSON.stringify({ ...RECORD, reason: 'a_new_reason', more: { than: 'today' } });
    const entry = requestEntry('web-k3x9q', newer);
    expect(entry?.kind === 'request' ? entry.record.reason : null).toBe('a_new_reason');
    expect(entry?.json).toBe(newer);
  });

  it.each(['', 'torn {"event":"ended"', '{"event":"decided"}', '{"event":"ended"}'])('%s is none', (line) => {
    expect(requestEntry('web-k3x9q', line)).toBeNull();
  });
});
