import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';
import { ERROR_CODES } from '../../src/kernel/errors.ts';
import { REASONS } from '../../src/schema/decision.ts';

const document = fs.readFileSync(path.join(ROOT, 'docs/errors.md'), 'utf8');
const sections = document.split(/^## /m).slice(1);

/** What the headings of the third level below a heading of the second name, in order. */
function headings(title: string): readonly (string | undefined)[] {
  const text = sections.find((section) => section.startsWith(`${title}\n`)) ?? '';
  return [...text.matchAll(/^### `(?<code>[^`]+)`$/gm)].map((match) => match.groups?.['code']);
}

describe('docs/errors.md', () => {
  it('explains every error code, and no other', () => {
    expect([...headings('Error codes')].sort()).toEqual([...ERROR_CODES].sort());
  });

  it('explains every reason of a refusal, and no other', () => {
    expect([...headings('Reasons of a refusal')].sort()).toEqual([...REASONS].sort());
  });

  it('says something about each', () => {
    const empty = [...document.matchAll(/^### `(?<code>[^`]+)`\n\n(?=#|$)/gm)].map((match) => match.groups?.['code']);
    expect(empty).toEqual([]);
  });
});
