import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KiB } from '../../src/kernel/limits.ts';
import { exchangeRaw, openTls, reasonOf, send, type SendOptions } from './support/agent.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, type Origin } from './support/origin.ts';

const HOST = 'api.example.com';
/** Made up for these tests. */
const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const TOKEN = 'ghp_4Tn9cVb7Kx2Lq8Ws5Rd1Yz6M';

let origin: Origin;
let harness: Harness;
let seenBefore = 0;
let endedBefore = 0;

beforeAll(async () => {
  origin = await startOrigin(answering('ok'), { name: '*.example.com' });
  harness = await startHarness({
    routes: [
      { host: HOST, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } },
      { host: '*.wild.example' },
      { host: 'off.example.com', dlp: { outbound_detectors: false } },
    ],
    origins: { [`${HOST}:443`]: origin, 'off.example.com:443': origin },
    tokens: { GH_TOKEN: TOKEN },
    knownValues: { STRIPE_KEY: SECRET },
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

const hex = (text: string): string => Buffer.from(text).toString('hex');
const base64 = (text: string, before = ''): string => Buffer.from(before + text).toString('base64');
const percent = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const forms = [
  { form: 'raw', text: SECRET },
  { form: 'percent', text: percent(SECRET), escaped: true },
  { form: 'percent, twice', text: percent(percent(SECRET)), escaped: true },
  {
    form: 'percent, in part and in both cases',
    text: SECRET.replace(/[a-z]/g, (letter) => (letter < 'm' ? percent(letter) : percent(letter).toUpperCase())),
    escaped: true,
  },
  { form: 'base64', text: base64(SECRET) },
  { form: 'base64, shifted by one', text: base64(SECRET, 'x') },
  { form: 'base64, shifted by two', text: base64(SECRET, 'xy') },
  { form: 'base64url', text: Buffer.from(`xy${SECRET}`).toString('base64url') },
  { form: 'hex', text: hex(SECRET) },
  { form: 'upper-case hex', text: hex(SECRET).toUpperCase() },
];
const places: readonly {
  readonly place: string;
  readonly put: (text: string) => { readonly path?: string } & SendOptions;
}[] = [
  { place: 'path', put: (text) => ({ path: `/a/${text}/b` }) },
  { place: 'query', put: (text) => ({ path: `/a?q=${text}` }) },
  { place: 'header x-note', put: (text) => ({ headers: { 'x-note': text } }) },
  { place: 'header authorization', put: (text) => ({ headers: { authorization: `Bearer ${text}` } }) },
  { place: 'header cookie', put: (text) => ({ headers: { cookie: `a=${text}` } }) },
  { place: 'body', put: (text) => ({ method: 'POST', body: `{"note":"${text}"}` }) },
];
const rows = forms.flatMap(({ form, text, escaped }) =>
  places.map(({ place, put }) => {
    const inUrl = place === 'path' || place === 'query';
    return { form, place, request: put(inUrl && escaped !== true ? encodeURIComponent(text) : text) };
  }),
);

describe('G-LEAK a known value does not leave', () => {
  it.each(rows)('$form in the $place', async ({ place, request }) => {
    const { path = '/', ...options } = request;
    const answer = await send(harness, `https://${HOST}${path}`, options);
    expect(answer).toMatchObject({ status: 403, reason: 'known_secret' });
    expect(origin.received().length).toBe(seenBefore);
    expect(answer.body.toString()).not.toContain(SECRET);
    const record = (await harness.ended(endedBefore + 1)).at(-1);
    expect(record).toMatchObject({ decision: 'deny', reason: 'known_secret', status: 403, route: `manifest:${HOST}` });
    expect(record?.findings[0]).toMatchObject({
      rule: 'known_secret',
      name: 'STRIPE_KEY',
      fingerprint: expect.stringMatching(/^fp:[0-9a-f]{8}$/),
    });
    if (place !== 'query' && place !== 'path') expect(record?.findings[0]?.place).toBe(place);
  });

  it('an injected credential is a known value too', async () => {
    const answer = await send(harness, `https://${HOST}/`, { method: 'POST', body: base64(TOKEN) });
    expect(answer).toMatchObject({ status: 403, reason: 'known_secret' });
    expect(origin.received().length).toBe(seenBefore);
  });

  it('as a label below a wildcard, it is not even looked up', async () => {
    const answer = await send(harness, `https://${hex(SECRET).slice(0, 60)}.wild.example/`, {
      way: 'transparent-tls',
    }).catch(() => null);
    const whole = await send(
      harness,
      `https://${hex(SECRET.slice(0, 14))}.${hex(SECRET.slice(14))}.wild.example/${SECRET}`,
      { way: 'transparent-tls' },
    );
    expect(whole).toMatchObject({ status: 403, reason: 'known_secret' });
    expect(answer?.status ?? 403).not.toBe(200);
  });

  it.each([1, 7, SECRET.length - 1])('S17 split across chunks after %i characters', async (at) => {
    const socket = await openTls(harness, HOST);
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
    socket.write(`POST / HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    socket.write(chunk(`before ${SECRET.slice(0, at)}`));
    const text = await exchangeRaw(socket, `${chunk(`${SECRET.slice(at)} after`)}0\r\n\r\n`, 'recorded.');
    expect(reasonOf(text)).toBe('known_secret');
    expect(origin.received().subarray(seenBefore).toString('latin1')).not.toContain(SECRET.slice(0, 12));
    socket.destroy();
  });

  it('S17 deep in a large body: what came before may have left, the value has not, and the upstream sees a cut', async () => {
    const body = `${'a'.repeat(300 * KiB)}${SECRET}${'b'.repeat(300 * KiB)}`;
    const answer = await send(harness, `https://${HOST}/big`, { method: 'POST', body });
    expect(answer).toMatchObject({ status: 403, reason: 'known_secret' });
    const received = origin.received().subarray(seenBefore).toString('latin1');
    expect(received).not.toContain(SECRET.slice(0, 12));
    expect(origin.seen.some(({ url }) => url === '/big')).toBe(false);
    expect((await harness.ended(endedBefore + 1)).at(-1)).toMatchObject({
      decision: 'deny',
      reason: 'known_secret',
      ended: 'refused_midway',
    });
  });

  it('and the same body without it arrives whole', async () => {
    const body = `${'a'.repeat(300 * KiB)}${SECRET.slice(0, 10)}${'b'.repeat(300 * KiB)}`;
    expect(await send(harness, `https://${HOST}/whole`, { method: 'POST', body })).toMatchObject({ status: 200 });
    expect(origin.seen.find(({ url }) => url === '/whole')?.body.toString()).toBe(body);
  });

  it('unless the route turns the scan off', async () => {
    expect(await send(harness, 'https://off.example.com/', { method: 'POST', body: SECRET })).toMatchObject({
      status: 200,
    });
  });
});

describe('S16 content-coded bodies', () => {
  const plain = `{"note":"${'filler '.repeat(200)}${SECRET}"}`;
  const clean = `{"note":"${'filler '.repeat(200)}"}`;
  it.each([
    { coding: 'gzip', encode: gzipSync },
    { coding: 'deflate', encode: deflateSync },
    { coding: 'br', encode: brotliCompressSync },
    { coding: 'zstd', encode: zstdCompressSync },
  ])('$coding is decoded for the scan and sent as it was', async ({ coding, encode }) => {
    const post = (body: Buffer) =>
      send(harness, `https://${HOST}/${coding}`, { method: 'POST', body, headers: { 'content-encoding': coding } });
    expect(await post(encode(Buffer.from(plain)))).toMatchObject({ status: 403, reason: 'known_secret' });
    expect(origin.received().length).toBe(seenBefore);
    const sent = encode(Buffer.from(clean));
    expect(await post(sent)).toMatchObject({ status: 200 });
    expect(origin.seen.at(-1)?.body).toEqual(sent);
    expect(origin.seen.at(-1)?.headers['content-encoding']).toBe(coding);
  });

  it.each([
    { headers: { 'content-encoding': 'compress' }, body: Buffer.from(clean), why: 'a coding we do not know' },
    { headers: { 'content-encoding': 'gzip, br, zstd' }, body: gzipSync(clean), why: 'three codings' },
    { headers: { 'content-encoding': ['gzip', 'gzip'] }, body: gzipSync(clean), why: 'a coding said twice' },
    { headers: { 'content-encoding': 'gzip' }, body: Buffer.from(clean), why: 'a body that is not what it says' },
    {
      headers: { 'content-encoding': 'br' },
      body: Buffer.concat([brotliCompressSync(clean), Buffer.from('more')]),
      why: 'bytes after the end',
    },
    { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(70 * 1024 * KiB)), why: 'a bomb' },
    {
      headers: { 'content-encoding': 'gzip', expect: '100-continue' },
      body: gzipSync(clean).subarray(0, 40),
      why: 'an early end',
    },
  ])('$why is refused', async ({ headers, body }) => {
    const answer = await send(harness, `https://${HOST}/`, { method: 'POST', headers, body });
    expect(answer).toMatchObject({ status: 403, reason: 'unscannable' });
    expect(origin.received().length).toBe(seenBefore);
  });

  it('a secret in clear after the end is found as it is', async () => {
    const body = Buffer.concat([brotliCompressSync(clean), Buffer.from(SECRET)]);
    const answer = await send(harness, `https://${HOST}/`, {
      method: 'POST',
      headers: { 'content-encoding': 'br' },
      body,
    });
    expect(answer).toMatchObject({ status: 403, reason: 'known_secret' });
    expect(origin.received().length).toBe(seenBefore);
  });
});

it('no fault of ours was met on the way', () => {
  expect(harness.bugs).toEqual([]);
});
