import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { block, END_HEADERS, END_STREAM, frame, TYPE } from './support/frames.ts';
import { startFrames } from './support/h2-frames-origin.ts';
import { answeringStream, ask, openH2, startH2Origin } from './support/h2.ts';
import { bottleCa, startHarness } from './support/harness.ts';

const HOST = 'api.example.com';
const run = promisify(execFile);

const HEAD = frame(TYPE.headers, END_HEADERS, 1, block([[':status', '200']]));
const HALF = frame(TYPE.data, 0, 1, Buffer.from('half'));
const ALL = frame(TYPE.data, END_STREAM, 1, Buffer.from('all'));
const reset = (code: number): Buffer => frame(TYPE.reset, 0, 1, Buffer.from([0, 0, 0, code]));
const withLength = (length: string): Buffer =>
  frame(TYPE.headers, END_HEADERS, 1, block([[':status', '200'], ['content-length', length]])); // prettier-ignore
const pushed = block([[':method', 'GET'], [':scheme', 'https'], [':authority', HOST], [':path', '/p']]); // prettier-ignore

describe('upstreams over HTTP/2 that go wrong', () => {
  test.each<{ why: string; bytes: readonly Buffer[]; status: number; cut: boolean; reason: string }>([
    { why: 'a reset in mid-body', bytes: [HEAD, HALF, reset(8)], status: 200, cut: true, reason: 'allowed' },
    { why: 'a reset before the answer', bytes: [reset(2)], status: 502, cut: false, reason: 'upstream_unreachable' },
    { why: 'a body shorter than its length', bytes: [withLength('9'), ALL], status: 200, cut: true, reason: 'allowed' },
    { why: 'a body longer than its length', bytes: [withLength('2'), ALL], status: 200, cut: true, reason: 'allowed' },
    { why: 'nothing at all', bytes: [], status: 504, cut: false, reason: 'upstream_timeout' },
    { why: 'a field of the connection', bytes: [frame(TYPE.headers, END_HEADERS | END_STREAM, 1, block([[':status', '200'], ['connection', 'close']]))], status: 502, cut: false, reason: 'upstream_unreachable' },
    { why: 'no :status', bytes: [frame(TYPE.headers, END_HEADERS | END_STREAM, 1, block([['x', 'y']]))], status: 502, cut: false, reason: 'upstream_unreachable' },
    { why: 'bytes that are no frames', bytes: [Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')], status: 502, cut: false, reason: 'upstream_unreachable' },
    { why: 'S23: a push, which nobody asked for', bytes: [frame(5, END_HEADERS, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), pushed])), HEAD, ALL], status: 200, cut: false, reason: 'allowed' },
    { why: 'S23: an ORIGIN frame', bytes: [frame(12, 0, 0, Buffer.from([0, 3, 97, 98, 99])), HEAD, ALL], status: 200, cut: false, reason: 'allowed' },
  ])('$why', async ({ bytes, status, cut, reason }) => {
    await using origin = await startFrames(HOST, bytes);
    await using harness = await startHarness({
      routes: [{ host: HOST }],
      origins: { [`${HOST}:443`]: origin },
      timeouts: { upstreamFirstByteTimeoutMs: 1_000 },
    });
    using agent = await openH2(harness, HOST);
    const answer = await ask(agent, { ':path': '/' });
    expect(answer.status).toBe(status);
    expect(answer.rstCode !== 0, 'half an answer never looks whole').toBe(cut);
    if (status === 200 && !cut) expect(answer.body.toString()).toBe('all');
    expect(await harness.ended(1)).toMatchObject([{ status, reason, ended: cut ? 'upstream_cut' : 'complete' }]);
    expect(harness.bugs).toEqual([]);
  }); // prettier-ignore
});

describe('S23: connections to upstreams', () => {
  test('a new generation of the policy gets new ones', async () => {
    await using origin = await startH2Origin(answeringStream('ok'));
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    await ask(agent, { ':path': '/1' });
    await ask(agent, { ':path': '/2' });
    expect(origin.connections()).toBe(1);
    harness.gateway.reload(harness.config([{ host: HOST }], 2));
    expect((await ask(agent, { ':path': '/3' })).status).toBe(200);
    expect(origin.connections()).toBe(2);
  });

  test('a slow upstream slows the agent down, and memory stays bounded', async () => {
    const begun = Promise.withResolvers<() => void>();
    let received = 0;
    await using origin = await startH2Origin((stream, _headers, body) => {
      stream.pause();
      begun.resolve(() => stream.resume());
      void body.then((bytes) => {
        received = bytes.length;
        stream.respond({ ':status': 200 });
        stream.end();
      });
    });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    const total = 32 * 1024 * 1024;
    const answer = ask(agent, { ':method': 'POST', ':path': '/' }, Buffer.alloc(total, 'x'));
    (await begun.promise)();
    expect((await answer).status).toBe(200);
    expect(received).toBe(total);
    expect(harness.gateway.counters().bufferedBytesPeak).toBeLessThan(2 * 1024 * 1024);
  });

  test('curl uploads and downloads over both protocols', async () => {
    await using origin = await startH2Origin((stream, _headers, body) => {
      void body.then((bytes) => {
        stream.respond({ ':status': 200 });
        stream.end(`got ${String(bytes.length)}`);
      });
    });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    const directory = mkdtempSync(join(tmpdir(), 'bot-bottle-curl-'));
    try {
      const ca = join(directory, 'ca.pem');
      const large = join(directory, 'large');
      writeFileSync(ca, bottleCa.certificate);
      writeFileSync(large, Buffer.alloc(3_000_000, 'y'));
      const proxy = `http://127.0.0.1:${String(harness.port('proxy'))}`;
      for (const [option, version] of [['--http2', '2'], ['--http1.1', '1.1']] as const) {
        const { stdout } = await run('curl', ['-sS', option, '--max-time', '20', '--proxy', proxy, '--cacert', ca, '-w', ' %{http_version} %{http_code}', '--data-binary', `@${large}`, `https://${HOST}/`]);
        expect(stdout).toBe(`got 3000000 ${version} 200`);
      } // prettier-ignore
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('an upstream over HTTP/2 that answers in order', () => {
  test('is never sent a reset: servers end a connection on which many come', async () => {
    const resets: number[] = [];
    const open: ServerHttp2Stream[] = [];
    await using origin = await startH2Origin((stream) => {
      stream.on('close', () => resets.push(stream.rstCode));
      stream.respond({ ':status': 200, 'content-length': 4 });
      stream.write('body');
      open.push(stream);
    });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    for (let count = 0; count < 40; count += 1) {
      expect((await ask(agent, { ':path': '/' })).body.toString()).toBe('body');
      // The end comes in a frame of its own, long after the last byte.
      open.pop()?.end();
    }
    await expect.poll(() => resets.length).toBe(40);
    expect(resets.every((code) => code === 0)).toBe(true);
    expect(origin.connections()).toBe(1);
  });
});
