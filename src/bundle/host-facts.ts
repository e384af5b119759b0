import fs from 'node:fs';
import path from 'node:path';
import type { SystemPath } from './sandbox.ts';

/** What the sandbox plan needs to know of this machine; read once per launch. */
export function systemLibraries(): readonly SystemPath[] {
  const usr = ['/usr/lib', '/usr/lib64']
    .filter(isDirectory)
    .map((directory) => ({ kind: 'directory', path: directory }) as const);
  const top = ['/lib', '/lib64'].flatMap((directory): readonly SystemPath[] => {
    const facts = fs.lstatSync(directory, { throwIfNoEntry: false });
    if (facts === undefined) return [];
    if (facts.isSymbolicLink()) return [{ kind: 'link', path: directory, target: fs.readlinkSync(directory) }];
    return [{ kind: 'directory', path: directory }];
  });
  return [...usr, ...top];
}

/** The absolute path of a program, from the places where systems keep them; the operator's PATH plays no part. */
export function findProgram(name: string): string | null {
  const places = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin'];
  return places.map((place) => path.join(place, name)).find((file) => fs.existsSync(file)) ?? null;
}

function isDirectory(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true && !fs.lstatSync(file).isSymbolicLink();
}
