import fs from 'node:fs';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import tty from 'node:tty';
import type { ApplyContext } from '../../ports/backend.ts';

/** The operator's side of the agent's streams: a terminal, this process's own, pipes for the caller, or nothing. */
export interface AgentStreams extends Disposable {
  readonly terminal: boolean;
  /** For the caller, where it asked for pipes. */
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  output(stream: 'stdout' | 'stderr', chunk: Buffer): void;
  /** From here on the agent hears what is typed or piped. */
  listen(agent: { write(chunk: Buffer): boolean; onDrain(listener: () => void): void; end(): void }): void;
  /** Rows and columns, now and whenever they change; null without a terminal. */
  onSize(listener: (rows: number, columns: number) => void): void;
  /** Everything that was given to `output` has left this process. */
  flushed(): Promise<void>;
}

export function openAgentStreams({ stdio, terminal }: Pick<ApplyContext, 'stdio' | 'terminal'>): AgentStreams {
  return terminal === null ? plainStreams(stdio) : terminalStreams(terminal.slaveFd);
}

function plainStreams([input, out, errors]: ApplyContext['stdio']): AgentStreams {
  const stdin = input === 'pipe' ? new PassThrough() : null;
  const sink = (mode: ApplyContext['stdio'][1], own: Writable): Writable | null =>
    mode === 'inherit' ? own : mode === 'pipe' ? new PassThrough() : null;
  const targets = { stdout: sink(out, process.stdout), stderr: sink(errors, process.stderr) };
  const source: Readable | null = input === 'inherit' ? process.stdin : stdin;
  return {
    terminal: false,
    stdin,
    stdout: targets.stdout instanceof PassThrough ? targets.stdout : null,
    stderr: targets.stderr instanceof PassThrough ? targets.stderr : null,
    output: (stream, chunk) => {
      targets[stream]?.write(chunk);
    },
    listen: (agent) => {
      if (source === null) agent.end();
      else join(source, agent);
    },
    onSize: () => undefined,
    flushed: () => flush(Object.values(targets)),
    [Symbol.dispose]: () => {
      for (const target of Object.values(targets)) if (target instanceof PassThrough) target.end();
      if (source === process.stdin) source.pause();
    },
  };
}

/** The container has a terminal of its own, so this side of ours only passes on: raw, and as large. */
function terminalStreams(slaveFd: number): AgentStreams {
  // The caller closes its own when the agent begins.
  const held = fs.openSync(`/proc/self/fd/${String(slaveFd)}`, 'r+');
  const again = (): number => fs.openSync(`/proc/self/fd/${String(held)}`, 'r+');
  const input = new tty.ReadStream(again());
  const output = new tty.WriteStream(again());
  for (const stream of [input, output]) stream.on('error', () => stream.destroy());
  input.setRawMode(true);
  const undo: (() => void)[] = [];
  return {
    terminal: true,
    stdin: null,
    stdout: null,
    stderr: null,
    output: (_stream, chunk) => {
      output.write(chunk);
    },
    listen: (agent) => {
      join(input, agent);
    },
    onSize: (listener) => {
      let told = '';
      const look = (): void => {
        if (output.destroyed) return;
        const { rows, columns } = sizeOf(again());
        const now = `${String(rows)}x${String(columns)}`;
        if (now === told || rows === 0) return;
        told = now;
        listener(rows, columns);
      };
      look();
      // The pty is resized by whoever holds its other side, a moment after the operator's own terminal was.
      const changed = (): void => {
        for (const wait of RESIZE_LOOKS_MS) setTimeout(look, wait).unref();
      };
      process.on('SIGWINCH', changed);
      undo.push(() => process.off('SIGWINCH', changed));
    },
    flushed: () => flush([output]),
    [Symbol.dispose]: () => {
      if (output.destroyed) return;
      for (const step of undo) step();
      input.destroy();
      output.destroy();
      fs.closeSync(held);
    },
  };
}

/** A stream asks for its size when it is made, and never again. */
function sizeOf(fd: number): { readonly rows: number; readonly columns: number } {
  const stream = new tty.WriteStream(fd);
  const { rows, columns } = stream;
  stream.destroy();
  return { rows, columns };
}

const RESIZE_LOOKS_MS = [20, 100, 400];

/** As fast as the slower side, and an end is an end. */
function join(
  source: Readable,
  agent: { write(chunk: Buffer): boolean; onDrain(listener: () => void): void; end(): void },
): void {
  source.on('data', (chunk: Buffer) => {
    if (!agent.write(chunk)) source.pause();
  });
  agent.onDrain(() => source.resume());
  source.once('end', () => {
    agent.end();
  });
  source.resume();
}

async function flush(targets: readonly (Writable | null)[]): Promise<void> {
  await Promise.all(
    targets.map(
      (target) =>
        new Promise<void>((resolve) => {
          if (target === null || target.destroyed || target.writableEnded) resolve();
          else
            target.write('', () => {
              resolve();
            });
        }),
    ),
  );
}
