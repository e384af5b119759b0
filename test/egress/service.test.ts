import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/kernel/limits.ts';
import { ControlClient } from '../../src/platform/control-client.ts';
import { GatewayStatusSchema } from '../../src/schema/control.ts';
import { DecisionRecordSchema } from '../../src/schema/decision.ts';
import { exchangeRaw, openTcp, statusOf } from './support/agent.ts';
import { configOf, CONTROL_NONCE, PROBE_NONCE, secretsOf } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const ENTRY = fileURLToPath(new URL('../../src/egress/main.ts', import.meta.url));
/** Found nowhere but in the pipe. */
const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';

let directory = '';
let listener: HeldListener;
let record = -1;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bot-bottle-service-'));
  record = openSync(join(directory, 'record.jsonl'), 'a', 0o600);
  listener = await holdListener();
});
afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  closeSync(record);
  listener.close();
  rmSync(directory, { recursive: true });
});

interface HeldListener {
  readonly fd: number;
  readonly port: number;
  readonly close: () => void;
}

/** A listening socket held without accepting, as a launcher holds it: made by another process and sent over. */
async function holdListener(): Promise<HeldListener> {
  const script =
    "const s = require('node:net').createServer().listen(0, '127.0.0.1', () => process.send(s.address().port, s._handle, { keepOpen: false }, () => process.exit()))";
  const maker = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [port, handle] = (await once(maker, 'message')) as [number, { readonly fd: number; close: () => void }];
  await once(maker, 'exit');
  return {
    fd: handle.fd,
    port,
    close: () => {
      handle.close();
    },
  };
}

interface Service {
  readonly child: ChildProcess;
  readonly nextEvent: () => Promise<string>;
  /** The service has closed its end. */
  readonly secretsClosed: Promise<unknown>;
}

function startService(document: unknown): Service {
  const child = spawn(process.execPath, [ENTRY], {
    env: {},
    cwd: '/',
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe', record, listener.fd],
  });
  children.push(child);
  const [, , , status, secrets] = child.stdio as unknown as readonly [null, null, null, Readable, Writable];
  secrets.on('error', () => undefined);
  secrets.end(typeof document === 'string' ? document : JSON.stringify(document));
  const lines: string[] = [];
  let wake = (): void => undefined;
  let pending = '';
  status.on('data', (chunk: Buffer) => {
    const parts = (pending + chunk.toString()).split('\n');
    pending = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  return {
    child,
    secretsClosed: new Promise((resolve) => secrets.once('close', resolve)),
    async nextEvent() {
      while (lines.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return lines.shift() ?? '';
    },
  };
}

const documentFor = (options: Parameters<typeof configOf>[0], routes: Parameters<typeof configOf>[1]): unknown => ({
  config: configOf(options, routes, 1),
  secrets: secretsOf({ ...options, knownValues: { STRIPE_KEY: SECRET } }),
  listeners: [{ role: 'proxy', fd: 6 }],
  peers: null,
  controlDirectory: directory,
  spillDirectory: directory,
});

describe('the gateway as a service process', () => {
  it('starts from its descriptors, serves, reports the probe, and ends on SIGTERM with 0', async () => {
    await using origin = await startOrigin(answering('ok'), { tls: false });
    const service = startService(
      documentFor({ origins: { 'plain.example.com:80': origin } }, [{ host: 'plain.example.com' }]),
    );
    expect(await service.nextEvent()).toBe('{"event":"ready"}');

    const { port } = listener;
    const get = async (url: string, end: string): Promise<string> => {
      const socket = await openTcp(port);
      const text = await exchangeRaw(socket, `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`, end);
      socket.destroy();
      return text;
    };
    expect(statusOf(await get('http://plain.example.com/', '\r\n\r\nok'))).toBe(200);
    expect(statusOf(await get(`http://plain.example.com/${SECRET}`, 'recorded.'))).toBe(403);
    expect(statusOf(await get(`http://_egress.local/probe?nonce=${PROBE_NONCE}`, '\r\n\r\n'))).toBe(204);
    expect(await service.nextEvent()).toBe('{"event":"probe-seen"}');

    const socketPath = join(directory, 'control.sock');
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    using client = await ControlClient.connect(socketPath, CONTROL_NONCE);
    expect(await client.call('status', GatewayStatusSchema)).toMatchObject({ state: 'serving' });

    const exited = once(service.child, 'exit');
    service.child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    const written = readFileSync(join(directory, 'record.jsonl'), 'utf8');
    expect(written).not.toContain(SECRET);
    const ended = written
      .trimEnd()
      .split('\n')
      .filter((line) => line.includes('"ended"'))
      .map((line) => DecisionRecordSchema.parse(JSON.parse(line)));
    expect(ended.map(({ status }) => status)).toEqual([200, 403]);
  });

  it('S5 keeps no secret in its argv or environment, and closes the pipe they came by', async () => {
    const service = startService(documentFor({}, []));
    await service.nextEvent();
    const pid = String(service.child.pid);
    for (const file of ['cmdline', 'environ'])
      expect(readFileSync(`/proc/${pid}/${file}`, 'latin1')).not.toContain(SECRET);
    await service.secretsClosed;
  });

  it.each([
    { what: '200 MiB of gzip, held whole', coding: 'gzip', size: 200 * MiB, memory: 160 * MiB },
    { what: '1 GiB as it is, streamed', coding: 'identity', size: 1024 * MiB, memory: 384 * MiB },
  ])(
    'S17 takes bounded memory for $what, and leaves no file',
    async ({ coding, size, memory }) => {
      let arrived = 0;
      await using origin = await startOrigin(
        (request, response) => {
          request.on('data', (block: Buffer) => (arrived += block.length));
          request.on('end', () => response.end('taken'));
        },
        { tls: false, keepsBytes: false },
      );
      const service = startService(
        documentFor({ origins: { 'plain.example.com:80': origin } }, [{ host: 'plain.example.com' }]),
      );
      await service.nextEvent();
      const before = peakBytes(service.child);
      const request = http.request({
        host: '127.0.0.1',
        port: listener.port,
        method: 'POST',
        path: 'http://plain.example.com/up',
        headers: { host: 'plain.example.com', 'content-encoding': coding },
      });
      const answered = once(request, 'response') as Promise<[http.IncomingMessage]>;
      // Incompressible, and the same again and again beyond the window of gzip: quick to make.
      const block = randomBytes(256 * KiB);
      const blocks = Readable.from(repeated(block, size));
      const sent = coding === 'gzip' ? pipeline(blocks, createGzip({ level: 0 }), request) : pipeline(blocks, request);
      await sent;
      const [answer] = await answered;
      answer.resume();
      expect(answer.statusCode).toBe(200);
      expect(arrived).toBeGreaterThanOrEqual(size);
      // Buffers that nobody needs any more are among it, until the collector looks.
      expect(peakBytes(service.child) - before).toBeLessThan(memory);
      expect(readdirSync(directory).filter((name) => name.startsWith('held-'))).toEqual([]);
      await once(answer, 'close');
      await expect.poll(() => openSpills(service.child)).toEqual([]);
    },
    180_000,
  );

  it('connections that come while it restarts wait in the listener', async () => {
    const first = startService(documentFor({}, []));
    await first.nextEvent();
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const socket = await openTcp(listener.port);
    const answer = exchangeRaw(socket, 'GET http://no.example/ HTTP/1.1\r\nHost: no.example\r\n\r\n', 'recorded.');
    const second = startService(documentFor({}, []));
    await second.nextEvent();
    expect(statusOf(await answer)).toBe(403);
    socket.destroy();
  });

  it.each([
    { document: 'not json', message: 'not JSON' },
    { document: {}, message: 'not valid' },
    { document: '', message: 'not JSON' },
  ])('says why it can not start, and exits 1: $message', async ({ document, message }) => {
    const service = startService(document);
    const exited = once(service.child, 'exit');
    expect(await service.nextEvent()).toContain(message);
    expect(await exited).toEqual([1, null]);
  });
});

function* repeated(block: Buffer, size: number): Generator<Buffer> {
  for (let sent = 0; sent < size; sent += block.length) yield block;
}

/** The most that it ever had in memory, by the kernel's account. */
function peakBytes({ pid }: ChildProcess): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8')) ?? [];
  return Number(kib) * KiB;
}

function openSpills({ pid }: ChildProcess): readonly string[] {
  const descriptors = `/proc/${String(pid)}/fd`;
  return readdirSync(descriptors)
    .map((fd) => readlinkSync(join(descriptors, fd)))
    .filter((link) => link.includes('/held-'));
}
