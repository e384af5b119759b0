import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LIMITS } from '../kernel/limits.ts';
import { LineReader } from '../platform/line-reader.ts';
import { childrenOf, processTree, signalProcess } from '../platform/processes.ts';

/**
 * One process of the bundle, as the launcher sees it: started with fixed descriptors and a fixed environment, signalled
 * through its box, its lines read with a bound.
 */
export interface BundleProcess {
  /** Argv that puts the process into its box (`sandbox.ts`). */
  readonly argv: readonly string[];
  /** False where bubblewrap is missing: then the process is the child itself, else its only grandchild. */
  readonly boxed: boolean;
  /** System call filter, which the box reads from the descriptor after all others: `filterFdAfter`. */
  readonly filter: Uint8Array | null;
}

/** After standard input, output and error: what it tells us, what we tell it once; then the process's own. */
export const LAUNCHED_FD = { messages: 3, secrets: 4, own: 5 } as const;

export function filterFdAfter(ownDescriptors: number): number {
  return LAUNCHED_FD.own + ownDescriptors;
}

/** All a process of ours inherits: nothing of the operator's environment (SECURITY S5). */
const FIXED_ENVIRONMENT = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LANG: 'C.UTF-8' } as const;

export interface Launched {
  readonly child: ChildProcess;
  readonly boxed: boolean;
}

/** `input` decides whether the process listens to us on its standard input. */
export function launch(
  { argv, boxed, filter }: BundleProcess,
  {
    input,
    secret,
    descriptors,
  }: { readonly input: boolean; readonly secret: string; readonly descriptors: readonly number[] },
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
    env: FIXED_ENVIRONMENT,
    cwd: '/',
    detached: true,
  });
  sendOnce(streamAt(child.stdio, LAUNCHED_FD.secrets), secret);
  if (filter !== null) sendOnce(streamAt(child.stdio, filterFdAfter(descriptors.length)), filter);
  return { child, boxed };
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
 * TERM goes to the process itself, which drains; the box around it would only die of it. A box that is still being made
 * holds nothing that could drain. KILL goes to everything, so that no half-made box outlives its outer process.
 */
export function signalLaunched({ child, boxed }: Launched, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const target = signal === 'SIGTERM' ? serviceIn(child.pid, boxed) : null;
  if (target !== null) signalProcess(target, signal);
  else for (const pid of processTree(child.pid)) signalProcess(pid, 'SIGKILL');
}

/** The box's outer process waits for the namespace's first process, whose only child is the service. */
function serviceIn(pid: number, boxed: boolean): number | null {
  if (!boxed) return pid;
  const [first] = childrenOf(pid);
  return first === undefined ? null : (childrenOf(first)[0] ?? null);
}

/** Control messages: a line over the bound is a fault of the other side, told once; nothing is read after it. */
export function readMessages(
  stream: Stream,
  limitBytes: number,
  onLine: (line: string) => void,
  onTooLong: () => void,
): void {
  onData(stream, new LineReader(limitBytes), onLine, (source) => {
    source.destroy();
    onTooLong();
    return null;
  });
}

/** Log lines: whatever is too long is dropped up to where it was noticed, and said. */
export function readLog(stream: Stream, onLine: (line: string) => void): void {
  onData(
    stream,
    new LineReader(LIMITS.serviceLineBytes),
    (line) => {
      onLine(printable(line));
    },
    () => {
      onLine(`(a line over ${LIMITS.serviceLineBytes / 1024} KiB was dropped)`);
      return new LineReader(LIMITS.serviceLineBytes);
    },
  );
}

function onData(
  stream: Stream,
  lines: LineReader,
  onLine: (line: string) => void,
  onTooLong: (stream: Readable) => LineReader | null,
): void {
  if (stream === null || stream === undefined || !('read' in stream)) return;
  let reader: LineReader | null = lines;
  stream.on('data', (chunk: Buffer) => {
    const complete = reader?.push(chunk);
    if (complete === null) reader = onTooLong(stream);
    else complete?.forEach(onLine);
  });
  stream.on('error', ignoreClosedPipe);
}

/** Who looks at a log on a terminal must not have that terminal driven by what a peer made us write. */
function printable(line: string): string {
  return line.replace(/[^\P{Cc}\t]/gu, '\ufffd');
}

/** The other side is gone; that it is comes with its exit. */
export function ignoreClosedPipe(failure: Error): void {
  if (!('code' in failure)) throw failure;
}
