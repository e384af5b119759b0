import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { send, type Answer, type SendOptions } from './support/agent.ts';
import { startHarness } from './support/harness.ts';
import { startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const SECRET = 'Rg83hd7Wm2pXv91LkQ55';
const TOKEN = `ghp_${SECRET}`;
const ETAG = '"v1"';
/** An upstream that echoes what came, in the midst of a file. */
const FILE = Buffer.from(`${'a'.repeat(4000)}${TOKEN}${'z'.repeat(4000)}`);
const AT = FILE.indexOf(SECRET);

/** RFC 9110, 14, as far as a file server needs it. */
function serveFile(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const { range, 'if-range': ifRange } = request.headers;
  const parts = [...(range ?? '').matchAll(/(\d+)-(\d*)/g)].map(([, first, last]) => ({
    first: Number(first),
    last: last === '' ? FILE.length - 1 : Math.min(Number(last), FILE.length - 1),
  }));
  const [only] = parts;
  const plain = { etag: ETAG, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' };
  if (only === undefined || (ifRange !== undefined && ifRange !== ETAG)) {
    response.writeHead(200, { ...plain, 'content-length': FILE.length }).end(FILE);
  } else if (only.first >= FILE.length) {
    response.writeHead(416, { ...plain, 'content-range': `bytes */${String(FILE.length)}` }).end();
  } else if (parts.length === 1) {
    const part = FILE.subarray(only.first, only.last + 1);
    const said = { 'content-length': part.length, 'content-range': rangeText(only) };
    response.writeHead(206, { ...plain, ...said }).end(part);
  } else {
    const pieces = parts.flatMap((part) => [
      `--frontier\r\nContent-Type: text/plain\r\nContent-Range: ${rangeText(part)}\r\n\r\n`,
      FILE.subarray(part.first, part.last + 1),
      '\r\n',
    ]);
    const body = Buffer.concat([...pieces, '--frontier--\r\n'].map((piece) => Buffer.from(piece)));
    response.writeHead(206, { ...plain, 'content-type': 'multipart/byteranges; boundary=frontier' }).end(body);
  }
}

function rangeText({ first, last }: { readonly first: number; readonly last: number }): string {
  return `bytes ${String(first)}-${String(last)}/${String(FILE.length)}`;
}

async function ask(
  range: boolean | undefined,
  headers: Record<string, string>,
  handler: (request: IncomingMessage, response: ServerResponse) => void = serveFile,
  options: Omit<SendOptions, 'headers'> = {},
): Promise<{ readonly answer: Answer; readonly sent: IncomingMessage['headers'] | undefined }> {
  await using origin = await startOrigin(handler);
  await using harness = await startHarness({
    routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' }, ...(range === undefined ? {} : { range }) }],
    origins: { [`${HOST}:443`]: origin },
    tokens: { TOKEN },
  });
  const answer = await send(harness, `https://${HOST}/file`, { ...options, headers });
  expect(harness.bugs).toEqual([]);
  return { answer, sent: origin.seen[0]?.headers };
}

describe('range: true', () => {
  it('lets a download go on where it stopped', async () => {
    const { answer, sent } = await ask(true, { range: 'bytes=6000-', 'if-range': ETAG, 'accept-encoding': 'gzip' });
    expect(sent).toMatchObject({ range: 'bytes=6000-', 'if-range': ETAG, 'accept-encoding': 'identity' });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes 6000-${String(FILE.length - 1)}/${String(FILE.length)}`);
    expect(answer.body.equals(FILE.subarray(6000))).toBe(true);
  });

  it.each([
    { why: 'the whole of it', from: 3000, to: 5000 },
    { why: 'its first half', from: 2000, to: AT + 9 },
    { why: 'its last half', from: AT + 10, to: 6000 },
  ])('S13 masks an echo that lies in a part: $why', async ({ from, to }) => {
    const { answer } = await ask(true, { range: `bytes=${String(from)}-${String(to)}` });
    const part = FILE.subarray(from, to + 1);
    expect([answer.status, answer.body.length, answer.headers['content-length']]).toEqual([
      206,
      part.length,
      String(part.length),
    ]);
    for (let at = 0; at + 8 <= SECRET.length; at += 1)
      expect(answer.body.toString()).not.toContain(SECRET.slice(at, at + 8));
    expect(answer.body.toString()).toContain('*'.repeat(8));
  });

  it('S13 masks in several parts at once', async () => {
    const { answer } = await ask(true, { range: 'bytes=0-1999,3500-5500' });
    expect(answer.headers['content-type']).toBe('multipart/byteranges; boundary=frontier');
    const text = answer.body.toString();
    expect(text.match(/Content-Range: bytes/g)).toHaveLength(2);
    expect(text).toContain(`ghp_${'*'.repeat(SECRET.length)}`);
    expect(text.endsWith('--frontier--\r\n')).toBe(true);
  });

  it('passes on that the file has changed, and that there is no such part', async () => {
    const changed = await ask(true, { range: 'bytes=6000-', 'if-range': '"v0"' });
    expect([changed.answer.status, changed.answer.body.length]).toEqual([200, FILE.length]);
    const beyond = await ask(true, { range: 'bytes=90000-' });
    expect([beyond.answer.status, beyond.answer.headers['content-range']]).toEqual([
      416,
      `bytes */${String(FILE.length)}`,
    ]);
  });

  it('S13 refuses a part of something coded, which nobody can undo', async () => {
    const { answer } = await ask(true, { range: 'bytes=10-2000' }, (request, response) => {
      request.resume();
      const part = gzipSync(FILE).subarray(10);
      response.writeHead(206, { 'content-encoding': 'gzip', 'content-range': 'bytes 10-2000/2001' }).end(part);
    });
    expect(answer).toMatchObject({ status: 502, reason: 'upstream_invalid' });
  });

  it.each([
    { why: 'a window of a few bytes', range: true, headers: { range: `bytes=${String(AT)}-${String(AT + 6)}` } },
    { why: 'one of several', range: true, headers: { range: 'bytes=0-4000,4-9' } },
    { why: 'a route that does not say so', range: undefined, headers: { range: 'bytes=6000-', 'if-range': ETAG } },
    { why: 'a route that says no', range: false, headers: { range: 'bytes=6000-' } },
  ])('S13 asks for the whole instead of $why', async ({ range, headers }) => {
    const { answer, sent } = await ask(range, headers);
    expect(sent).not.toHaveProperty('range');
    expect(sent).not.toHaveProperty('if-range');
    expect([answer.status, answer.body.length]).toEqual([200, FILE.length]);
    expect(answer.body.toString()).not.toContain(SECRET.slice(0, 8));
  });
});
