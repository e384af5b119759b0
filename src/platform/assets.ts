import fs, { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BottleError } from '../kernel/errors.ts';

/** The self-contained files that `scripts/build.ts` makes; what runs in a sandbox is one of these and the node binary. */
export const ASSET_NAMES = [
  'cli.js',
  'cli-command-line.js',
  'cli-inbox.js',
  'egress.js',
  'git-gate.js',
  'init.js',
  'netns-helper.js',
  'probe.js',
  'pty-helper.js',
  'supervise.js',
] as const;
export type AssetName = (typeof ASSET_NAMES)[number];

/** What runs beside the launcher, some of it again after hours. */
const HELD = ['egress.js', 'git-gate.js', 'init.js', 'netns-helper.js', 'probe.js', 'supervise.js'] as const;
export type HeldAsset = (typeof HELD)[number];

/** Stands where the build writes which build it is. */
export const BUILD_MARK = 'build-of-sources';
/** From sources, nothing says which build `dist/` is of, and all is as the set-up made it. */
const FROM_SOURCES = 'sources';

/** The installation: this module runs as `src/platform/assets.ts` or inside a bundled file of `dist/`. */
export function installRoot(moduleDirectory: string = import.meta.dirname): string {
  return basename(moduleDirectory) === 'dist' ? dirname(moduleDirectory) : dirname(dirname(moduleDirectory));
}

/** Absolute path of a bundled file, which exists. */
export function assetPath(name: AssetName): string {
  const path = join(installRoot(), 'dist', name);
  if (existsSync(path)) return path;
  throw new BottleError('tool_missing', {
    message: `the installation lacks dist/${name}`,
    hint: rebuild(),
  });
}

const rebuild = (): string => `npm --prefix ${installRoot()} run build`;

/**
 * The files of the installation as they were when they were taken hold of. A launch lays them out in a directory of its
 * own and runs what is there: whatever becomes of the installation meanwhile, it is of one piece, on a restart hours
 * later too.
 */
export interface HeldProgram {
  /** Answers how to take it away again. */
  layOut(directory: string): () => void;
}

/** Null while the installation is being replaced: some of it is not of the build that this process is of. */
export function holdProgram(): HeldProgram | null {
  const held = HELD.map((name) => {
    const path = assetPath(name);
    return { name, path, fd: openOrNull(path) };
  });
  const whole = held.filter(({ fd }) => fd !== null && isOfOurBuild(fd));
  if (whole.length < held.length) {
    for (const { fd } of held) if (fd !== null) fs.closeSync(fd);
    return null;
  }
  return {
    layOut: (directory) => {
      const remove = (): void => {
        fs.rmSync(directory, { recursive: true, force: true });
      };
      remove();
      fs.mkdirSync(directory, { mode: 0o700 });
      for (const { name, path, fd } of held) layOut(path, fd ?? -1, join(directory, name));
      return remove;
    },
  };
}

/** Where `layOut` has put a file. */
export function heldPath(directory: string, name: HeldAsset): string {
  return join(directory, name);
}

/** A link costs nothing; where it can't be made, or is one to what came later, the content is copied. */
function layOut(path: string, fd: number, target: string): void {
  try {
    fs.linkSync(path, target);
    if (fs.statSync(target).ino === fs.fstatSync(fd).ino) return;
    fs.rmSync(target);
  } catch (failure) {
    // Another file system, somebody else's file, or gone by now.
    if (!(failure instanceof Error && 'code' in failure)) throw failure;
  }
  fs.copyFileSync(`/proc/self/fd/${String(fd)}`, target);
}

function isOfOurBuild(fd: number): boolean {
  if (ownBuild() === FROM_SOURCES) return true;
  const last = Buffer.alloc(BUILD_MARK.length);
  const read = fs.readSync(fd, last, 0, last.length, Math.max(fs.fstatSync(fd).size - last.length - 1, 0));
  return last.toString('latin1', 0, read) === ownBuild();
}

/** The build replaces the mark in this text, and so tells this process what it is of. */
function ownBuild(): string {
  const own: string = BUILD_MARK;
  return own.startsWith('build') ? FROM_SOURCES : own;
}

function openOrNull(path: string): number | null {
  try {
    return fs.openSync(path, 'r');
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
    throw failure;
  }
}

/** For when `holdProgram` goes on answering null. */
export function mixedInstallation(): BottleError {
  return new BottleError('tool_missing', {
    message: 'the files of the installation are not of one build',
    hint: rebuild(),
  });
}
