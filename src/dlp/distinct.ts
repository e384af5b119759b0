import type { Encoding } from './encodings.ts';
import type { Finding } from './known-values.ts';

const WHOLE: ReadonlySet<Encoding> = new Set(['raw', 'percent', 'base64', 'base32', 'hex', 'reversed']);

/** One for each value and place: a part of a value says nothing that the whole, or another value's whole, does not. */
export function distinct(all: readonly Finding[]): readonly Finding[] {
  if (all.length < 2) return all;
  const whole = all.filter(({ encoding }) => WHOLE.has(encoding));
  const parts = all.filter(
    ({ encoding, start, end }) =>
      !WHOLE.has(encoding) && !whole.some((other) => other.start <= start && end <= other.end),
  );
  const found = [...whole];
  for (const part of parts.sort((left, right) => left.start - right.start)) {
    const before = found.findIndex(
      (other) => other.name === part.name && part.start <= other.end && other.start <= part.end,
    );
    const other = found[before];
    if (other === undefined) found.push(part);
    else if (!WHOLE.has(other.encoding)) found[before] = { ...other, end: Math.max(other.end, part.end) };
  }
  return found.sort((left, right) => left.end - right.end || left.start - right.start);
}
