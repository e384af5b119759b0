import fs from 'node:fs';
import tty from 'node:tty';
import { openPty, type Pty, type TerminalSize } from '../platform/pty.ts';
import { TerminalModes } from '../protocol/terminal-modes.ts';

/** The operator's own terminal, wherever the standard streams lead. */
export interface ControllingTerminal extends Disposable {
  readonly input: tty.ReadStream;
  readonly output: tty.WriteStream;
}

/** Null when there is no terminal: nobody can be asked or shown anything. */
export function openControllingTerminal(): ControllingTerminal | null {
  if (process.stdin.isTTY && process.stdout.isTTY) {
    return { input: process.stdin, output: process.stdout, [Symbol.dispose]: () => undefined };
  }
  try {
    const input = new tty.ReadStream(fs.openSync(TERMINAL, 'r'));
    const output = new tty.WriteStream(fs.openSync(TERMINAL, 'w'));
    const onResize = (): void => {
      followSize(output);
    };
    process.on('SIGWINCH', onResize);
    return {
      input,
      output,
      [Symbol.dispose]: () => {
        process.off('SIGWINCH', onResize);
        input.destroy();
        output.destroy();
      },
    };
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

const TERMINAL = '/dev/tty';

/** Node follows the window for the standard streams only; any other stream knows the size of when it was made. */
function followSize(output: tty.WriteStream): void {
  const fresh = new tty.WriteStream(fs.openSync(TERMINAL, 'w'));
  const { columns, rows } = fresh;
  fresh.destroy();
  if (columns === output.columns && rows === output.rows) return;
  output.columns = columns;
  output.rows = rows;
  output.emit('resize');
}

/** The operator's terminal joined to the agent's. */
export interface Attachment extends AsyncDisposable {
  readonly slaveFd: number;
  /** The agent is about to run: from here on every key is the agent's. */
  begin(): void;
}

/** Null where no pty can be had. */
export async function attach(terminal: ControllingTerminal): Promise<Attachment | null> {
  const pty = await openPty(sizeOf(terminal.output));
  return pty === null ? null : new PtyAttachment(terminal, pty);
}

/** Output that is still on its way when the agent has ended is waited for this long. */
const DRAIN_MS = 1_000;

class PtyAttachment implements Attachment {
  readonly slaveFd: number;
  readonly #terminal: ControllingTerminal;
  readonly #pty: Pty;
  readonly #modes = new TerminalModes();
  #begun = false;

  constructor(terminal: ControllingTerminal, pty: Pty) {
    this.#terminal = terminal;
    this.#pty = pty;
    this.slaveFd = pty.slaveFd;
  }

  begin(): void {
    const { input, output } = this.#terminal;
    this.#begun = true;
    this.#pty.handedOver();
    // The window may have changed since the pty was made.
    this.#onResize();
    this.#pty.onData((chunk) => {
      this.#modes.push(chunk);
      output.write(chunk);
    });
    input.setRawMode(true);
    input.on('data', this.#onKeys);
    input.resume();
    output.on('resize', this.#onResize);
    // However this process ends, the shell gets its terminal back as it was.
    process.once('exit', this.#restore);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#begun) {
      // With the bottle gone nobody holds the other side, and the end comes when all is read.
      await Promise.race([this.#pty.ended, new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
      this.#restore();
    }
    this.#pty[Symbol.dispose]();
  }

  readonly #onKeys = (chunk: Buffer): void => {
    this.#pty.write(chunk);
  };

  readonly #onResize = (): void => {
    this.#pty.resize(sizeOf(this.#terminal.output));
  };

  readonly #restore = (): void => {
    const { input, output } = this.#terminal;
    if (!this.#begun) return;
    this.#begun = false;
    process.off('exit', this.#restore);
    input.off('data', this.#onKeys);
    output.off('resize', this.#onResize);
    input.setRawMode(false);
    input.pause();
    const reset = this.#modes.restore();
    if (reset !== '') output.write(reset);
  };
}

function sizeOf(output: tty.WriteStream): TerminalSize {
  return { columns: output.columns > 0 ? output.columns : 80, rows: output.rows > 0 ? output.rows : 24 };
}
