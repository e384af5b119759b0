import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { STREAM_ANSWERS } from '../protocol/vectors/http2-answers.ts';
import { STREAM_REQUESTS } from '../protocol/vectors/http2-requests.ts';
import { openTls, send as sendHttp1 } from './support/agent.ts';
import { block, END_HEADERS, END_STREAM, frame, listen, PREFACE, settings, TYPE } from './support/frames.ts';
import { ask, openH2, startH2Origin, type H2Origin } from './support/h2.ts';
import { startFrames, type FramesOrigin } from './support/h2-frames-origin.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { startRecording, type RecordingOrigin } from './support/recording.ts';

const HOST = 'a.example';
const OTHER = 'frames.example';
let http1: RecordingOrigin;
let http2: H2Origin;
let frames: FramesOrigin;
/** The same host, once as an upstream of HTTP/1.1 and once as one of HTTP/2. */
let toHttp1: Harness;
let toHttp2: Harness;
const timeouts = { requestHeadTimeoutMs: 500, upstreamFirstByteTimeoutMs: 500, idleTimeoutMs: 1_000, discardMs: 50 };

beforeAll(async () => {
  http1 = await startRecording({ name: HOST });
  http2 = await startH2Origin(
    (stream) => {
      stream.resume();
      stream.respond({ ':status': 200 });
      stream.end('ok');
    },
    { name: HOST },
  );
  frames = await startFrames(OTHER);
  const routes = [{ host: HOST }, { host: `${HOST}:8443` }, { host: OTHER }];
  toHttp1 = await startHarness({ routes, origins: { [`${HOST}:443`]: http1 }, timeouts });
  toHttp2 = await startHarness({ routes, origins: { [`${HOST}:443`]: http2, [`${OTHER}:443`]: frames }, timeouts });
});
afterEach(() => {
  expect([...toHttp1.bugs, ...toHttp2.bugs]).toEqual([]);
});
afterAll(async () => {
  for (const part of [toHttp1, toHttp2, http1, http2, frames]) await part[Symbol.asyncDispose]();
});

/** What the stream ends with: a status, `reset`, or `closed` with its connection. */
async function send(harness: Harness, fields: readonly (readonly [string, string])[], ended: boolean): Promise<string> {
  const socket = await openTls(harness, HOST, 'connect', { ALPNProtocols: ['h2'] });
  const seen = listen(socket);
  socket.write(Buffer.concat([PREFACE, settings()]));
  const data = ended ? [] : [frame(TYPE.data, END_STREAM, 1, Buffer.from('x'))];
  const head = frame(TYPE.headers, END_HEADERS | (ended ? END_STREAM : 0), 1, block(fields));
  socket.write(Buffer.concat([head, ...data]));
  const outcome = await Promise.race([
    seen.closed.then(() => 'closed'),
    seen.until(TYPE.reset, 1).then(() => 'reset'),
    seen.until(TYPE.headers, 1).then(({ payload }) => statusIn(payload)),
  ]);
  socket.destroy();
  return outcome;
}

/** The status of a header block of ours: indexed (RFC 7541, appendix A) or a literal with three digits. */
function statusIn(payload: Buffer): string {
  const [first = 0] = payload;
  if ((first & 0x80) !== 0) return ['200', '204', '206', '304', '400', '404', '500'][(first & 0x7f) - 8] ?? 'unknown';
  return /\d{3}/.exec(payload.toString('latin1'))?.[0] ?? huffmanDigits(payload);
}

/** Digits are five or six bits each in HPACK's Huffman code (RFC 7541, appendix B). */
function huffmanDigits(payload: Buffer): string {
  const codes = ['00000', '00001', '00010', '011001', '011010', '011011', '011100', '011101', '011110', '011111'];
  const bits = [...payload.subarray(2, 2 + ((payload[1] ?? 0) & 0x7f))]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  let text = '';
  for (let at = 0; text.length < 3 && at < bits.length;) {
    const digit = codes.findIndex((code) => bits.startsWith(code, at));
    if (digit === -1) break;
    text += String(digit);
    at += codes[digit]?.length ?? 0;
  }
  return text;
}

describe('S23 requests over HTTP/2 at a real gateway', () => {
  test('with the answers that come back there are at least sixty vectors', () => {
    expect(STREAM_REQUESTS.length + STREAM_ANSWERS.length).toBeGreaterThanOrEqual(100);
  });

  it.each(STREAM_REQUESTS)('$why', async ({ fields, ended = true, becomes, status = 200, stripped = false }) => {
    const before = http2.streams.length;
    const outcomes = [await send(toHttp1, fields, ended), await send(toHttp2, fields, ended)];
    const [heads, lines, streams] = [http1.heads(), http1.take(), http2.streams.slice(before)];
    if (becomes === null && !stripped) {
      for (const outcome of outcomes) expect(['400', 'reset', 'closed']).toContain(outcome);
      expect([lines, streams]).toEqual([[], []]);
      return;
    }
    expect(outcomes).toEqual([String(status), String(status)]);
    if (status !== 200) {
      expect([lines, streams]).toEqual([[], []]);
      return;
    }
    const [method = '', target = ''] = (becomes ?? 'GET / ').split(' ');
    expect(lines).toEqual([`${method} ${target} []`]);
    expect(streams).toMatchObject([{ ':method': method, ':path': target, ':scheme': 'https' }]);
    // What was a field of the vector and no request's is nowhere; what was one is there once.
    const extra = fields.filter(([name]) => /^x/.test(name) || name === '');
    for (const [name, value] of extra) {
      expect(heads.join('').includes(`\r\n${name}: ${value}\r\n`)).toBe(!stripped);
      expect(Object.hasOwn(streams[0] ?? {}, name)).toBe(!stripped);
    }
    expect(heads.join('')).not.toContain('b.example');
  });

  it('HEAD is answered with a head, whatever the upstream speaks', async () => {
    for (const harness of [toHttp1, toHttp2]) {
      using agent = await openH2(harness, HOST);
      expect(await ask(agent, { ':method': 'HEAD', ':path': '/' })).toMatchObject({ status: 200, rstCode: 0 });
      expect(await ask(agent, { ':method': 'HEAD', ':path': '/a%' })).toMatchObject({ status: 400, rstCode: 0 });
    }
    expect(http1.take()).toEqual(['HEAD / []']);
  });
});

describe('S23 answers over HTTP/2 at a real gateway', () => {
  it.each(STREAM_ANSWERS)('$why', async ({ fields, fine, stripped = false }) => {
    const data = frame(TYPE.data, END_STREAM, 1, Buffer.from('body'));
    frames.says = { bytes: [frame(TYPE.headers, END_HEADERS, 1, block(fields)), data], ends: false };
    const answer = await sendHttp1(toHttp2, `https://${OTHER}/`);
    if (fine || stripped) {
      expect(answer.status).toBe(Number(fields.find(([name]) => name === ':status')?.[1]));
      expect(answer.body.toString()).toBe('body');
    } else {
      expect(answer).toMatchObject({ status: 502 });
      expect(answer.reason).toMatch(/^upstream_/);
      expect(answer.body.toString()).not.toBe('body');
    }
    for (const [name, value] of fields.filter(([field]) => field.startsWith('x'))) {
      expect(answer.headers[name]).toBe(fine ? value : undefined);
    }
  });
});
