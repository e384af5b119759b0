import fs from 'node:fs';
import path from 'node:path';

/**
 * The loader and the libraries that this very node runs with. An image's own may be missing, older, or an attacker's, and
 * the probe must not be started by them (SECURITY S4).
 */
export interface NodeRuntime {
  /** By the name that programs ask for. */
  readonly files: ReadonlyMap<string, string>;
  /** Null for a node that is linked statically. */
  readonly loader: string | null;
}

export function nodeRuntime(maps: string = fs.readFileSync('/proc/self/maps', 'utf8')): NodeRuntime {
  const mapped = maps.split('\n').flatMap((line) => /\s(\/\S+)$/.exec(line)?.[1] ?? []);
  const files = new Map<string, string>();
  for (const file of new Set(mapped)) {
    const name = askedFor(path.basename(file));
    if (name !== null && SYSTEM.some((place) => file.startsWith(place))) files.set(name, file);
  }
  return { files, loader: [...files.keys()].find((name) => name.startsWith('ld-')) ?? null };
}

const SYSTEM = ['/lib', '/usr/lib', '/usr/local/lib', '/nix/store'];

/** `libstdc++.so.6.0.30` is asked for as `libstdc++.so.6`. */
function askedFor(file: string): string | null {
  return /^((?:lib|ld-).*?\.so(?:\.\d+)?)(?:\.|$)/.exec(file)?.[1] ?? null;
}

/** Copies of them: a few megabytes, in one directory that is shown whole. */
export function stageRuntime({ files }: NodeRuntime, directory: string): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const [name, source] of files) {
    const target = path.join(directory, name);
    fs.copyFileSync(source, target, fs.constants.COPYFILE_FICLONE);
    fs.chmodSync(target, 0o755);
  }
}
