import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { CONTROL_ERROR, ControlRequestSchema, type ControlRequest } from '../schema/control.ts';
import { decodeJson } from '../schema/json.ts';
import { LineReader } from './line-reader.ts';

export interface ControlFailure {
  readonly code: number;
  readonly message: string;
}

/** One caller; `notify` is for methods that go on telling after they have answered. */
export interface ControlPeer {
  notify(method: string, params: unknown): void;
  onClose(action: () => void): void;
}

export type ControlMethod = (
  params: Readonly<Record<string, unknown>>,
  peer: ControlPeer,
) => Result<unknown, ControlFailure> | Promise<Result<unknown, ControlFailure>>;

export interface ControlServerParts {
  /** Lies in a directory that only the owner can enter. */
  readonly path: string;
  readonly nonce: string;
  readonly methods: Readonly<Record<string, ControlMethod>>;
}

/** What a caller may leave unread before it is cut off. */
const UNREAD_BYTES = LIMITS.controlLineBytes;

/** JSON-RPC over a unix socket, bounded, every call with the nonce. Counterpart: `control-client.ts`. */
export class ControlServer implements AsyncDisposable {
  readonly #parts: ControlServerParts;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(parts: ControlServerParts) {
    this.#parts = parts;
    this.#server = createServer((socket) => {
      this.#serve(socket);
    });
  }

  static async start(parts: ControlServerParts): Promise<ControlServer> {
    const control = new ControlServer(parts);
    // A predecessor that was killed leaves its socket file behind.
    rmSync(parts.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', (cause) => {
        reject(new BottleError('listen_failed', { message: `cannot listen on ${parts.path}`, cause }));
      });
      control.#server.listen(parts.path, resolve);
    });
    chmodSync(parts.path, 0o600);
    return control;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const lines = new LineReader(LIMITS.controlLineBytes);
    const closers: (() => void)[] = [];
    const send = (message: unknown): void => {
      if (socket.destroyed) return;
      socket.write(`${JSON.stringify(message)}\n`);
      if (socket.writableLength > UNREAD_BYTES) socket.destroy();
    };
    const peer: ControlPeer = {
      notify: (method, params) => {
        send({ jsonrpc: '2.0', method, params });
      },
      onClose: (action) => {
        closers.push(action);
      },
    };
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      for (const close of closers) close();
    });
    socket.on('data', (chunk: Buffer) => {
      const complete = lines.push(chunk);
      if (complete === null) {
        socket.destroy();
        return;
      }
      for (const line of complete) void this.#answer(line, peer).then(send);
    });
  }

  async #answer(line: string, peer: ControlPeer): Promise<unknown> {
    const request = decodeJson(ControlRequestSchema, line);
    if (!request.ok) return failure(null, { code: CONTROL_ERROR.invalidRequest, message: request.error });
    const { id } = request.value;
    const outcome = await this.#call(request.value, peer);
    return outcome.ok ? { jsonrpc: '2.0', id, result: outcome.value ?? null } : failure(id, outcome.error);
  }

  async #call(request: ControlRequest, peer: ControlPeer): Promise<Result<unknown, ControlFailure>> {
    const { nonce, ...params } = request.params;
    if (!sameText(nonce, this.#parts.nonce)) {
      return err({ code: CONTROL_ERROR.unauthorised, message: 'wrong nonce' });
    }
    const method = Object.hasOwn(this.#parts.methods, request.method) ? this.#parts.methods[request.method] : undefined;
    if (method === undefined) return err({ code: CONTROL_ERROR.unknownMethod, message: 'unknown method' });
    try {
      const result = await method(params, peer);
      return result.ok ? ok(result.value) : result;
    } catch (failed) {
      return err({ code: CONTROL_ERROR.internal, message: failed instanceof Error ? failed.message : 'failed' });
    }
  }
}

/** Takes the same time whether the texts differ early, late or in length. */
export function sameText(presented: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(presented), digest(expected));
}

function failure(id: ControlRequest['id'] | null, error: ControlFailure): unknown {
  return { jsonrpc: '2.0', id, error };
}
