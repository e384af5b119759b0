import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { z } from 'zod';
import { assetPath } from './assets.ts';

/**
 * A pseudo-terminal: the agent has one of its own, so that what it does to its terminal (modes, jobs, sizes, injected
 * input) is done to this one and not to the operator's. Held by a process of its own, `pty-helper.ts`, which says why.
 */
export interface Pty extends Disposable {
  /** For the agent's standard streams; closed by `handedOver`. */
  readonly slaveFd: number;
  /** What the agent writes. */
  onData(listener: (chunk: Buffer) => void): void;
  /** Resolves when nobody has the agent's side open any more and all that was written has been given out. */
  readonly ended: Promise<void>;
  write(data: Uint8Array): void;
  resize(size: TerminalSize): void;
  /** The agent has its copies: ours is closed, so that the end can be seen. */
  handedOver(): void;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

const HelloSchema = z.object({ name: z.string().nullable() });

/** Null where the package for this platform is not installed: then there is no pty to be had. */
export async function openPty({ columns, rows }: TerminalSize): Promise<Pty | null> {
  const helper = spawn(process.execPath, [assetPath('pty-helper.js'), String(columns), String(rows)], {
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
    env: {},
    cwd: '/',
  });
  const name = await nameOf(helper);
  if (name === null) return null;
  // Node's own open marks the descriptor close-on-exec, which node-pty's does not; and it must not become our terminal.
  const slaveFd = fs.openSync(name, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  helper.send({ order: 'close-slave' });
  return new HeldPty(helper, slaveFd);
}

function nameOf(helper: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => {
    helper.once('message', (message) => {
      const hello = HelloSchema.safeParse(message);
      resolve(hello.success ? hello.data.name : null);
    });
    helper.once('exit', () => {
      resolve(null);
    });
    helper.once('error', () => {
      resolve(null);
    });
  });
}

class HeldPty implements Pty {
  readonly slaveFd: number;
  readonly ended: Promise<void>;
  readonly #helper: ChildProcess;
  #slaveOpen = true;

  constructor(helper: ChildProcess, slaveFd: number) {
    this.#helper = helper;
    this.slaveFd = slaveFd;
    this.ended = new Promise((resolve) => {
      helper.stdout?.once('end', () => {
        resolve();
      });
    });
    helper.stdin?.on('error', () => {
      // The agent has gone, and the helper with it: what was typed has no reader.
      helper.stdin?.destroy();
    });
  }

  onData(listener: (chunk: Buffer) => void): void {
    this.#helper.stdout?.on('data', listener);
  }

  write(data: Uint8Array): void {
    this.#helper.stdin?.write(data);
  }

  resize(size: TerminalSize): void {
    if (this.#helper.connected) this.#helper.send({ order: 'resize', ...size });
  }

  handedOver(): void {
    if (this.#slaveOpen) fs.closeSync(this.slaveFd);
    this.#slaveOpen = false;
  }

  [Symbol.dispose](): void {
    this.handedOver();
    if (this.#helper.connected) this.#helper.disconnect();
  }
}
