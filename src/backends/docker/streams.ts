import type { Duplex } from 'node:stream';
import { BottleError } from '../../kernel/errors.ts';
import { KiB } from '../../kernel/limits.ts';
import { PROBE_SAYS } from '../probe/frames.ts';
import type { AgentStreams } from './agent-streams.ts';

/**
 * A container's own streams. Until the gate opens they are the probe's, whose words are lines; from its last word on
 * every byte is the agent's.
 */
export class ContainerStreams {
  readonly report: Promise<string>;
  /** The agent is about to run: what comes from here on is its own. */
  readonly begun: Promise<void>;
  readonly ended: Promise<void>;
  readonly #socket: Duplex;
  readonly #demux: ((chunk: Buffer) => readonly Block[]) | null;
  readonly #sinks: { stdout: (chunk: Buffer) => void; stderr: (chunk: Buffer) => void };
  readonly #report = Promise.withResolvers<string>();
  readonly #begun = Promise.withResolvers<undefined>();
  #agents = false;
  #held: Buffer = Buffer.alloc(0);
  #complaint = '';

  constructor(
    socket: Duplex,
    options: {
      /** A terminal has one stream, as it is; otherwise two, in frames. */
      readonly terminal: boolean;
      readonly stdout: (chunk: Buffer) => void;
      readonly stderr: (chunk: Buffer) => void;
    },
  ) {
    this.#socket = socket;
    this.#demux = options.terminal ? null : demultiplexer();
    this.#sinks = { stdout: options.stdout, stderr: options.stderr };
    this.report = this.#report.promise;
    this.begun = this.#begun.promise;
    this.ended = new Promise((resolve) => {
      socket.once('close', resolve);
      socket.once('end', resolve);
    });
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    const gone = (): void => {
      const early = new BottleError('launch_failed', {
        message: `the container ended before it was ready${this.#lastWords()}`,
        hint: 'bot-bottle doctor',
      });
      this.#report.reject(early);
      this.#begun.reject(early);
    };
    this.ended.then(gone, gone);
    this.report.catch(() => undefined);
    this.begun.catch(() => undefined);
  }

  write(chunk: Buffer | string): boolean {
    return this.#socket.write(chunk);
  }

  onDrain(listener: () => void): void {
    this.#socket.on('drain', listener);
  }

  /** The agent's standard input ends. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const blocks = this.#demux === null ? [{ stream: 'stdout' as const, bytes: chunk }] : this.#demux(chunk);
    for (const { stream, bytes } of blocks) {
      if (this.#agents) this.#sinks[stream](bytes);
      else if (stream === 'stderr') this.#words(bytes);
      else this.#probeSpeaks(bytes);
    }
  }

  #probeSpeaks(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    if (this.#held.length > REPORT_BYTES) {
      this.#report.reject(
        new BottleError('not_confined', { message: 'the confinement probe reported more than any probe of ours does' }),
      );
      this.#socket.destroy();
      return;
    }
    for (let end = this.#held.indexOf(NEWLINE); end >= 0 && !this.#agents; end = this.#held.indexOf(NEWLINE)) {
      const line = this.#held.toString('utf8', 0, end).trimEnd();
      this.#held = this.#held.subarray(end + 1);
      this.#line(line);
    }
    if (this.#agents && this.#held.length > 0) {
      this.#sinks.stdout(this.#held);
      this.#held = Buffer.alloc(0);
    }
  }

  /** Lines of others, a terminal's echo of what it was told, say nothing. */
  #line(line: string): void {
    if (!line.startsWith(PROBE_SAYS)) return;
    const said = line.slice(PROBE_SAYS.length).trim();
    if (said.startsWith('report ')) this.#report.resolve(said.slice('report '.length));
    if (said !== 'go') return;
    this.#agents = true;
    this.#begun.resolve(undefined);
  }

  #words(bytes: Buffer): void {
    this.#complaint = `${this.#complaint}${bytes.toString('utf8')}`.slice(-4 * KiB);
  }

  #lastWords(): string {
    return this.#complaint === '' ? '' : `: ${this.#complaint.trim()}`;
  }
}

export function joinStreams(socket: Duplex, streams: AgentStreams): ContainerStreams {
  return new ContainerStreams(socket, {
    terminal: streams.terminal,
    stdout: (chunk) => {
      streams.output('stdout', chunk);
    },
    stderr: (chunk) => {
      streams.output('stderr', chunk);
    },
  });
}

/** The agent runs: what the operator types and how large their terminal is reaches it from here on. */
export function letHear(
  streams: AgentStreams,
  attached: ContainerStreams,
  resize: (rows: number, columns: number) => void,
): void {
  streams.onSize(resize);
  streams.listen({
    write: (chunk) => attached.write(chunk),
    onDrain: (listener) => {
      attached.onDrain(listener);
    },
    end: () => {
      attached.end();
    },
  });
}

const NEWLINE = 0x0a;
const REPORT_BYTES = 256 * KiB;

interface Block {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

const HEADER_BYTES = 8;
const STDERR = 2;

/** The engine's framing of two streams on one connection: kind, three zeroes, a 32-bit length, the bytes. */
export function demultiplexer(): (chunk: Buffer) => readonly Block[] {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const blocks: Block[] = [];
    while (held.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + held.readUInt32BE(4);
      if (held.length < end) break;
      blocks.push({ stream: held[0] === STDERR ? 'stderr' : 'stdout', bytes: held.subarray(HEADER_BYTES, end) });
      held = held.subarray(end);
    }
    return blocks;
  };
}
