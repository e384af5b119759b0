/**
 * Some tests start bottles as an ordinary user, who must be able to reach the clone. Root's clone may lie where nobody
 * else can enter (`/root`, a directory of mktemp's); then the tests run in a mount namespace of their own, in which it
 * also lies where everybody can. Nothing of the host changes.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const BIND = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"';

/** The topmost directory on the way to `place` that others can't enter, or null. */
export function closedAncestor(place: string): string | null {
  const parent = path.dirname(place);
  const above = parent === place ? null : closedAncestor(parent);
  if (above !== null) return above;
  return (fs.statSync(place).mode & 0o001) === 0 ? place : null;
}

/** Where the clone can be shown to everybody, as long as this is disposed of afterwards; null if root can't mount. */
export function openPlace(): (Disposable & { readonly directory: string }) | null {
  const base = [os.tmpdir(), '/run'].find((directory) => closedAncestor(directory) === null);
  if (base === undefined || spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' }).status !== 0) return null;
  const holder = fs.mkdtempSync(path.join(base, 'bot-bottle-tests-'));
  fs.chmodSync(holder, 0o711);
  const directory = path.join(holder, 'clone');
  fs.mkdirSync(directory);
  return {
    directory,
    [Symbol.dispose]: () => {
      // Only what is empty goes: the bind was made in a namespace that has ended.
      fs.rmdirSync(directory);
      fs.rmdirSync(holder);
    },
  };
}

/** Argv that runs `command` with `root` bound to `directory`, there. */
export function planBound(root: string, directory: string, command: readonly string[]): readonly string[] {
  return ['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', BIND, 'bind', root, directory, ...command];
}
