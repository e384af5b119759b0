import { BottleError } from '../kernel/errors.ts';
import type { Random } from '../ports/random.ts';

/** Longest slug: it is part of socket paths and of file names. */
const SLUG_MAX = 63;

/** `<agent>-<5 base36>`: sixty million names per agent; a collision is met by asking again. */
export function freshSlug(agent: string, random: Random): string {
  const bytes = random.bytes(5);
  const suffix = Array.from(bytes, (byte) => (byte % 36).toString(36)).join('');
  return `${agent.slice(0, SLUG_MAX - 6)}-${suffix}`;
}

/** A label as a slug: lower case, everything else a single dash. */
export function slugFromLabel(label: string): string {
  const slug = label
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, SLUG_MAX);
  if (slug === '') {
    throw new BottleError('usage', { message: `--label "${label}" has no letter or digit to name the bottle by` });
  }
  return slug;
}
