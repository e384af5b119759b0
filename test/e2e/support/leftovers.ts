import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { World } from './world.ts';

/**
 * All that bottles of this world have left on the machine, however they ended: runtime directories, processes that work
 * on it, mounts and control groups. Nothing is what there should be.
 */
export function leftovers(world: World): readonly string[] {
  return [...runtimeDirectories(world), ...processesOf(world), ...mountsOf(world)];
}

/** Where this user's bottles have their sockets; others' directories are theirs. */
export function runtimePlaces(): readonly string[] {
  const uid = process.getuid?.() ?? 0;
  const own = path.join('/tmp', `bot-bottle-${String(uid)}`);
  return uid === 0 ? ['/run/bot-bottle', own] : [own];
}

function runtimeDirectories(world: World): readonly string[] {
  const mark = `.${crypto.hash('sha256', world.home, 'hex').slice(0, 8)}`;
  return runtimePlaces().flatMap((place) =>
    fs.existsSync(place)
      ? fs
          .readdirSync(place)
          .filter((name) => name.endsWith(mark))
          .map((name) => path.join(place, name))
      : [],
  );
}

/** Ours carry the world's paths in their arguments, or work in them. */
function processesOf(world: World): readonly string[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const command = contentOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
      return command.includes(world.home) && !/^\S*tmux /.test(command) ? [`process ${pid}: ${command}`] : [];
    });
}

/** Whose environment names this world: what the operator started in it, and their shells. */
export function processesIn(world: World): readonly { readonly pid: number; readonly command: string }[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && contentOf(`/proc/${name}/environ`).includes(world.home))
    .map((name) => ({
      pid: Number(name),
      command: contentOf(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim(),
    }));
}

function mountsOf(world: World): readonly string[] {
  return contentOf('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(world.root))
    .map((line) => `mount ${line}`);
}

function contentOf(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    // Gone meanwhile.
    return '';
  }
}
