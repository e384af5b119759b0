import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { BottleError } from '../../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../../kernel/promises.ts';
import { KiB, LIMITS } from '../../kernel/limits.ts';
import { MARK, processTree } from '../../platform/processes.ts';
import { LineReader } from '../../platform/line-reader.ts';
import type { ApplyContext, BottleListener } from '../../ports/backend.ts';
import { collectListeners, type ListenerHandle } from '../common/listeners.ts';
import { decodeJson } from '../../schema/json.ts';
import type { ListenerRole } from '../../schema/plan.ts';
import { CHAIN_FD } from './invocation.ts';

const InfoSchema = z.object({ 'child-pid': z.int().positive() });
const REPORT_BYTES = 256 * KiB;

/** The chain of processes that becomes the bottle, and the pipes to it. */
export interface BottleProcess {
  readonly child: ChildProcess;
  /** In the order of the roles; resolves when all are here. */
  readonly listeners: Promise<readonly BottleListener[]>;
  readonly firstPid: Promise<number>;
  /** Null as long as it is not told, and then only if it still is a process of this chain. */
  knownFirstPid(): number | null;
  readonly report: Promise<string>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly orders: Writable;
  /** The agent's own standard error, when it is a pipe. */
  readonly agentErrors: Readable | null;
  closeListeners(): void;
}

export function startProcess(
  argv: readonly string[],
  { stdio, terminal: pty, stateDirectory }: Pick<ApplyContext, 'stdio' | 'terminal' | 'stateDirectory'>,
  terminal: boolean,
  pipes: { readonly options: readonly string[]; readonly filter: Uint8Array | null },
  roles: readonly ListenerRole[],
): BottleProcess {
  const [command = '', ...rest] = argv;
  const [stdin, stdout, stderr] = pty === null ? stdio : [pty.slaveFd, pty.slaveFd, pty.slaveFd];
  // Above 2, 'ignore' would mean that there is no such descriptor at all.
  const agentStderr = stderr === 'inherit' ? 2 : stderr === 'ignore' ? fs.openSync('/dev/null', 'w') : stderr;
  const child = spawn(command, rest, {
    stdio: [stdin, stdout, 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'ipc', agentStderr],
    env: { [MARK]: stateDirectory },
    cwd: '/',
    detached: !terminal,
  });
  if (stderr === 'ignore' && typeof agentStderr === 'number') fs.closeSync(agentStderr);
  const exited = exitOf(child);
  writeOnce(pipeOut(child, CHAIN_FD.args), pipes.options.map((option) => `${option}\0`).join(''));
  writeOnce(pipeOut(child, CHAIN_FD.seccomp), pipes.filter ?? new Uint8Array());
  const orders = pipeOut(child, CHAIN_FD.orders);
  orders.on('error', ignoreClosedPipe);
  const handles = new Map<string, ListenerHandle>();
  const words = lastWords(child);
  const early = exited.then(({ code, signal }): never => {
    const said = words() === '' ? '' : `: ${words()}`;
    throw new BottleError('launch_failed', {
      message: `the bottle ended before it was ready (${signal ?? `exit ${String(code)}`})${said}`,
      hint: 'bot-bottle doctor',
    });
  });
  const orEarlyEnd = <Value>(value: Promise<Value>): Promise<Value> => {
    const first = Promise.race([value.catch((failure: unknown) => causeOf(early, failure)), early]);
    first.catch(ignoreUnlessAwaited);
    return first;
  };
  const told: number[] = [];
  const firstPid = orEarlyEnd(readObject(pipeIn(child, CHAIN_FD.info)).then(parseInfo));
  firstPid.then((pid) => told.push(pid)).catch(ignoreUnlessAwaited);
  return {
    child,
    exited,
    orders,
    agentErrors: stderr === 'pipe' ? pipeIn(child, CHAIN_FD.stderr) : null,
    listeners: orEarlyEnd(collectListeners(child, handles, roles)),
    firstPid,
    knownFirstPid: () => told.find((pid) => child.pid !== undefined && processTree(child.pid).includes(pid)) ?? null,
    report: orEarlyEnd(firstLine(pipeIn(child, CHAIN_FD.report))),
    closeListeners: () => {
      for (const handle of handles.values()) handle.close();
      handles.clear();
      if (child.connected) child.disconnect();
    },
  };
}

const LAST_WORDS_MS = 1_000;

/** A pipe ends a moment before its process is seen to end, and the process's own words tell more. */
async function causeOf(early: Promise<never>, failure: unknown): Promise<never> {
  await Promise.race([early, sleep(LAST_WORDS_MS, undefined, { ref: false })]);
  throw failure;
}

/** What the chain of programs itself has to say; the agent's own stream is another. */
function lastWords(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString('utf8')}`.slice(-LIMITS.toolOutputBytes);
  });
  child.stderr?.on('error', ignoreClosedPipe);
  return () => text.trim();
}

function exitOf(child: ChildProcess): BottleProcess['exited'] {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<BottleProcess['exited']>>();
  child.once('exit', (code, signal) => {
    resolve({ code, signal });
  });
  child.once('error', (failure) => {
    reject(
      new BottleError('launch_failed', { message: `the bottle can't be started: ${failure.message}`, cause: failure }),
    );
  });
  promise.catch(ignoreUnlessAwaited);
  return promise;
}

function parseInfo(text: string): number {
  const info = decodeJson(InfoSchema, text);
  if (info.ok) return info.value['child-pid'];
  throw new BottleError('launch_failed', { message: `bubblewrap did not tell the bottle's process: ${info.error}` });
}

/** Up to the object's closing brace: with a terminal, a shell in the chain holds the pipe open for the bottle's life. */
async function readObject(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    if (Buffer.isBuffer(chunk)) text += chunk.toString('utf8');
    if (text.includes('}')) break;
  }
  return text;
}

async function firstLine(stream: Readable): Promise<string> {
  const reader = new LineReader(REPORT_BYTES);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (why: string): void => {
    reject(new BottleError('not_confined', { message: `the confinement probe ${why}` }));
  };
  stream.on('data', (chunk: Buffer) => {
    const complete = reader.push(chunk);
    if (complete === null) fail('reported more than any probe of ours does');
    else if (complete[0] !== undefined) resolve(complete[0]);
  });
  stream.once('end', () => {
    fail('ended without a report');
  });
  stream.on('error', ignoreClosedPipe);
  promise.catch(ignoreUnlessAwaited);
  return promise;
}

function pipeOut(child: ChildProcess, fd: number): Writable {
  const stream = child.stdio[fd];
  if (stream && 'write' in stream) return stream;
  throw new BottleError('launch_failed', { message: `descriptor ${String(fd)} of the bottle is no pipe` });
}

function pipeIn(child: ChildProcess, fd: number): Readable {
  const stream = child.stdio[fd];
  if (stream && 'read' in stream) return stream;
  throw new BottleError('launch_failed', { message: `descriptor ${String(fd)} of the bottle is no pipe` });
}

function writeOnce(pipe: Writable, content: string | Uint8Array): void {
  pipe.on('error', ignoreClosedPipe);
  pipe.end(content);
}

function ignoreClosedPipe(failure: Error): void {
  if (!('code' in failure)) throw failure;
}

export async function waitForExit(bottle: BottleProcess, graceMs: number): Promise<boolean> {
  if (bottle.child.exitCode !== null || bottle.child.signalCode !== null) return true;
  try {
    await once(bottle.child, 'exit', { signal: AbortSignal.timeout(graceMs) });
    return true;
  } catch (failure) {
    if (failure instanceof Error && failure.name === 'AbortError') return false;
    throw failure;
  }
}
