import { KiB, LIMITS } from '../kernel/limits.ts';
import { SpillFile, sweepSpills } from '../platform/spill-file.ts';
import type { Reason } from '../schema/decision.ts';

/**
 * Where bodies wait that must be whole before any of them leaves (SECURITY S16, S17): in memory up to a bound, beyond it
 * in a file without a name, and not at all beyond the next. What is put in on the way out is never among them.
 */
export interface HoldRefusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly reason: Reason;
  readonly detail: string;
}

const BLOCK_BYTES = 64 * KiB;

/** What all requests of one gateway hold together. */
export class HoldStore {
  /** In memory, WebSocket messages among it. */
  heldBytes = 0;
  /** In files. */
  spilledBytes = 0;
  readonly #directory: string;
  #turn: Promise<void> = Promise.resolve();

  /** `directory`: this gateway's own, for its files. */
  constructor(directory: string) {
    sweepSpills(directory);
    this.#directory = directory;
  }

  hold(): Held {
    return new Held(this, this.#directory);
  }

  /** One at a time: what has to be in memory whole is there once, however many wait for it. */
  async alone<Value>(action: () => Promise<Value>): Promise<Value> {
    const before = this.#turn;
    let finish = (): void => undefined;
    this.#turn = new Promise((resolve) => {
      finish = resolve;
    });
    await before;
    try {
      return await action();
    } finally {
      finish();
    }
  }
}

/** One body's bytes, in the order in which they came. */
export class Held {
  readonly #store: HoldStore;
  readonly #directory: string;
  readonly #memory = new Pages();
  #spill: SpillFile | null = null;
  #size = 0;
  #released = false;

  constructor(store: HoldStore, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  get size(): number {
    return this.#size;
  }

  /** Null when they are held now. Waits for the disk, and with it whoever sends them. */
  async append(blocks: readonly Uint8Array[], bodyBytes: number = LIMITS.heldBodyBytes): Promise<HoldRefusal | null> {
    const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
    const { heldBytes, spilledBytes } = this.#store;
    if (this.#size + bytes > bodyBytes) return tooLarge(bodyBytes);
    if (heldBytes + spilledBytes + bytes > LIMITS.heldTotalBytes) return full();
    const short = this.#size + bytes <= LIMITS.heldBodyMemoryBytes && heldBytes + bytes <= LIMITS.heldMemoryTotalBytes;
    if (this.#spill === null && short) {
      this.#memory.append(blocks);
      this.#store.heldBytes += bytes;
      this.#size += bytes;
      return null;
    }
    try {
      await this.#write(blocks, bytes);
    } catch (failure) {
      return noRoom(failure);
    }
    return null;
  }

  /** What follows `from`, a block of it and nothing beyond `to`; null when it is held no more. */
  async read(from: number, to: number): Promise<Uint8Array | null> {
    if (this.#released) return null;
    if (this.#spill === null) return this.#memory.read(from, to);
    return this.#spill.read(from, Math.min(BLOCK_BYTES, to - from));
  }

  /** Gives its share back; nothing is read after it. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    this.#memory.clear();
    if (this.#spill === null) {
      this.#store.heldBytes -= this.#size;
      return;
    }
    this.#store.spilledBytes -= this.#size;
    await this.#spill[Symbol.asyncDispose]();
  }

  /** Counted before it is written: others see at once that there is less room. */
  async #write(blocks: readonly Uint8Array[], bytes: number): Promise<void> {
    const before = this.#memory.clear();
    if (this.#spill === null) {
      this.#spill = await SpillFile.open(this.#directory);
      this.#store.heldBytes -= this.#size;
      this.#store.spilledBytes += this.#size;
    }
    this.#size += bytes;
    this.#store.spilledBytes += bytes;
    await this.#spill.append(Buffer.concat([...before, ...blocks]));
  }
}

const SMALLEST_PAGE_BYTES = KiB;

/** Copied into pages: a body that came in a million pieces takes no more memory than one that came in ten. */
class Pages {
  #pages: { readonly bytes: Uint8Array; used: number }[] = [];
  #size = 0;

  append(blocks: readonly Uint8Array[]): void {
    for (const block of blocks) {
      for (let at = 0; at < block.length;) {
        const page = this.#open();
        const taken = Math.min(page.bytes.length - page.used, block.length - at);
        page.bytes.set(block.subarray(at, at + taken), page.used);
        page.used += taken;
        at += taken;
        this.#size += taken;
      }
    }
  }

  read(from: number, to: number): Uint8Array | null {
    let start = 0;
    for (const { bytes, used } of this.#pages) {
      if (from < start + used) return bytes.subarray(from - start, Math.min(used, to - start));
      start += used;
    }
    return null;
  }

  /** Empties it, and gives what was in it. */
  clear(): readonly Uint8Array[] {
    const blocks = this.#pages.map(({ bytes, used }) => bytes.subarray(0, used));
    this.#pages = [];
    this.#size = 0;
    return blocks;
  }

  #open(): { readonly bytes: Uint8Array; used: number } {
    const last = this.#pages.at(-1);
    if (last !== undefined && last.used < last.bytes.length) return last;
    const page = {
      bytes: new Uint8Array(Math.min(Math.max(this.#size, SMALLEST_PAGE_BYTES), BLOCK_BYTES)),
      used: 0,
    };
    this.#pages.push(page);
    return page;
  }
}

function tooLarge(bodyBytes: number): HoldRefusal {
  const detail = `a body that must be held whole to be scanned, over ${String(bodyBytes)} bytes`;
  return { kind: 'refused', status: 403, reason: 'unscannable', detail };
}

function full(): HoldRefusal {
  const detail = `too many bodies are held for scanning, ${String(LIMITS.heldTotalBytes)} bytes together at most`;
  return { kind: 'refused', status: 503, reason: 'limit_reached', detail };
}

/** The disk is full, or not ours to write on. */
function noRoom(failure: unknown): HoldRefusal {
  const code = failure instanceof Error && 'code' in failure ? String(failure.code) : 'unknown';
  const detail = `a body that must be held whole to be scanned can't be written to disk (${code})`;
  return { kind: 'refused', status: 503, reason: 'limit_reached', detail };
}
