import { spawn } from 'node:child_process';
import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';

/**
 * A listening socket that this process holds but never accepts on. Node begins to accept on whatever it listens on
 * itself; a socket that arrives as a bare handle from another process stays quiet, so a child binds it and is gone.
 */
export interface HeldListener {
  readonly fd: number;
  readonly host: string;
  readonly port: number;
  close(): void;
}

const CHILD = `
const server = require('node:net').createServer();
server.once('error', (failure) => process.send({ error: failure.message }, () => process.exit(1)));
server.listen({ host: process.argv[1], port: Number(process.argv[2]) }, () => {
  const { address, port } = server.address();
  process.send({ host: address, port }, server._handle, { keepOpen: false }, () => process.exit(0));
});`;

const MessageSchema = z.union([z.object({ error: z.string() }), z.object({ host: z.string(), port: z.int() })]);

export function holdListener(wanted: { readonly host: string; readonly port: number }): Promise<HeldListener> {
  const failed = (why: string): BottleError =>
    new BottleError('listen_failed', { message: `can't listen on ${wanted.host}:${String(wanted.port)}: ${why}` });
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', CHILD, wanted.host, String(wanted.port)], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: {},
    });
    child.once('error', (failure) => {
      reject(failed(failure.message));
    });
    child.once('exit', () => {
      reject(failed('the process that binds it ended'));
    });
    child.once('message', (message, handle) => {
      const said = MessageSchema.parse(message);
      if ('error' in said) {
        reject(failed(said.error));
        return;
      }
      if (!isSocketHandle(handle)) {
        reject(failed('the socket did not arrive'));
        return;
      }
      keepAlive.add(handle);
      const close = (): void => {
        if (keepAlive.delete(handle)) handle.close();
      };
      resolve({ ...said, fd: handle.fd, close });
    });
  });
}

interface SocketHandle {
  readonly fd: number;
  close(): void;
}

/** A handle that nobody refers to is closed by the collector. */
const keepAlive = new Set<SocketHandle>();

function isSocketHandle(value: unknown): value is SocketHandle {
  return (
    typeof value === 'object' &&
    value !== null &&
    'fd' in value &&
    typeof value.fd === 'number' &&
    value.fd >= 0 &&
    'close' in value &&
    typeof value.close === 'function'
  );
}
