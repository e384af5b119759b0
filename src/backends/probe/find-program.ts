import fs from 'node:fs';
import path from 'node:path';

/** As a shell finds it: a name with a slash is a path, another is looked for along PATH. */
export function findProgram(name: string, searchPath: string): string | null {
  if (name === '') return null;
  if (name.includes('/')) return fs.existsSync(name) ? path.resolve(name) : null;
  const places = searchPath.split(':').map((place) => path.join(place === '' ? '.' : place, name));
  return places.find(isProgram) ?? places.find((file) => fs.existsSync(file)) ?? null;
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return false;
    throw failure;
  }
}
