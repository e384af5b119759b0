import fs from 'node:fs';
import path from 'node:path';
import type { HomePaths } from './paths.ts';

/**
 * Records outlive their bottles: `~/.bot-bottle/audit/<slug>.<start>/`, a directory for each start. The state of a bottle
 * goes when its work is home; what it did stays on record.
 */
export function auditRoot(home: string): string {
  return path.join(home, 'audit');
}

export function auditDirectory({ home }: HomePaths, slug: string, startedAt: string): string {
  return path.join(auditRoot(home), `${slug}.${startedAt.replace(/[-:]/g, '')}`);
}

/** Oldest first; of one bottle, or of all. */
export function listAudits({ home }: HomePaths, slug: string | null): readonly string[] {
  const root = auditRoot(home);
  if (!fs.existsSync(root)) return [];
  const names = fs.readdirSync(root).filter((name) => slug === null || name.startsWith(`${slug}.`));
  const start = (name: string): string => name.slice(name.indexOf('.') + 1);
  return names.sort((left, right) => start(left).localeCompare(start(right))).map((name) => path.join(root, name));
}
