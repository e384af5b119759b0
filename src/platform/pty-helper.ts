/**
 * Holds one pseudo-terminal in a process of its own and passes bytes between it and two pipes. node-pty opens
 * descriptors that every later child would inherit, the other side of the agent's terminal among them; this process has
 * no children, and its native code is in no process that holds a secret. Counterpart: `pty.ts`.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import tty from 'node:tty';
import { z } from 'zod/mini';
import { installRoot } from './assets.ts';

const OrderSchema = z.union([
  z.object({ order: z.literal('close-slave') }),
  z.object({ order: z.literal('resize'), columns: z.int(), rows: z.int() }),
]);

interface NativePty {
  open(columns: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string };
  resize(fd: number, columns: number, rows: number): void;
}

function loadNative(): NativePty | null {
  const require = createRequire(path.join(installRoot(), 'package.json'));
  try {
    const loaded: unknown = require(`@lydell/node-pty-${process.platform}-${process.arch}/pty.node`);
    return isNative(loaded) ? loaded : null;
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

function isNative(value: unknown): value is NativePty {
  return (
    typeof value === 'object' &&
    value !== null &&
    'open' in value &&
    typeof value.open === 'function' &&
    'resize' in value &&
    typeof value.resize === 'function'
  );
}

function serve(native: NativePty, columns: number, rows: number): void {
  const { master, slave, pty } = native.open(columns, rows);
  const stream = new tty.ReadStream(master);
  process.on('message', (message: unknown) => {
    const order = z.safeParse(OrderSchema, message);
    if (!order.success) return;
    if (order.data.order === 'close-slave') fs.closeSync(slave);
    else if (!stream.destroyed) native.resize(master, order.data.columns, order.data.rows);
  });
  // The launcher is gone: so is whoever looked at this terminal.
  process.once('disconnect', () => {
    process.exit(0);
  });
  process.stdin.on('data', (chunk: Buffer) => {
    stream.write(chunk);
  });
  stream.on('data', (chunk: Buffer) => {
    if (process.stdout.write(chunk)) return;
    stream.pause();
    process.stdout.once('drain', () => {
      stream.resume();
    });
  });
  // Linux tells the end of the other side as EIO; what was read before still has to reach the pipe.
  const end = (): void => {
    process.stdout.end(() => {
      process.exit(0);
    });
  };
  stream.once('error', end);
  stream.once('end', end);
  process.send?.({ name: pty });
}

// Signals of the operator's terminal are for the launcher.
for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTSTP', 'SIGHUP', 'SIGTERM'] as const)
  process.on(signal, () => undefined);
const native = loadNative();
if (native === null) process.send?.({ name: null }, () => process.exit(0));
else serve(native, Number(process.argv[2]), Number(process.argv[3]));
