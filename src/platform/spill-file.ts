import fs from 'node:fs';
import fsp, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { randomBytes } from 'node:crypto';

/**
 * Bytes that wait on disk: a file that only its owner may read and that has no name from the moment it is open, so that
 * it is gone with the process, however that ends.
 */
const NAME = /^held-[0-9a-f]{16}$/;
const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

export class SpillFile implements AsyncDisposable {
  readonly #file: FileHandle;
  #size = 0;
  #closed = false;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(directory: string): Promise<SpillFile> {
    const name = path.join(directory, `held-${randomBytes(8).toString('hex')}`);
    const file = await fsp.open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await fsp.unlink(name);
    } catch (failure) {
      await file.close();
      throw failure;
    }
    return new SpillFile(file);
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#size);
      at += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  /** Null once it is closed. */
  async read(from: number, length: number): Promise<Uint8Array | null> {
    if (this.#closed) return null;
    const block = Buffer.allocUnsafe(Math.min(length, this.#size - from));
    let filled = 0;
    while (filled < block.length) {
      const { bytesRead } = await this.#file.read(block, filled, block.length - filled, from + filled);
      if (bytesRead === 0) return null;
      filled += bytesRead;
    }
    return block;
  }

  /** Waits for what is being read or written. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }
}

/** What a process left that died between making its file and taking the name away. */
export function sweepSpills(directory: string): void {
  for (const name of fs.readdirSync(directory)) if (NAME.test(name)) fs.rmSync(path.join(directory, name));
}
