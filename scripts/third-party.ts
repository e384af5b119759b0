import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

/** The licence of each package whose code was bundled: their terms ask that it travels with the code. */
const PackageSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });

/** The package directory that a bundled module came from, or null for our own sources. */
export function packageDirectoryOf(moduleId: string): string | null {
  const match = /^(?<directory>.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(moduleId);
  return match?.groups?.['directory'] ?? null;
}

export function thirdPartyNotices(moduleIds: readonly string[]): string {
  const directories = new Set(moduleIds.map(packageDirectoryOf).filter((directory) => directory !== null));
  const notices = [...directories].sort().map((directory) => {
    const manifest = PackageSchema.parse(JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')));
    return `${manifest.name} ${manifest.version} (${manifest.license})\n\n${licenceText(directory, manifest.name)}\n`;
  });
  return ['bot-bottle contains code of these packages.\n', ...notices].join(`\n${'-'.repeat(80)}\n\n`);
}

/** Texts of packages whose archive lacks the licence that their repository has. */
const KEPT = path.join(import.meta.dirname, 'licences');

function licenceText(directory: string, packageName: string): string {
  const file = fs.readdirSync(directory).find((name) => /^licen[cs]e/i.test(name));
  const kept = path.join(KEPT, `${packageName}.txt`);
  if (file === undefined && fs.existsSync(kept)) return fs.readFileSync(kept, 'utf8').trim();
  if (file === undefined) throw new Error(`${directory} has no licence file; its code can't be bundled without it`);
  return fs.readFileSync(path.join(directory, file), 'utf8').trim();
}
