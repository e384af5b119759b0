import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Placeholder, Route } from '../../src/schema/route.ts';
import { exchangeRaw, openTcp, openTls, reasonOf, send, statusOf, type SendOptions } from './support/agent.ts';
import { startHarness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const STAND_IN = 'k3j5h2g8f9d0s1a4p7o6i5u3y2t1r0e9w8q7m6n5';
const VALUE = 'rk_live_9XqT2ZwBn4Lk8Vd3';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const JSON_TYPE = { 'content-type': 'application/json' };

async function through(
  places: readonly Omit<Placeholder, 'env'>[],
  path: string,
  options: SendOptions = {},
  more: Partial<Route> = {},
) {
  await using origin = await startOrigin(answering('ok'));
  await using harness = await startHarness({
    routes: [
      { host: HOST, placeholders: places.map((place) => ({ env: 'KEY', ...place })), ...more },
      { host: 'other.example.com' },
    ],
    origins: { [`${HOST}:443`]: origin, 'other.example.com:443': origin },
    placeholders: { KEY: { standIn: STAND_IN, value: VALUE } },
  });
  const answer = await send(harness, path.startsWith('https:') ? path : `https://${HOST}${path}`, options);
  expect(harness.bugs).toEqual([]);
  const [record] = await harness.ended(1);
  expect(harness.record.lines.join()).not.toContain(VALUE);
  return { answer, request: origin.seen[0], received: origin.received().toString('latin1'), record };
}

describe('S9 the real value takes the place of the stand-in', () => {
  it.each([
    { places: [{ in: 'header', name: 'X-Api-Key' }], path: '/', options: { headers: { 'x-api-key': STAND_IN } } },
    {
      places: [{ in: 'header', name: 'authorization' }],
      path: '/',
      options: { method: 'POST', headers: { authorization: `Bearer ${STAND_IN}` } },
    },
    { places: [{ in: 'query', name: 'key' }], path: `/?a=b&key=${STAND_IN}`, options: {} },
    { places: [{ in: 'path', name: '2' }], path: `/bot/${STAND_IN}/send`, options: {} },
    {
      places: [{ in: 'form', name: 'key' }],
      path: '/',
      options: { method: 'POST', headers: FORM, body: `a=%20b&key=${STAND_IN}&c` },
    },
    {
      places: [{ in: 'json', name: '/auth/key' }],
      path: '/',
      options: { method: 'POST', headers: JSON_TYPE, body: `{"auth": {"key":"${STAND_IN}"}, "é":1e3}` },
    },
  ] as const)('in $places.0.in $places.0.name', async ({ places, path, options }) => {
    const { answer, received, request, record } = await through(places, path, options);
    expect(answer.status).toBe(200);
    expect(received.split(VALUE)).toHaveLength(2);
    expect(received).not.toContain(STAND_IN);
    const body = 'body' in options ? options.body.replace(STAND_IN, VALUE) : '';
    expect(request?.body.toString()).toBe(body);
    expect(record).toMatchObject({ decision: 'allow', status: 200, findings: [] });
  });

  it.each([7, 1, 64])('in a chunked body, cut every %i bytes', async (size) => {
    await using origin = await startOrigin(answering('ok'));
    await using harness = await startHarness({
      routes: [{ host: HOST, placeholders: [{ env: 'KEY', in: 'json', name: '/k' }] }],
      origins: { [`${HOST}:443`]: origin },
      placeholders: { KEY: { standIn: STAND_IN, value: VALUE } },
    });
    const socket = await openTls(harness, HOST);
    const body = `{"k":"${STAND_IN}","x":[1]}`;
    const pieces = body.match(new RegExp(`.{1,${String(size)}}`, 'g')) ?? [];
    const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('');
    const head = `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n`;
    const text = await exchangeRaw(socket, `${head}Connection: close\r\n\r\n${chunks}0\r\n\r\n`, null);
    socket.destroy();
    expect(statusOf(text)).toBe(200);
    expect(origin.seen[0]?.body.toString()).toBe(`{"k":"${VALUE}","x":[1]}`);
    expect(origin.seen[0]?.headers['content-length']).toBe(String(body.length - STAND_IN.length + VALUE.length));
  });
});

describe('S9 a stand-in anywhere else is refused and reaches nobody', () => {
  const header = [{ in: 'header', name: 'x-api-key' }] as const;
  const url = encodeURIComponent;
  it.each([
    { why: 'another header', path: '/', options: { headers: { 'x-note': STAND_IN } } },
    { why: 'a part of the declared header', path: '/', options: { headers: { 'x-api-key': `a b ${STAND_IN}` } } },
    { why: 'the declared header twice', path: '/', options: { headers: { 'x-api-key': [STAND_IN, STAND_IN] } } },
    { why: 'the path', path: `/${STAND_IN}`, options: {} },
    { why: 'the query', path: `/?key=${STAND_IN}`, options: {} },
    { why: 'the query in base64', path: `/?a=${url(Buffer.from(STAND_IN).toString('base64'))}`, options: {} },
    { why: 'the path in hex', path: `/${Buffer.from(STAND_IN).toString('hex')}`, options: {} },
    { why: 'a body', path: '/', options: { method: 'POST', body: `comment: ${STAND_IN}` } },
    { why: 'a form', path: '/', options: { method: 'POST', headers: FORM, body: `comment=${STAND_IN}` } },
    {
      why: 'a compressed body',
      path: '/',
      options: { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: gzipSync(STAND_IN) },
    },
    { why: 'another route', path: 'https://other.example.com/', options: { headers: { 'x-api-key': STAND_IN } } },
    {
      why: 'a cookie',
      path: '/',
      options: { headers: { 'x-api-key': STAND_IN, cookie: `a=${STAND_IN}` } },
    },
  ])('$why', async ({ path, options }) => {
    const { answer, received, record } = await through(header, path, options);
    expect(answer).toMatchObject({ status: 403, reason: 'placeholder_out_of_place' });
    expect(answer.body.toString()).toContain('KEY');
    expect(received).not.toContain(STAND_IN);
    expect(received).not.toContain(VALUE);
    expect(record?.findings[0]).toMatchObject({ rule: 'placeholder', name: 'KEY' });
  });

  it('also where the scan of a route is turned off (S16)', async () => {
    const more = { dlp: { outbound_detectors: false } } as const;
    const { answer } = await through(header, '/', { method: 'POST', body: STAND_IN }, more);
    expect(answer.reason).toBe('placeholder_out_of_place');
  });

  it.each([
    { why: 'a second pair', body: `key=${STAND_IN}&key=${STAND_IN}`, headers: FORM },
    { why: 'a key that is there twice', body: `{"key":"${STAND_IN}","key":"x"}`, headers: JSON_TYPE },
    { why: 'what is not JSON', body: `{"key":"${STAND_IN}",}`, headers: JSON_TYPE },
    { why: 'another field', body: `{"a":"${STAND_IN}"}`, headers: JSON_TYPE },
    { why: 'another type', body: `{"key":"${STAND_IN}"}`, headers: { 'content-type': 'text/plain' } },
  ])('a body with $why', async ({ body, headers }) => {
    const places = [
      { in: 'form', name: 'key' },
      { in: 'json', name: '/key' },
    ] as const;
    const { answer, received } = await through(places, '/', { method: 'POST', headers, body });
    expect(answer.reason).toBe('placeholder_out_of_place');
    expect(received).not.toContain(VALUE);
  });

  it('a method that no rule allows', async () => {
    const { answer, received } = await through(
      header,
      '/',
      { method: 'DELETE', headers: { 'x-api-key': STAND_IN } },
      { matches: [{ methods: ['GET'] }] },
    );
    expect(answer.reason).toBe('no_match');
    expect(received).toBe('');
  });

  it.each([
    { place: { in: 'header', name: 'authorization' }, path: '/', headers: { authorization: 'Bearer attacker' } },
    { place: { in: 'header', name: 'x-api-key' }, path: '/', headers: { x_api_key: 'attacker' } },
    { place: { in: 'query', name: 'key' }, path: '/?k%65y=attacker', headers: {} },
    { place: { in: 'query', name: 'key' }, path: `/?key=${STAND_IN}&key=attacker`, headers: {} },
  ] as const)('S10 a credential of the agent’s own in $place.in $place.name', async ({ place, path, headers }) => {
    const { answer, received } = await through([place], path, { method: 'POST', headers });
    expect(answer.reason).toBe('foreign_credential');
    expect(received).toBe('');
    expect((await through([place], path, { headers })).answer.status).toBe(200);
  });

  it('S11 plain HTTP, where no address is the operator’s own', async () => {
    await using harness = await startHarness({
      routes: [{ host: HOST, placeholders: [{ env: 'KEY', in: 'header', name: 'x-api-key' }] }],
      placeholders: { KEY: { standIn: STAND_IN, value: VALUE } },
    });
    const socket = await openTcp(harness.port('proxy'));
    const head = `GET http://${HOST}/ HTTP/1.1\r\nHost: ${HOST}\r\nX-Api-Key: ${STAND_IN}\r\nConnection: close\r\n\r\n`;
    expect(reasonOf(await exchangeRaw(socket, head, null))).toBe('cleartext_credential');
    socket.destroy();
  });

  it('the real value itself is known and does not leave', async () => {
    const { answer } = await through(header, `/?q=${VALUE}`, {});
    expect(answer.reason).toBe('known_secret');
  });
});
