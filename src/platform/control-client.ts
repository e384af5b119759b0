import { connect, type Socket } from 'node:net';
import type { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { ControlMessageSchema } from '../schema/control.ts';
import { decodeJson } from '../schema/json.ts';
import { LineReader } from './line-reader.ts';

/** A byte stream to a socket of ours, by its path. */
export function connectToSocket(path: string): Socket {
  return connect({ path });
}

interface PendingCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (failure: BottleError) => void;
}

/** The host's end of a service's control socket. Counterpart: `control-socket.ts`. */
export class ControlClient implements Disposable {
  readonly #socket: Socket;
  readonly #nonce: string;
  readonly #pending = new Map<number, PendingCall>();
  readonly #listeners = new Set<(method: string, params: unknown) => void>();
  readonly #closed: Promise<void>;
  #lastId = 0;

  private constructor(socket: Socket, nonce: string) {
    this.#socket = socket;
    this.#nonce = nonce;
    const lines = new LineReader(LIMITS.controlLineBytes);
    socket.on('data', (chunk: Buffer) => {
      const complete = lines.push(chunk);
      if (complete === null) socket.destroy();
      else for (const line of complete) this.#receive(line);
    });
    socket.on('error', () => socket.destroy());
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        for (const call of this.#pending.values()) call.reject(unreachable('it closed the connection'));
        this.#pending.clear();
        resolve();
      });
    });
  }

  static connect(path: string, nonce: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', (cause) => {
        reject(unreachable(path, cause));
      });
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new ControlClient(socket, nonce));
      });
    });
  }

  /** Settles when the service has gone or the client was disposed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  async call<Schema extends z.ZodType>(
    method: string,
    schema: Schema,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<z.output<Schema>> {
    if (this.#socket.destroyed) throw unreachable('the connection is closed');
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#socket.write(
      `${JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, nonce: this.#nonce } })}\n`,
    );
    const parsed = schema.safeParse(await answer);
    if (!parsed.success) throw unreachable(`it answered ${method} in an unknown form`, parsed.error);
    return parsed.data;
  }

  onNotification(listener: (method: string, params: unknown) => void): void {
    this.#listeners.add(listener);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #receive(line: string): void {
    const message = decodeJson(ControlMessageSchema, line);
    if (!message.ok) {
      this.#socket.destroy();
      return;
    }
    if ('method' in message.value) {
      for (const listener of this.#listeners) listener(message.value.method, message.value.params);
      return;
    }
    const { id, result, error } = message.value;
    const call = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (call === undefined || typeof id !== 'number') return;
    this.#pending.delete(id);
    if (error === undefined) call.resolve(result);
    else call.reject(new BottleError('config_invalid', { message: `the service refused: ${error.message}` }));
  }
}

function unreachable(why: string, cause?: unknown): BottleError {
  return new BottleError('bundle_ended', {
    message: `the service's control socket does not answer: ${why}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
