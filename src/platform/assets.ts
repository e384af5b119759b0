import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BottleError } from '../kernel/errors.ts';

/** The self-contained files that `scripts/build.ts` makes; what runs in a sandbox is one of these and the node binary. */
export const ASSET_NAMES = [
  'cli.js',
  'egress.js',
  'git-gate.js',
  'init.js',
  'netns-helper.js',
  'probe.js',
  'pty-helper.js',
] as const;
export type AssetName = (typeof ASSET_NAMES)[number];

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
    hint: `npm --prefix ${installRoot()} run build`,
  });
}
