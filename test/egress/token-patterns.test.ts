import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../fuzz/random.ts';
import { cook } from '../dlp/support/recipe.ts';
import { send, type SendOptions } from './support/agent.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, type Origin } from './support/origin.ts';

const HOST = 'api.example.com';
const cooked = (recipe: string): string => cook(recipe, new SeededRandom(11));
const GITHUB = cooked('ghp_{A36}');
const JWT = cooked('eyJ{w33}.eyJ{w60}.{w43}');
const STAND_IN = cooked('ghp_{A36}').replace('ghp_', 'gho_');

let origin: Origin;
let harness: Harness;
let seenBefore = 0;
let endedBefore = 0;

beforeAll(async () => {
  origin = await startOrigin(answering('ok'), { name: '*.example.com' });
  harness = await startHarness({
    routes: [
      { host: HOST },
      { host: 'off.example.com', dlp: { outbound_detectors: false } },
      { host: 'values.example.com', dlp: { outbound_detectors: ['known_secrets'] } },
      { host: 'formats.example.com', dlp: { outbound_detectors: ['token_patterns'] } },
      { host: 'own.example.com', agent_credentials: 'allow' },
    ],
    origins: Object.fromEntries(
      ['api', 'off', 'values', 'formats', 'own'].map((name) => [`${name}.example.com:443`, origin]),
    ),
    knownValues: { DATABASE_WORD: 'Zq83hd7Wm2pXv91LtR5k' },
  });
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});
beforeEach(() => {
  seenBefore = origin.received().length;
  endedBefore = harness.decided().length;
});

const caught: readonly {
  readonly place: string;
  readonly why: string;
  readonly request: { path?: string } & SendOptions;
}[] = [
  { place: 'path', why: 'as it is', request: { path: `/a/${GITHUB}` } },
  { place: 'path', why: 'escaped', request: { path: `/a/${GITHUB.replace('ghp_', 'g%68p%5F')}` } },
  { place: 'query', why: 'escaped twice', request: { path: `/a?q=${GITHUB.replace('ghp_', 'ghp%255F')}` } },
  { place: 'header x-note', why: 'a header of its own', request: { headers: { 'x-note': GITHUB } } },
  { place: 'header authorization', why: "the agent's own", request: { headers: { authorization: `token ${GITHUB}` } } },
  { place: 'body', why: 'in JSON', request: { method: 'POST', body: JSON.stringify({ note: GITHUB }) } },
  {
    place: 'body',
    why: 'compressed',
    request: { method: 'POST', body: gzipSync(`key=${GITHUB}`), headers: { 'content-encoding': 'gzip' } },
  },
];

describe('G-LEAK the format of a credential does not leave', () => {
  it.each(caught)('$why in the $place', async ({ place, request }) => {
    const answer = await send(harness, `https://${HOST}${request.path ?? '/'}`, request);
    expect(answer.status).toBe(403);
    expect(answer.reason).toBe('token_pattern');
    expect(answer.body.toString('latin1')).not.toContain(GITHUB);
    expect(origin.received().length).toBe(seenBefore);
    const record = (await harness.ended(endedBefore + 1)).at(-1);
    expect(record).toMatchObject({ decision: 'deny', reason: 'token_pattern' });
    expect(record?.findings[0]).toMatchObject({ rule: 'token_pattern', name: 'github-pat', place });
    expect(record?.findings[0]?.fingerprint).toMatch(/^fp:[0-9a-f]{8}$/);
    expect(JSON.stringify(record)).not.toContain(GITHUB.slice(4));
  });

  it('S17 nothing of it has left when it comes in pieces', async () => {
    const answer = await send(harness, `https://${HOST}/`, {
      method: 'POST',
      body: Buffer.from(`${'x '.repeat(90_000)}${GITHUB}`),
    });
    expect(answer.status).not.toBe(200);
    const left = origin.received().subarray(seenBefore).toString('latin1');
    expect(left).not.toContain(GITHUB.slice(0, 12));
  });
});

describe('what passes', () => {
  it.each([
    { why: 'a route that is not scanned', url: 'https://off.example.com/', body: GITHUB, headers: {} },
    { why: 'a route that is scanned for values alone', url: 'https://values.example.com/', body: GITHUB, headers: {} },
    {
      why: "sessions' own tokens in a head",
      url: `https://${HOST}/?token=${JWT}`,
      body: '',
      headers: { cookie: `a=${JWT}` },
    },
    {
      why: 'a credential of its own where the operator allows it',
      url: 'https://own.example.com/',
      body: '',
      headers: { authorization: `Bearer ${GITHUB}` },
    },
  ])('$why', async ({ url, body, headers }) => {
    const answer = await send(harness, url, { method: body === '' ? 'GET' : 'POST', body, headers });
    expect(answer.status).toBe(200);
  });

  it('and what does not on the same routes', async () => {
    const value = { method: 'POST', body: 'Zq83hd7Wm2pXv91LtR5k' };
    expect((await send(harness, 'https://formats.example.com/', value)).status).toBe(200);
    expect((await send(harness, 'https://values.example.com/', value)).reason).toBe('known_secret');
    const format = { method: 'POST', body: `see ${STAND_IN}` };
    expect((await send(harness, 'https://formats.example.com/', format)).reason).toBe('token_pattern');
    const elsewhere = { method: 'POST', body: '', headers: { 'x-note': GITHUB } };
    expect((await send(harness, 'https://own.example.com/', elsewhere)).reason).toBe('token_pattern');
  });
});

describe("the operator's own rules", () => {
  const own = {
    rules: [{ id: 'acme-token', description: '', pattern: 'acme_([a-z0-9]{16})', secretGroup: 1, keywords: [] }],
    disabled: ['github-pat'],
    allow: [{ target: 'secret' as const, pattern: '^x+$', rules: ['acme-token'] }],
  };

  it('count from the reload that brings them, and a bad one changes nothing', async () => {
    await using fresh = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    const post = async (body: string): Promise<string | null> =>
      (await send(fresh, `https://${HOST}/`, { method: 'POST', body })).reason ?? null;
    expect(await post('acme_k3v9q7d2m4x8b1z6')).toBeNull();
    expect(await post(GITHUB)).toBe('token_pattern');
    fresh.gateway.reload({ ...fresh.config([{ host: HOST }], 2), rules: own });
    expect(await post('acme_k3v9q7d2m4x8b1z6')).toBe('token_pattern');
    expect(await post(`acme_${'x'.repeat(16)}`)).toBeNull();
    expect(await post(GITHUB)).toBeNull();
    const bad = { ...own, rules: [{ ...own.rules[0]!, pattern: '[a-z]{40}' }] };
    expect(() => {
      fresh.gateway.reload({ ...fresh.config([{ host: HOST }], 3), rules: bad });
    }).toThrow('acme-token');
    expect(await post('acme_k3v9q7d2m4x8b1z6')).toBe('token_pattern');
    const records = fresh.decided().map((line) => JSON.stringify(line));
    expect(records.join('\n')).not.toContain('k3v9q7d2m4x8b1z6');
  });
});
