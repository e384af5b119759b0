import fs from 'node:fs';
import path from 'node:path';

/**
 * Where Node keeps our own program compiled (`module.enableCompileCache`), made if need be; null if there is no place
 * that is ours alone. Whoever can write there decides what runs, so the home and this directory must belong to this user
 * and be writable by nobody else. Without a home nothing is made: not every command needs one.
 */
export function codeCacheDirectory(paths: { readonly home: string; readonly cacheRoot: string }): string | null {
  const directory = path.join(paths.cacheRoot, 'code');
  try {
    if (!isOursAlone(paths.home)) return null;
    fs.mkdirSync(paths.cacheRoot, { recursive: true, mode: 0o755 });
    if (!isOursAlone(paths.cacheRoot)) return null;
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    return isOursAlone(directory) ? directory : null;
  } catch (failure) {
    // No home yet, or one that can't be written: the command itself will say so if it needs it.
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

function isOursAlone(directory: string): boolean {
  const { uid, mode } = fs.statSync(directory);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}
