import fs from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { boxProcess } from '../../../src/bundle/box.ts';
import { startBundle, type RunningBundle } from '../../../src/bundle/broker.ts';
import { Scope } from '../../../src/kernel/scope.ts';
import { pollUntil } from '../../../src/launch/readiness.ts';
import { holdListener } from '../../../src/platform/host-listener.ts';
import { processStartTime } from '../../../src/platform/processes.ts';
import { allocateUid } from '../../../src/platform/uid-lock.ts';

/** A bundle of real processes: the built init, and a service of the test's own in the box of the gateway. */
export interface TestBundle extends AsyncDisposable {
  readonly bundle: RunningBundle;
  readonly port: number;
  readonly logs: readonly string[];
  /** 0700, as an operator's home may be. */
  readonly root: string;
  readonly stageRoot: string;
  /** One question to the service, one answer. */
  ask(question: object): Promise<unknown>;
}

export interface TestBundleOptions {
  readonly mode?: string;
  readonly secret?: string;
  readonly readyTimeoutMs?: number;
  /** As where bubblewrap is not installed. */
  readonly unboxed?: boolean;
  readonly init?: readonly string[];
  /** A service other than the small one, and its document. */
  readonly script?: string;
  readonly document?: unknown;
}

export const IS_ROOT = process.getuid?.() === 0;
const FIXTURE = path.join(import.meta.dirname, '../fixtures/small-service.ts');

export async function startTestBundle(options: TestBundleOptions = {}): Promise<TestBundle> {
  const scope = new Scope();
  try {
    return await start(options, scope);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

async function start(options: TestBundleOptions, scope: Scope): Promise<TestBundle> {
  const root = temporary('bundle-state-', 0o700, scope);
  const stageRoot = temporary('bundle-run-', 0o711, scope);
  const control = path.join(root, 'control');
  const spill = path.join(root, 'spill');
  for (const directory of [control, spill]) fs.mkdirSync(directory, { mode: 0o700 });
  const script = options.script ?? path.join(root, 'small-service.js');
  if (options.script === undefined) fs.writeFileSync(script, stripTypeScriptTypes(fs.readFileSync(FIXTURE, 'utf8')));
  const record = fs.openSync(path.join(root, 'record.jsonl'), 'a', 0o600);
  scope.defer('record', () => {
    fs.closeSync(record);
  });
  const listener = await holdListener({ host: '127.0.0.1', port: 0 });
  const common = {
    stageRoot,
    stateDirectory: root,
    allocateUid: IS_ROOT ? () => allocateUid() : null,
    ...(options.unboxed === true ? { bwrap: null } : {}),
  };
  const init = await boxProcess(
    { ...common, kind: 'init', script: path.resolve('dist/init.js'), control: null, spill: null, descriptors: 0 },
    scope,
  );
  const service = await boxProcess({ ...common, kind: 'egress', script, control, spill, descriptors: 2 }, scope);
  const logs: string[] = [];
  const document = options.document ?? { mode: options.mode ?? 'serve', secret: options.secret ?? 'none' };
  const bundle = startBundle({
    init: options.init === undefined ? init : { ...init, argv: options.init, filter: null },
    services: [{ ...service, name: 'egress', descriptors: [record, listener.fd], document: JSON.stringify(document) }],
    onLog: (from, line) => logs.push(`${from}: ${line}`),
    ...(options.readyTimeoutMs === undefined ? {} : { readyTimeoutMs: options.readyTimeoutMs }),
  });
  scope.defer('bundle', async () => {
    await bundle.stop();
  });
  return {
    bundle,
    port: listener.port,
    logs,
    root,
    stageRoot,
    ask: (question) => ask(listener.port, question),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

function temporary(prefix: string, mode: number, scope: Scope): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  fs.chmodSync(directory, mode);
  scope.defer(directory, () => {
    fs.rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** Resolves with the answer's JSON, or fails when the connection ends without one. */
export async function ask(port: number, question: object): Promise<unknown> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.write(JSON.stringify(question));
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return JSON.parse(text);
}

/** A connection that the service keeps until it stops; `lines` grows with what it says. */
export async function holdConnection(
  port: number,
): Promise<{ readonly lines: string[]; readonly closed: Promise<void> }> {
  const socket = net.connect({ host: '127.0.0.1', port });
  const lines: string[] = [];
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  socket.on('error', () => undefined);
  socket.write(JSON.stringify({ ask: 'hold' }));
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      lines.push(...chunk.toString().trimEnd().split('\n'));
      resolve();
    });
  });
  return { lines, closed };
}

/** Processes named once and for all: a pid alone may be used again. */
export function identities(pids: readonly number[]): readonly string[] {
  return pids.map((pid) => `${pid}:${processStartTime(pid) ?? 'gone'}`);
}

function stillAlive(known: readonly string[]): readonly string[] {
  return known.filter((identity) => {
    const [pid = '', startTime] = identity.split(':');
    return processStartTime(Number(pid)) === startTime && !isZombie(pid);
  });
}

/** The first process of a box ends a moment after the box's outer one. */
export async function gone(known: readonly string[]): Promise<void> {
  await pollUntil(`the end of ${known.join(' ')}`, 10_000, () => (stillAlive(known).length === 0 ? true : null));
}

function isZombie(pid: string): boolean {
  const stat = fs.existsSync(`/proc/${pid}/stat`) ? fs.readFileSync(`/proc/${pid}/stat`, 'utf8') : ') Z';
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}
