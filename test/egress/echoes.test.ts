import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openTls, readUntil, send, statusOf, type SendOptions } from './support/agent.ts';
import { startHarness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const SECRET = 'Zq83hd7Wm2pXv91LkQ55';
const TOKEN = `ghp_${SECRET}`;
const STAND_IN = 'k3j5h2g8f9d0s1a4p7o6i5u3y2t1r0e9w8q7m6n5';
const ECHO = `before ${TOKEN} after`;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function through(handler: Handler, options: SendOptions = {}, times = 1) {
  await using origin = await startOrigin(handler);
  await using harness = await startHarness({
    routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } }],
    origins: { [`${HOST}:443`]: origin },
    tokens: { GH_TOKEN: TOKEN },
  });
  const answers = [];
  for (let count = 0; count < times; count += 1) answers.push(await send(harness, `https://${HOST}/`, options));
  expect(harness.bugs).toEqual([]);
  const records = await harness.ended(times);
  expect(harness.record.lines.join()).not.toContain(SECRET);
  return { answer: answers[0], request: origin.seen[0], records, counters: harness.gateway.counters() };
}

describe('S13 an answer that echoes the credential', () => {
  it.each([
    { coding: 'identity', body: Buffer.from(ECHO) },
    { coding: 'gzip', body: gzipSync(ECHO) },
    { coding: 'x-gzip', body: gzipSync(ECHO) },
    { coding: 'deflate', body: deflateSync(ECHO) },
    { coding: 'br', body: brotliCompressSync(ECHO) },
    { coding: 'zstd', body: zstdCompressSync(ECHO) },
    { coding: 'gzip, br', body: brotliCompressSync(gzipSync(ECHO)) },
  ])('has it masked in a body of coding $coding', async ({ coding, body }) => {
    const { answer, records } = await through(answering(body, { 'content-encoding': coding, etag: '"x"' }));
    expect(answer?.body.toString()).toBe(`before ghp_${'*'.repeat(SECRET.length)} after`);
    expect(answer?.status).toBe(200);
    expect(answer?.headers['content-encoding']).toBe(coding === 'identity' ? 'identity' : undefined);
    expect(records[0]?.findings).toMatchObject([{ rule: 'echo', name: 'GH_TOKEN', place: 'answer body' }]);
  });

  it('keeps the length of a body that is not coded', async () => {
    const { answer } = await through(answering(ECHO));
    expect(answer?.headers['content-length']).toBe(String(ECHO.length));
  });

  it('has it masked in status text, Location and header names', async () => {
    const { answer, records } = await through((request, response) => {
      request.resume();
      response.writeHead(302, `see ${SECRET}`, {
        location: `https://evil.example/?t=${Buffer.from(TOKEN).toString('base64url')}`,
        [`x-${SECRET.slice(0, 12)}`]: 'a',
        'x-hex': Buffer.from(SECRET).toString('hex'),
        'x-part': SECRET.slice(4, 14),
      });
      response.end();
    });
    expect(JSON.stringify(answer?.headers)).not.toMatch(/Zq83|58763931|ODNoZDdX/);
    expect(answer?.headers.location).toContain('[redacted GH_TOKEN]');
    expect(records[0]?.findings.map(({ place }) => place)).toContain('answer header location');
  });

  it('is refused where its coding is not known, or does not decode', async () => {
    for (const [coding, body] of [
      ['compress', ECHO],
      ['gzip', ECHO],
      ['gzip, gzip', gzipSync(gzipSync(ECHO))],
    ] as const) {
      const { answer } = await through(answering(body, { 'content-encoding': coding }));
      expect(answer).toMatchObject({ status: 502, reason: 'upstream_invalid' });
      expect(answer?.body.toString()).not.toContain(SECRET);
    }
  });

  it('HEAD keeps what it says of the body', async () => {
    const head: Handler = (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '77' }).end();
    };
    const { answer } = await through(head, { method: 'HEAD' });
    expect(answer?.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-length': '77' });
  });

  it('asks for whole answers in codings that are undone here', async () => {
    const { request } = await through(answering('ok'), {
      headers: { range: 'bytes=4-9', 'if-range': '"x"', 'accept-encoding': 'compress, gzip;q=0.5, br, *' },
    });
    expect(request?.headers.range).toBeUndefined();
    expect(request?.headers['if-range']).toBeUndefined();
    expect(request?.headers['accept-encoding']).toBe('gzip;q=0.5, br');
    const bare = await through(answering('ok'));
    expect(bare.request?.headers['accept-encoding']).toBe('identity');
  });

  it('raises an alert at the third within a minute', async () => {
    const { records, counters } = await through(answering(ECHO), {}, 4);
    expect(records.map(({ findings }) => findings[0]?.rule)).toEqual(['echo', 'echo', 'echo_alert', 'echo_alert']);
    expect(counters.echoAlerts).toBe(2);
  });

  it('a value behind a placeholder is masked too, and nothing is touched where none went out', async () => {
    await using origin = await startOrigin(answering(ECHO));
    await using harness = await startHarness({
      routes: [{ host: HOST, placeholders: [{ env: 'KEY', in: 'header', name: 'x-api-key' }] }],
      origins: { [`${HOST}:443`]: origin },
      placeholders: { KEY: { standIn: STAND_IN, value: TOKEN } },
    });
    const swapped = await send(harness, `https://${HOST}/`, { headers: { 'x-api-key': STAND_IN } });
    expect(swapped.body.toString()).not.toContain(SECRET);
    const plain = await send(harness, `https://${HOST}/`, { headers: { range: 'bytes=0-' } });
    expect(plain.body.toString()).toBe(ECHO);
    expect(origin.seen[1]?.headers.range).toBe('bytes=0-');
  });
});

it('S13 an event passes before the next one is sent, masked and coded or not', async () => {
  const asked: ServerResponse[] = [];
  await using origin = await startOrigin((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    asked.push(response);
    response.write(`data: 1 ${SECRET}\n\n`);
  });
  await using harness = await startHarness({
    routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } }],
    origins: { [`${HOST}:443`]: origin },
    tokens: { GH_TOKEN: TOKEN },
  });
  const socket = await openTls(harness, HOST);
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  const first = await readUntil(socket, '\n\n\r\n');
  expect(statusOf(first)).toBe(200);
  expect(first).toContain(`data: 1 ${'*'.repeat(SECRET.length)}\n\n`);
  asked[0]?.write(`data: 2 ${SECRET.slice(0, 9)}`);
  asked[0]?.write(`${SECRET.slice(9)}\n\n`);
  expect(await readUntil(socket, '\n\n\r\n')).not.toContain(SECRET.slice(0, 8));
  socket.destroy();
  await once(socket, 'close');
});
