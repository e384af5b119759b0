import type { Duplex } from 'node:stream';
import { LIMITS } from '../kernel/limits.ts';
import { Outbox } from './outbox.ts';

/** What the connections of one gateway share: the account of the bytes they hold in our memory, and the turn's writes. */
export class BufferMeter {
  readonly outbox = new Outbox();
  readonly #wires = new Set<Wire>();
  /** The most that any one connection ever held. */
  peak = 0;

  /** What all connections hold at this moment. */
  get held(): number {
    let sum = 0;
    for (const wire of this.#wires) sum += wire.heldBytes;
    return sum;
  }

  join(wire: Wire): void {
    this.#wires.add(wire);
  }

  leave(wire: Wire): void {
    this.#wires.delete(wire);
  }

  note(bytes: number): void {
    if (bytes > this.peak) this.peak = bytes;
  }
}

/** The connection can't be used any further; `timeout` means that we gave up on the peer. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly kind: 'gone' | 'timeout';

  constructor(kind: 'gone' | 'timeout', cause?: unknown) {
    super(kind, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (failure: WireError) => void;
}

/** Bytes, or text with one character per byte, as heads are written. */
export type Block = Uint8Array | string;

/** Up to this, blocks are copied into one: a single write costs less than several handed over together. */
const JOINED_BYTES = 16 * 1024;

/** One deadline that is set anew for each wait: a timer of its own for every read would cost more than the read. */
class Deadline {
  readonly #onExpired: () => void;
  #timer: NodeJS.Timeout | null = null;
  #afterMs = 0;

  constructor(onExpired: () => void) {
    this.#onExpired = onExpired;
  }

  set(afterMs: number): void {
    if (this.#timer !== null && this.#afterMs === afterMs) {
      this.#timer.refresh();
      return;
    }
    this.clear();
    this.#afterMs = afterMs;
    this.#timer = setTimeout(this.#onExpired, afterMs);
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/**
 * A socket as a stream of blocks that one side pulls and the other pushes, with back-pressure both ways. There is at
 * most one reader and one writer at a time; both wait with a deadline.
 */
export class Wire implements Disposable {
  readonly socket: Duplex;
  readonly #meter: BufferMeter;
  readonly #endMeansGone: boolean;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Written in this turn and not yet handed to the socket. */
  readonly #heldBack: Block[] = [];
  #heldBackBytes = 0;
  #paused = false;
  #ended = false;
  #gone = false;
  #cause: unknown;
  #reader: Waiter<Buffer | null> | null = null;
  #writer: Waiter<void> | null = null;
  #onGone: (() => void) | null = null;
  // What expires while nobody waits means nothing.
  readonly #readDeadline = new Deadline(() => {
    const reader = this.#reader;
    this.#reader = null;
    reader?.reject(new WireError('timeout'));
  });
  readonly #writeDeadline = new Deadline(() => {
    const writer = this.#writer;
    this.#writer = null;
    writer?.reject(new WireError('timeout'));
  });

  /**
   * On plain TCP a peer may end its half and go on reading. In TLS we take its end for the end of both halves, as RFC
   * 5246 (7.2.1) does: programs that are killed end this way, and what they asked for must not go on without them.
   */
  constructor(socket: Duplex, meter: BufferMeter, options: { readonly endMeansGone?: boolean } = {}) {
    this.socket = socket;
    this.#meter = meter;
    this.#endMeansGone = options.endMeansGone ?? false;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('drain', this.#onDrain);
    meter.join(this);
    if (socket.destroyed) this.#onClose();
  }

  /** Read and not asked for, or written and not taken by the kernel. */
  get heldBytes(): number {
    return this.#queuedBytes + (this.#gone ? 0 : this.#heldBackBytes + this.socket.writableLength);
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** A block is here already: the next read will not wait. */
  get readable(): boolean {
    return this.#queuedBytes > 0;
  }

  /** Nothing waits here to be read and the peer has not said that it is done: fit for another request. */
  get quiet(): boolean {
    return !this.#gone && !this.#ended && this.#queuedBytes === 0 && !this.socket.destroyed;
  }

  /** Called once when the peer has left, for whatever reason; a later call replaces an earlier one. */
  set onGone(action: (() => void) | null) {
    this.#onGone = action;
  }

  /** The next block, or null at the peer's orderly end. What arrived before a reset is still given out. */
  read(timeoutMs: number): Promise<Buffer | null> {
    const ready = this.#take();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#ended) return Promise.resolve(null);
    if (this.#gone) return Promise.reject(new WireError('gone', this.#cause));
    return new Promise((resolve, reject) => {
      this.#readDeadline.set(timeoutMs);
      this.#reader = { resolve, reject };
    });
  }

  /** Puts back what was read too far: it will be the next block. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.unshift(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#count(bytes.length);
  }

  /** False when the peer is slow and `drained` must be awaited before more is written. */
  write(block: Block): boolean {
    return this.writeAll([block]);
  }

  /** Several blocks in one go to the kernel: at once, or with what others write in this turn of the event loop. */
  writeAll(blocks: readonly Block[]): boolean {
    if (this.#gone) throw new WireError('gone', this.#cause);
    const bytes = blocks.reduce((sum, block) => sum + block.length, 0);
    const outbox = this.#meter.outbox;
    if (this.#heldBack.length > 0 || (bytes <= JOINED_BYTES && !outbox.isFirst())) {
      if (this.#heldBack.length === 0) outbox.hold(this);
      this.#heldBack.push(...blocks);
      this.#heldBackBytes += bytes;
      if (this.#heldBackBytes > JOINED_BYTES) this.flush();
    } else {
      this.#hand(blocks, bytes);
    }
    this.#meter.note(this.heldBytes);
    return !this.socket.writableNeedDrain;
  }

  /** Hands to the socket what was held back. */
  flush(): void {
    if (this.#heldBack.length === 0) return;
    const blocks = this.#heldBack.splice(0);
    const bytes = this.#heldBackBytes;
    this.#heldBackBytes = 0;
    if (!this.#gone) this.#hand(blocks, bytes);
  }

  #hand(blocks: readonly Block[], bytes: number): void {
    const [first] = blocks;
    if (blocks.length === 1 && typeof first === 'string') this.socket.write(first, 'latin1');
    else if (blocks.length === 1 && first !== undefined) this.socket.write(first);
    else if (bytes <= JOINED_BYTES) this.socket.write(joined(blocks, bytes));
    else {
      this.socket.cork();
      for (const block of blocks) this.socket.write(block, 'latin1');
      this.socket.uncork();
    }
  }

  drained(timeoutMs: number): Promise<void> {
    if (this.#gone) return Promise.reject(new WireError('gone', this.#cause));
    this.flush();
    if (!this.socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#writeDeadline.set(timeoutMs);
      this.#writer = { resolve, reject };
    });
  }

  /** Gives the socket away, paused and with everything unread put back into it. */
  release(): Duplex {
    const { socket } = this;
    this.flush();
    socket.pause();
    this.#detach();
    const unread = Buffer.concat(this.#queue.splice(0));
    this.#count(-this.#queuedBytes);
    if (unread.length > 0) socket.unshift(unread);
    // The new owner listens on its own wrapper; the bare socket must not end the process on a late reset.
    socket.on('error', () => socket.destroy());
    return socket;
  }

  /** Says that nothing more will be written; resolves when all that was written is with the kernel, or can't be. */
  async end(timeoutMs: number): Promise<void> {
    if (this.#gone) return;
    this.flush();
    const { socket } = this;
    await new Promise<void>((resolve) => {
      const deadline = new Deadline(resolve);
      const done = (): void => {
        deadline.clear();
        resolve();
      };
      // One that has ended takes nothing more as a rule, and what is written to it then may never be heard of again.
      const hurry = (): void => {
        if (this.#endMeansGone) deadline.set(Math.min(timeoutMs, LIMITS.discardMs));
      };
      deadline.set(timeoutMs);
      if (this.#ended) hurry();
      else socket.once('end', hurry);
      socket.once('close', done);
      socket.end(done);
    });
  }

  destroy(): void {
    // What was written goes out as far as the kernel takes it, as it does on a socket.
    if (!this.socket.destroyed) this.flush();
    this.socket.destroy();
    this.#onClose();
    this.#queue.length = 0;
    this.#count(-this.#queuedBytes);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const reader = this.#reader;
    if (reader !== null) {
      this.#reader = null;
      reader.resolve(chunk);
      return;
    }
    this.#queue.push(chunk);
    this.#count(chunk.length);
    if (this.#queuedBytes >= LIMITS.wireQueueBytes && !this.#paused) {
      this.#paused = true;
      this.socket.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    const reader = this.#reader;
    if (reader === null) {
      if (this.#endMeansGone) this.#leave();
      return;
    }
    this.#reader = null;
    reader.resolve(null);
  };

  readonly #onError = (failure: Error): void => {
    this.#cause ??= failure;
    // Not every failure is followed by `close` at once; a read or write must not wait for its deadline.
    this.socket.destroy();
  };

  readonly #onClose = (): void => {
    if (this.#gone) return;
    this.#gone = true;
    this.#detach();
    // A socket without an error listener would end the process on a late reset.
    this.socket.on('error', () => undefined);
    this.#reader?.reject(new WireError('gone', this.#cause));
    this.#writer?.reject(new WireError('gone', this.#cause));
    this.#reader = null;
    this.#writer = null;
    this.#leave();
  };

  readonly #onDrain = (): void => {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    writer.resolve();
  };

  #leave(): void {
    const action = this.#onGone;
    this.#onGone = null;
    action?.();
  }

  #take(): Buffer | undefined {
    const block = this.#queue.shift();
    if (block === undefined) return undefined;
    this.#count(-block.length);
    if (this.#paused && this.#queuedBytes < LIMITS.wireQueueBytes) {
      this.#paused = false;
      this.socket.resume();
    }
    return block;
  }

  #count(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#meter.note(this.heldBytes);
  }

  #detach(): void {
    this.#readDeadline.clear();
    this.#writeDeadline.clear();
    this.#meter.leave(this);
    this.socket.off('data', this.#onData);
    this.socket.off('end', this.#onEnd);
    this.socket.off('error', this.#onError);
    this.socket.off('close', this.#onClose);
    this.socket.off('drain', this.#onDrain);
  }
}

function joined(blocks: readonly Block[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const block of blocks) {
    if (typeof block === 'string') whole.write(block, at, 'latin1');
    else whole.set(block, at);
    at += block.length;
  }
  return whole;
}
