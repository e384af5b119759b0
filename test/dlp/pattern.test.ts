import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveAnchor } from '../../src/dlp/pattern/anchor.ts';
import { Automaton, DEAD } from '../../src/dlp/pattern/automaton.ts';
import { GroupFinder, type Span } from '../../src/dlp/pattern/groups.ts';
import { buildProgram, type Program } from '../../src/dlp/pattern/program.ts';
import { parseRulePattern } from '../../src/dlp/pattern/syntax.ts';

function programOf(source: string): Program {
  const parsed = parseRulePattern(source);
  if (!parsed.ok) throw new Error(`${source}: ${parsed.error}`);
  const program = buildProgram(parsed.value);
  if (!program.ok) throw new Error(`${source}: ${program.error}`);
  return program.value;
}

/** Where the longest match that begins at `start` ends, or -1. */
function longest(automaton: Automaton, text: Uint8Array, start: number): number {
  let position = automaton.start(text[start - 1] ?? -1);
  let end = -1;
  for (let at = start; at <= text.length; at += 1) {
    if (automaton.accepts(position, text[at] ?? -1)) end = at;
    const byteClass = automaton.classes[text[at] ?? 0]!;
    position = automaton.extend(position, byteClass);
    const next = position.table.next[position.state * automaton.width + byteClass]!;
    if (next === DEAD) break;
    position = { table: position.table, state: next };
  }
  return end;
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

const atom = fc.constantFrom('a', 'b', '[ab]', '[^a]', '\\d', '\\w', '.', '\\x20', 'ab', '(?i:A)', '\\b', '\\B');
const { pattern } = fc.letrec<{ pattern: string; branch: string; piece: string }>((tie) => ({
  piece: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    atom,
    fc
      .tuple(
        atom.filter((text) => !/^(?:\\b|\\B|ab)$/.test(text)),
        fc.constantFrom('?', '*', '+', '{2}', '{1,3}'),
      )
      .map((parts) => parts.join('')),
    fc.tuple(tie('pattern'), fc.constantFrom('', '?', '*', '{0,2}')).map(([inner, count]) => `(?:${inner})${count}`),
  ),
  branch: fc.array(tie('piece'), { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('')),
  pattern: fc.array(tie('branch'), { minLength: 1, maxLength: 2 }).map((branches) => branches.join('|')),
}));

/** Without repeats of what may be empty: there the engine of Node has a rule of its own. */
const flatPattern = fc
  .array(
    fc
      .array(
        fc.oneof(
          atom,
          fc
            .tuple(
              fc.constantFrom('a', 'b', '[ab]', '[^a]', '\\w', '.'),
              fc.constantFrom('?', '*', '+?', '*?', '{2}', '{1,3}'),
            )
            .map((parts) => parts.join('')),
        ),
        { minLength: 1, maxLength: 4 },
      )
      .map((pieces) => pieces.join('')),
    { minLength: 1, maxLength: 3 },
  )
  .map((branches) => branches.join('|'));

describe('a rule pattern', () => {
  it('matches what the same expression in the engine of Node matches, and the longest of it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '1', ' ', '\n'), maxLength: 7 });
    fc.assert(
      fc.property(pattern, text, (source, haystack) => {
        const automaton = new Automaton(programOf(source));
        const bytes = bytesOf(haystack);
        for (let start = 0; start <= haystack.length; start += 1) {
          const ends = Array.from({ length: haystack.length - start + 1 }, (_, more) => start + more).filter((end) =>
            new RegExp(`^[^]{${start}}(?:${source})(?<=^[^]{${end}})`).test(haystack),
          );
          expect(longest(automaton, bytes, start)).toBe(Math.max(-1, ...ends));
        }
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    { source: '(?i)key=([a-z]+)', text: 'KEY=Secret', groups: ['Secret'] },
    { source: '(a+?)(a*)', text: 'aaa', groups: ['a', 'aa'] },
    { source: '(a+)(a*)', text: 'aaa', groups: ['aaa', ''] },
    { source: '(?:(x)|(y))z', text: 'yz', groups: [null, 'y'] },
    { source: '(?P<name>\\w+)@(?:(\\d{1,3})\\b)+', text: 'me@12', groups: ['me', '12'] },
    { source: '["\']?([^"\']{2,9})["\']?', text: '"abc"', groups: ['abc'] },
  ])('$source finds the groups of $text', ({ source, text, groups }) => {
    const program = programOf(source);
    const automaton = new Automaton(program);
    const spans = groups.map((_, group): Span | null =>
      new GroupFinder(program, automaton, group + 1).find(bytesOf(`-${text}-`), { start: 1, end: text.length + 1 }),
    );
    expect(spans.map((span) => (span === null ? null : text.slice(span.start - 1, span.end - 1)))).toEqual(groups);
  });

  it('finds the group that the engine of Node finds, in a match of the same length', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '1', ' ', '\n'), maxLength: 9 });
    fc.assert(
      fc.property(flatPattern, flatPattern, flatPattern, text, (before, inside, after, haystack) => {
        const source = `(?:${before})(${inside})(?:${after})`;
        const bytes = bytesOf(haystack);
        const program = programOf(source);
        const automaton = new Automaton(program);
        const finder = new GroupFinder(program, automaton, 1);
        for (let start = 0; start <= haystack.length; start += 1) {
          const end = longest(automaton, bytes, start);
          if (end === -1) continue;
          const expression = new RegExp(`(?<=^[^]{${start}})(?:${source})(?<=^[^]{${end}})`, 'd');
          const [from, to] = expression.exec(haystack)?.indices?.[1] ?? [-1, -1];
          expect(finder.find(bytes, { start, end })).toEqual({ start: from, end: to });
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { source: '(a', why: 'a `(` without its `)`' },
    { source: 'a)', why: 'a `)` without its `(`' },
    { source: '[a', why: 'a `[` without its `]`' },
    { source: '[z-a]', why: 'a range in […] that is out of order or not between two characters' },
    { source: '*a', why: 'a repeat with nothing before it to repeat' },
    { source: '\\b+', why: 'a repeat with nothing before it to repeat' },
    { source: 'a{2,1}', why: 'a repeat whose counts are out of order' },
    { source: 'a{1001}', why: 'a count over 1000' },
    { source: 'a**', why: 'a repeat right after a repeat' },
    { source: '(a)\\1', why: 'a back-reference, which can take exponential time' },
    { source: '(?=a)', why: 'a look-around or an unknown kind of group' },
    { source: '(?<!a)b', why: 'a look-around or an unknown kind of group' },
    { source: '(?m)^a', why: 'a flag other than i and s' },
    { source: '\\pL', why: '\\p, which is not supported' },
    { source: '[[:word1:]]', why: null },
    { source: '[[:lala:]]', why: '[:lala:], which is no class of characters' },
    { source: '[ä]', why: 'ä in […]; a class holds single bytes, write (?:a|b) for it' },
    { source: '\\xe4', why: '\\xe4, which is more than one byte; write the character itself' },
    { source: 'a\\', why: 'a `\\` with nothing after it' },
    { source: '('.repeat(60), why: 'groups nested too deep' },
  ])('$source: $why', ({ source, why }) => {
    const parsed = parseRulePattern(source);
    expect(parsed.ok ? null : parsed.error).toBe(why);
  });

  it('S22 counts in counts are refused before they are built', () => {
    const parsed = parseRulePattern('(?:(?:a{1000}){1000}){1000}');
    expect(parsed.ok && buildProgram(parsed.value)).toMatchObject({ ok: false });
  });
});

describe('the anchor of a pattern', () => {
  const anchorOf = (source: string): unknown => {
    const parsed = parseRulePattern(source);
    if (!parsed.ok) throw new Error(parsed.error);
    const anchor = deriveAnchor(parsed.value);
    return anchor.ok ? { blocks: anchor.value.blocks.length, leads: anchor.value.leads } : anchor.error;
  };

  it.each([
    { source: 'ghp_[A-Z]{9}', anchor: { blocks: 1, leads: [0] }, why: 'a literal' },
    { source: 'SK[0-9a-f]{32}', anchor: { blocks: 256, leads: [0] }, why: 'a short literal goes on with a class' },
    { source: '(?i:azxq)', anchor: { blocks: 16, leads: [0] }, why: 'both cases of each letter' },
    { source: '(?i:token)=x', anchor: { blocks: 4, leads: [3] }, why: 'the rarest four bytes' },
    { source: '-----BEGIN X', anchor: { blocks: 1, leads: [2] }, why: 'not the line that everybody draws' },
    { source: '[a-z]{0,9}(?:=ab|=cd)ef', anchor: { blocks: 2, leads: [0] }, why: 'one class may be left off' },
    { source: '\\b[a-z]{2,4}:AAx', anchor: { blocks: 1, leads: [2, 3, 4] }, why: 'with an edge every length counts' },
    { source: '(?:ab|cde)fgh', anchor: { blocks: 2, leads: [0] }, why: 'branches of different lengths' },
  ])('$source: $why', ({ source, anchor }) => {
    expect(anchorOf(source)).toEqual(anchor);
  });

  it.each(['[a-z]{40}', 'abc', '.*abcd', '[a-z]+abcd', '\\w{70}abcd'])('%s has none', (source) => {
    expect(anchorOf(source)).toContain('begin it with a literal');
  });
});
