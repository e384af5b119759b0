import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';

/**
 * One measurement, in a process of its own: reads the task as JSON from its argument, prints the result as JSON. Sockets
 * are used as they are; a client library would measure itself.
 */
export type Task = Target &
  (
    | { readonly kind: 'get'; readonly connections: number; readonly durationMs: number }
    | { readonly kind: 'handshake'; readonly connections: number; readonly durationMs: number }
    | { readonly kind: 'download'; readonly bytes: number }
    | { readonly kind: 'upload'; readonly bytes: number }
    | { readonly kind: 'post'; readonly bytes: number; readonly count: number }
    | { readonly kind: 'events'; readonly count: number }
    | { readonly kind: 'websocket'; readonly count: number }
    | { readonly kind: 'h2'; readonly streams: number; readonly durationMs: number }
    | { readonly kind: 'first' }
    /** One connection sends the file over and over; what is timed are small requests on another. */
    | { readonly kind: 'stall'; readonly file: string; readonly gzip: boolean; readonly durationMs: number }
  );

export interface Target {
  /** Port of the proxy on loopback; null goes straight to the origin. */
  readonly proxyPort: number | null;
  readonly host: string;
  readonly port: number;
  /** Where `host` is, when there is no proxy. */
  readonly address: string;
  readonly ca: string;
}

export interface Result {
  readonly count: number;
  readonly seconds: number;
  /** Milliseconds each, for those kinds that time single operations. */
  readonly p50?: number;
  readonly p99?: number;
  readonly max?: number;
}

const secureContexts = new Map<string, tls.SecureContext>();

function contextOf(ca: string): tls.SecureContext {
  const known = secureContexts.get(ca);
  if (known !== undefined) return known;
  const made = tls.createSecureContext({ ca: readFileSync(ca) });
  secureContexts.set(ca, made);
  return made;
}

function tcp(target: Target): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const port = target.proxyPort ?? target.port;
    const host = target.proxyPort === null ? target.address : '127.0.0.1';
    const socket = net.connect({ port, host, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      if (target.proxyPort === null) {
        resolve(socket);
        return;
      }
      const authority = `${target.host}:${String(target.port)}`;
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      socket.once('data', (answer: Buffer) => {
        const line = answer.toString('latin1').split('\r\n')[0] ?? '';
        if (line.split(' ')[1] === '200') resolve(socket);
        else reject(new Error(`CONNECT: ${line}`));
      });
    });
  });
}

async function connect(target: Target, protocols: readonly string[] = ['http/1.1']): Promise<tls.TLSSocket> {
  const socket = await tcp(target);
  return new Promise((resolve, reject) => {
    const secure = tls.connect({
      socket,
      servername: target.host,
      secureContext: contextOf(target.ca),
      ALPNProtocols: [...protocols],
    });
    secure.once('error', reject);
    secure.once('secureConnect', () => {
      secure.off('error', reject);
      resolve(secure);
    });
  });
}

/** Reads answers on one connection, one after the other. */
class Answers {
  #held: Buffer = Buffer.alloc(0);
  #wake: (() => void) | null = null;
  #closed = false;
  readonly #socket: tls.TLSSocket;

  constructor(socket: tls.TLSSocket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
      this.#wake?.();
    });
    const close = (): void => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.on('close', close);
    socket.on('error', close);
  }

  async #more(): Promise<void> {
    if (this.#closed) throw new Error('the connection was closed in the middle of an answer');
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  async head(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf('\r\n\r\n');
      if (end >= 0) {
        const head = this.#held.toString('latin1', 0, end);
        this.#held = this.#held.subarray(end + 4);
        return head;
      }
      await this.#more();
    }
  }

  /** One answer with a Content-Length, thrown away; its status. */
  async one(): Promise<number> {
    const head = await this.head();
    let left = Number(/^content-length: *(\d+)/im.exec(head)?.[1]);
    if (Number.isNaN(left)) throw new Error(`no Content-Length in: ${head}`);
    for (;;) {
      const taken = Math.min(left, this.#held.length);
      this.#held = this.#held.subarray(taken);
      left -= taken;
      if (left === 0) return Number(head.split(' ')[1]);
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#held.length < count) await this.#more();
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async line(): Promise<string | null> {
    for (;;) {
      const end = this.#held.indexOf('\n');
      if (end >= 0) {
        const line = this.#held.toString('latin1', 0, end);
        this.#held = this.#held.subarray(end + 1);
        return line.trimEnd();
      }
      if (this.#closed) return null;
      await this.#more();
    }
  }

  async write(data: Buffer): Promise<void> {
    if (!this.#socket.write(data)) await new Promise((resolve) => this.#socket.once('drain', resolve));
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function timesOf(times: number[], seconds: number): Result {
  times.sort((left, right) => left - right);
  return { count: times.length, seconds, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

const since = (start: number): number => (performance.now() - start) / 1000;
const host = (target: Target): string => (target.port === 443 ? target.host : `${target.host}:${String(target.port)}`);

async function get(task: Extract<Task, { kind: 'get' }>): Promise<Result> {
  const request = Buffer.from(`GET /small HTTP/1.1\r\nHost: ${host(task)}\r\nAccept: */*\r\n\r\n`);
  const sockets = await Promise.all(Array.from({ length: task.connections }, () => connect(task)));
  const times: number[] = [];
  const start = performance.now();
  const end = start + task.durationMs;
  await Promise.all(
    sockets.map(async (socket) => {
      const answers = new Answers(socket);
      while (performance.now() < end) {
        const sent = performance.now();
        socket.write(request);
        const status = await answers.one();
        if (status !== 200) throw new Error(`GET answered ${String(status)}`);
        times.push(performance.now() - sent);
      }
    }),
  );
  const seconds = since(start);
  for (const socket of sockets) socket.destroy();
  return timesOf(times, seconds);
}

async function handshake(task: Extract<Task, { kind: 'handshake' }>): Promise<Result> {
  const request = Buffer.from(`GET /small HTTP/1.1\r\nHost: ${host(task)}\r\n\r\n`);
  const times: number[] = [];
  const start = performance.now();
  const end = start + task.durationMs;
  await Promise.all(
    Array.from({ length: task.connections }, async () => {
      while (performance.now() < end) {
        const sent = performance.now();
        const socket = await connect(task);
        const answers = new Answers(socket);
        socket.write(request);
        await answers.one();
        times.push(performance.now() - sent);
        socket.destroy();
      }
    }),
  );
  return timesOf(times, since(start));
}

async function download(task: Extract<Task, { kind: 'download' }>): Promise<Result> {
  const socket = await connect(task);
  const start = performance.now();
  let received = 0;
  let head = true;
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error(`cut after ${String(received)} bytes`));
    });
    socket.on('data', (chunk: Buffer) => {
      if (head) {
        received = -(chunk.indexOf('\r\n\r\n') + 4);
        head = false;
      }
      received += chunk.length;
      if (received >= task.bytes) resolve();
    });
    socket.write(`GET /download?bytes=${String(task.bytes)} HTTP/1.1\r\nHost: ${host(task)}\r\n\r\n`);
  });
  const seconds = since(start);
  socket.removeAllListeners('close');
  socket.destroy();
  return { count: task.bytes, seconds };
}

/** Looks like chat: scanners meet words, not noise. */
function text(bytes: number): Buffer {
  const line = '{"role":"user","content":"Please look at the function that parses the configuration file again."},';
  return Buffer.from(line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes));
}

async function upload(task: Extract<Task, { kind: 'upload' }>): Promise<Result> {
  const socket = await connect(task);
  const answers = new Answers(socket);
  const block = text(256 * 1024);
  const start = performance.now();
  socket.write(`POST /upload HTTP/1.1\r\nHost: ${host(task)}\r\nContent-Length: ${String(task.bytes)}\r\n\r\n`);
  for (let left = task.bytes; left > 0; left -= block.length) await answers.write(block.subarray(0, left));
  const status = await answers.one();
  if (status !== 200) throw new Error(`the upload was answered with ${String(status)}`);
  const seconds = since(start);
  socket.destroy();
  return { count: task.bytes, seconds };
}

async function post(task: Extract<Task, { kind: 'post' }>): Promise<Result> {
  const socket = await connect(task);
  const answers = new Answers(socket);
  const head = `POST /upload HTTP/1.1\r\nHost: ${host(task)}\r\nContent-Length: ${String(task.bytes)}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), text(task.bytes)]);
  const times: number[] = [];
  const start = performance.now();
  for (let at = 0; at < task.count; at++) {
    const sent = performance.now();
    socket.write(request);
    await answers.one();
    times.push(performance.now() - sent);
  }
  const seconds = since(start);
  socket.destroy();
  return timesOf(times, seconds);
}

async function stall(task: Extract<Task, { kind: 'stall' }>): Promise<Result> {
  const [sending, asking] = [await connect(task), await connect(task)];
  const [sent, asked] = [new Answers(sending), new Answers(asking)];
  const body = readFileSync(task.file);
  const coding = task.gzip ? 'Content-Encoding: gzip\r\n' : '';
  const head = `POST /upload HTTP/1.1\r\nHost: ${host(task)}\r\n${coding}Content-Length: ${String(body.length)}\r\n\r\n`;
  const times: number[] = [];
  const start = performance.now();
  const isOver = (): boolean => performance.now() - start > task.durationMs;
  const uploads = (async () => {
    while (!isOver()) {
      sending.write(head);
      for (let at = 0; at < body.length; at += 256 * 1024) await sent.write(body.subarray(at, at + 256 * 1024));
      await sent.one();
    }
  })();
  while (!isOver()) {
    const at = performance.now();
    asking.write(`GET / HTTP/1.1\r\nHost: ${host(task)}\r\n\r\n`);
    await asked.one();
    times.push(performance.now() - at);
  }
  await uploads;
  const result = timesOf(times, since(start));
  sending.destroy();
  asking.destroy();
  return { ...result, max: Math.max(...times) };
}

async function events(task: Extract<Task, { kind: 'events' }>): Promise<Result> {
  const socket = await connect(task);
  const answers = new Answers(socket);
  socket.write(`GET /events?count=${String(task.count)} HTTP/1.1\r\nHost: ${host(task)}\r\n\r\n`);
  await answers.head();
  const times: number[] = [];
  const start = performance.now();
  while (times.length < task.count) {
    const line = await answers.line();
    if (line === null) break;
    const sent = /^data: (\d+)$/.exec(line)?.[1];
    if (sent !== undefined) times.push(Number(process.hrtime.bigint() - BigInt(sent)) / 1e6);
  }
  const seconds = since(start);
  socket.destroy();
  return timesOf(times, seconds);
}

async function websocket(task: Extract<Task, { kind: 'websocket' }>): Promise<Result> {
  const socket = await connect(task);
  const answers = new Answers(socket);
  const key = randomBytes(16).toString('base64');
  socket.write(
    `GET /echo HTTP/1.1\r\nHost: ${host(task)}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  const head = await answers.head();
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  if (!head.startsWith('HTTP/1.1 101') || !head.includes(accept)) throw new Error(`no WebSocket: ${head}`);
  const payload = Buffer.alloc(64, 'w');
  const mask = randomBytes(4);
  const masked = Buffer.from(payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
  const frame = Buffer.concat([Buffer.from([0x82, 0x80 | payload.length]), mask, masked]);
  const times: number[] = [];
  const start = performance.now();
  for (let at = 0; at < task.count; at++) {
    const sent = performance.now();
    socket.write(frame);
    await answers.bytes(2 + payload.length);
    times.push(performance.now() - sent);
  }
  const seconds = since(start);
  socket.destroy();
  return timesOf(times, seconds);
}

async function h2(task: Extract<Task, { kind: 'h2' }>): Promise<Result> {
  const socket = await connect(task, ['h2']);
  if (socket.alpnProtocol !== 'h2') throw new Error('no HTTP/2 was agreed on');
  const session = http2.connect(`https://${host(task)}`, { createConnection: () => socket });
  const times: number[] = [];
  const start = performance.now();
  const end = start + task.durationMs;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/small' });
      stream.on('error', reject);
      stream.on('response', (headers) => {
        if (headers[':status'] !== 200) reject(new Error(`h2 answered ${String(headers[':status'])}`));
      });
      stream.on('end', resolve);
      stream.resume();
    });
  await Promise.all(
    Array.from({ length: task.streams }, async () => {
      while (performance.now() < end) {
        const sent = performance.now();
        await one();
        times.push(performance.now() - sent);
      }
    }),
  );
  const seconds = since(start);
  session.destroy();
  return timesOf(times, seconds);
}

/** How long until a proxy that is just starting gives its first answer; the start is `process.argv[3]`, in ms. */
async function first(task: Extract<Task, { kind: 'first' }>): Promise<Result> {
  const request = `GET /small HTTP/1.1\r\nHost: ${host(task)}\r\n\r\n`;
  const socket = await connect(task);
  const answers = new Answers(socket);
  socket.write(request);
  await answers.one();
  socket.destroy();
  return { count: 1, seconds: 0 };
}

export async function perform(task: Task): Promise<Result> {
  switch (task.kind) {
    case 'get':
      return get(task);
    case 'handshake':
      return handshake(task);
    case 'download':
      return download(task);
    case 'upload':
      return upload(task);
    case 'post':
      return post(task);
    case 'events':
      return events(task);
    case 'websocket':
      return websocket(task);
    case 'h2':
      return h2(task);
    case 'first':
      return first(task);
    case 'stall':
      return stall(task);
  }
}

const task = process.argv[2];
if (task !== undefined && import.meta.main) {
  const result = await perform(JSON.parse(task) as Task);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}
