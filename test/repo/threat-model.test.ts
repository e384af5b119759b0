import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';
import { testTitles, titlesIn } from './support/test-titles.ts';

/** Guarantees, security rules, and the faults that the design makes impossible. */
const ID = /\b(?:G-[A-Z]+|S\d+b?|H\d+)\b/g;

const GUARANTEES = [
  ...['G-NET', 'G-DENY', 'G-ONE', 'G-SECRET', 'G-LEAK', 'G-REPO', 'G-PUSH', 'G-SELF', 'G-CONFINED', 'G-RECORD'],
  'G-KEEP',
];
const RULES = [...Array.from({ length: 35 }, (_, index) => `S${String(index + 1)}`), 'S6b'];
const FAULTS = Array.from({ length: 16 }, (_, index) => `H${String(index + 1)}`);

const document = fs.readFileSync(path.join(ROOT, 'THREAT-MODEL.md'), 'utf8');

/** The text below a heading, to the next heading of the same level. */
function section(title: string): string {
  const lines = document.split('\n');
  const start = lines.indexOf(`## ${title}`);
  expect(start, `THREAT-MODEL.md has a section "${title}"`).toBeGreaterThanOrEqual(0);
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '));
  return lines.slice(start + 1, end === -1 ? undefined : end).join('\n');
}

/** The first cell of each row of the tables in a section, and the last. */
function rows(title: string): readonly { readonly id: string; readonly last: string }[] {
  return section(title)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => ({ id: cells[1] ?? '', last: cells.at(-2) ?? '' }))
    .filter(({ id }) => id !== 'id' && !/^-+$/.test(id));
}

function idsIn(text: string): readonly string[] {
  return [...new Set(text.match(ID) ?? [])];
}

function inOrder(ids: Iterable<string>): readonly string[] {
  return [...new Set(ids)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

const guarantees = rows('Guarantees');
const rules = rows('Security rules');
const faults = rows('Faults designed out');
const due = [...guarantees, ...rules, ...faults].filter(({ last }) => last !== 'later').map(({ id }) => id);
const named = new Set(testTitles().flatMap(({ title }) => idsIn(title)));
const unproved = inOrder(due.filter((id) => !named.has(id)));

/**
 * Built, and so due for good: a row that says "later" again, or a place under "Not proved yet", is no way round a test
 * that is missing.
 */
const BUILT = [
  ...['S1', 'S2', 'S4', 'S5', 'S6', 'S6b', 'S7', 'S8', 'S9', 'S10', 'S11', 'S13', 'S14', 'S16', 'S17', 'S18', 'S21'],
  ...['S22', 'S23', 'S24', 'S25'],
  ...['H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'H7', 'H8', 'H10', 'H11', 'H12', 'H14', 'H16'],
];

describe('the threat model and the tests agree', () => {
  it('a rule or fault that is built is due, and a test is named after it', () => {
    expect(BUILT.filter((id) => !due.includes(id))).toEqual([]);
    expect(BUILT.filter((id) => !named.has(id))).toEqual([]);
  });

  it('what tests prove already is not put off', () => {
    const later = [...guarantees, ...rules, ...faults].filter(({ last }) => last === 'later').map(({ id }) => id);
    const hint = 'say "in part" or "now" in the rows of THREAT-MODEL.md of which a test is named';
    expect(
      later.filter((id) => named.has(id)),
      hint,
    ).toEqual([]);
  });

  it('lists every guarantee, rule and fault once', () => {
    expect(guarantees.map(({ id }) => id)).toEqual(GUARANTEES);
    expect(inOrder(rules.map(({ id }) => id))).toEqual(inOrder(RULES));
    expect(rules).toHaveLength(RULES.length);
    expect(faults.map(({ id }) => id)).toEqual(FAULTS);
  });

  it('marks each as due now or later', () => {
    const states = new Set([...guarantees, ...rules, ...faults].map(({ last }) => last));
    expect([...states].filter((state) => state !== 'now' && state !== 'later' && state !== 'in part')).toEqual([]);
  });

  it('says what is left of the risk for each guarantee', () => {
    const residual = section('What is left');
    expect(GUARANTEES.filter((id) => !residual.includes(`**${id}**`))).toEqual([]);
  });

  it('has a test for each id that is due, but for those it lists as not proved yet', () => {
    const listed = inOrder(idsIn(section('Not proved yet')));
    const hint = `no test title names: ${unproved.join(' ') || 'none'}. "Not proved yet" in THREAT-MODEL.md must list just these.`;
    expect(listed, hint).toEqual(unproved);
  });

  it('knows every id that a test title names', () => {
    const known = new Set([...GUARANTEES, ...RULES, ...FAULTS]);
    expect([...named].filter((id) => !known.has(id))).toEqual([]);
  });
});

describe('titles are read from the tests as vitest would', () => {
  it.each([
    { why: 'a plain test', source: "it('S21 a', () => {});", titles: ['S21 a'] },
    { why: 'a table elsewhere', source: "it.each(rows)('H14 $why', () => {});", titles: ['H14 $why'] },
    { why: 'a suite with a test', source: "describe('G-NET', () => { test('b', f); });", titles: ['G-NET', 'b'] },
    { why: 'a template', source: 'it(`S6b ${name}`, f);', titles: ['`S6b ${name}`'] },
    { why: 'a skipped test', source: "it.skip('S1 c', f);", titles: [] },
    { why: 'a test inside a skipped suite', source: "describe.skip('S1', () => { it('S2', f); });", titles: [] },
    { why: 'a test to be written', source: "it.todo('S1 d');", titles: [] },
    { why: 'an id in a comment or a value', source: "// S1\nconst rule = 'S2';", titles: [] },
    {
      why: 'the rows of a table',
      source: "it.each([{ why: 'S24 b', of: 'S25' }])('$why', f);",
      titles: ['$why', 'S24 b'],
    },
    { why: 'another function', source: "note('S3');", titles: [] },
  ])('$why', ({ source, titles }) => {
    expect(titlesIn(source)).toEqual(titles);
  });
});
