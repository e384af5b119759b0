import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { ok } from '../kernel/result.ts';
import { Secret } from '../kernel/secret.ts';
import { ControlClient } from '../platform/control-client.ts';
import { ControlServer } from '../platform/control-socket.ts';
import { readTextOrNull } from '../platform/processes.ts';
import { reveal } from '../platform/reveal.ts';
import type { GatedBottle } from '../ports/backend.ts';
import type { Random } from '../ports/random.ts';
import type { BottlePaths } from '../state/paths.ts';

/**
 * `exec` asks the launcher, which alone knows them, for the agent's environment and for the way in; nothing of that is
 * ever on disk. The socket lies where no bottle and no service sees it, is its owner's alone, and asks for a nonce from
 * a file that only its owner can read.
 */
export interface DoorParts {
  readonly paths: BottlePaths;
  readonly gated: GatedBottle;
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly cwd: string;
  readonly random: Random;
}

const WayInSchema = z.strictObject({ door: z.unknown(), env: z.record(z.string(), z.string()), cwd: z.string() });
export type WayIn = z.infer<typeof WayInSchema>;

const METHOD = 'way-in';
const NONCE_BYTES = 16;

export async function openDoor({ paths, gated, env, cwd, random }: DoorParts): Promise<AsyncDisposable> {
  const files = doorFiles(paths);
  const nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString('hex');
  fs.writeFileSync(files.nonce, nonce, { mode: 0o600 });
  return await ControlServer.start({
    path: files.socket,
    nonce,
    methods: {
      [METHOD]: async () => {
        const wayIn: WayIn = { door: await gated.door(), env: revealed(env), cwd };
        return ok(wayIn);
      },
    },
  });
}

/** Fails when nobody holds a door: the bottle has just ended, or its agent has not begun yet. */
export async function askWayIn(slug: string, paths: BottlePaths): Promise<WayIn> {
  const files = doorFiles(paths);
  const nonce = readTextOrNull(files.nonce);
  if (nonce === null || !fs.existsSync(files.socket)) {
    throw new BottleError('bottle_not_found', {
      message: `${slug} can't be entered: its agent does not run`,
      hint: 'bot-bottle list active',
    });
  }
  using client = await ControlClient.connect(files.socket, nonce);
  return await client.call(METHOD, WayInSchema);
}

function doorFiles({ runtime }: BottlePaths): { readonly socket: string; readonly nonce: string } {
  return { socket: path.join(runtime, 'door.sock'), nonce: path.join(runtime, 'door.nonce') };
}

function revealed(env: DoorParts['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value instanceof Secret ? reveal(value, 'pipe') : value]),
  );
}
