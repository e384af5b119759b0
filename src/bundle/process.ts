import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LIMITS } from '../kernel/limits.ts';
import { LineReader } from '../platform/line-reader.ts';
import { childrenOf, MARK, processTree, signalProcess } from '../platform/processes.ts';
import { LogLines } from './log-lines.ts';

/**
 * One process of the bundle, as the launcher sees it: started with fixed descriptors and a fixed environment, signalled
 * through its box, its lines read with a bound.
 */
export interface BundleProcess {
  /** Argv that puts the process into its box (`sandbox.ts`). */
  readonly argv: readonly string[];
  /** False where bubblewrap is missing: then the process is the child itself, else its only grandchild. */
  readonly boxed: boolean;
  /** The bottle's state directory, by which `cleanup` knows a process that a crash leaves. */
  readonly stateDirectory: string;
  /** System call filter, which the box reads from the descriptor after all others: `filterFdAfter`. */
  readonly filter: Uint8Array | null;
}

/** For the log: where bubblewrap is missing, a gateway alone runs without boxes. */
export function unboxedLines(
  init: BundleProcess,
  services: readonly (BundleProcess & { readonly name: string })[],
): readonly string[] {
  const without = services.filter(({ boxed }) => !boxed).map(({ name }) => name);
  return [
    ...without.map((name) => `${name} runs without a sandbox: bubblewrap is missing`),
    ...(init.boxed ? [] : ['init runs without a sandbox, and so with a network: bubblewrap is missing']),
  ];
}

/** After standard input, output and error: what it tells us, what we tell it once; then the process's own. */
export const LAUNCHED_FD = { messages: 3, secrets: 4, own: 5 } as const;

export function filterFdAfter(ownDescriptors: number): number {
  return LAUNCHED_FD.own + ownDescriptors;
}

/**
 * All a process of ours inherits: nothing of the operator's environment (SECURITY S5). Node hands NODE_V8_COVERAGE on to
 * every child whose environment does not name it.
 */
const FIXED_ENVIRONMENT = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LANG: 'C.UTF-8', NODE_V8_COVERAGE: undefined };

export interface Launched {
  readonly child: ChildProcess;
  readonly boxed: boolean;
}

/**
 * `input` decides whether the process listens to us on its standard input. It loads, and does nothing before it has its
 * secrets: `giveSecrets`.
 */
export function launch(
  { argv, boxed, stateDirectory, filter }: BundleProcess,
  { input, descriptors }: { readonly input: boolean; readonly descriptors: readonly number[] },
): Launched {
  const [command = '', ...rest] = argv;
  const child = spawn(command, rest, {
    stdio: [
      input ? 'pipe' : 'ignore',
      'pipe',
      'pipe',
      'pipe',
      'pipe',
      ...descriptors,
      ...(filter === null ? [] : ['pipe' as const]),
    ],
    env: { ...FIXED_ENVIRONMENT, [MARK]: stateDirectory },
    cwd: '/',
    detached: true,
  });
  if (filter !== null) sendOnce(streamAt(child.stdio, filterFdAfter(descriptors.length)), filter);
  return { child, boxed };
}

export function giveSecrets({ child }: Launched, secrets: string): void {
  sendOnce(streamAt(child.stdio, LAUNCHED_FD.secrets), secrets);
}

type Stream = Readable | Writable | null | undefined;

/** A process that could not be started for want of descriptors has no streams at all, whatever the types say. */
export function streamAt(streams: readonly Stream[] | undefined, index: number): Stream {
  return streams?.[index];
}

/** Written once, then closed; the reader reads to its end. */
function sendOnce(pipe: Stream, content: string | Uint8Array): void {
  if (pipe === null || pipe === undefined || !('write' in pipe)) return;
  pipe.on('error', ignoreClosedPipe);
  pipe.end(content);
}

/**
 * TERM goes to the process itself, which drains; the box around it would only die of it. KILL goes to the namespace's
 * first process: the kernel ends the rest before it, and the outer process ends last, so its end is the end of all. A
 * box that is still being made holds nothing that could drain, and all of it is killed, stopped first so that it can't
 * have a child that nobody sees.
 */
export function signalLaunched({ child, boxed }: Launched, signal: 'SIGTERM' | 'SIGKILL'): void {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (!boxed) {
    signalProcess(pid, signal);
    return;
  }
  const [first] = childrenOf(pid);
  const [service] = first === undefined ? [] : childrenOf(first);
  if (first === undefined || service === undefined) {
    signalProcess(pid, 'SIGSTOP');
    for (const part of processTree(pid)) signalProcess(part, 'SIGKILL');
  } else if (signal === 'SIGTERM') {
    signalProcess(service, signal);
  } else {
    signalProcess(first, signal);
    signalProcess(pid, 'SIGCONT');
  }
}

/** Control messages: a line over the bound is a fault of the other side, told once; nothing is read after it. */
export function readMessages(
  stream: Stream,
  limitBytes: number,
  onLine: (line: string) => void,
  onTooLong: () => void,
): void {
  if (!isReadable(stream)) return;
  const lines = new LineReader(limitBytes);
  stream.on('error', ignoreClosedPipe);
  stream.on('data', (chunk: Buffer) => {
    if (stream.destroyed) return;
    const complete = lines.push(chunk);
    complete?.forEach(onLine);
    if (complete !== null) return;
    stream.destroy();
    onTooLong();
  });
}

export function readLog(stream: Stream, onLine: (line: string) => void): void {
  if (!isReadable(stream)) return;
  const lines = new LogLines(LIMITS.serviceLineBytes);
  stream.on('error', ignoreClosedPipe);
  stream.on('data', (chunk: Buffer) => {
    lines.push(chunk).forEach(onLine);
  });
  stream.on('end', () => {
    lines.end().forEach(onLine);
  });
}

function isReadable(stream: Stream): stream is Readable {
  return stream !== null && stream !== undefined && 'read' in stream;
}

/** The other side is gone; that it is comes with its exit. */
export function ignoreClosedPipe(failure: Error): void {
  if (!('code' in failure)) throw failure;
}
