import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import { compilePattern } from '../../src/policy/regex-subset.ts';

function compiled(source: string): (text: string) => boolean {
  const pattern = compilePattern(source);
  if (!pattern.ok) throw new Error(`${source}: ${pattern.error}`);
  return (text) => pattern.value.test(text);
}

function problemOf(source: string): string {
  const pattern = compilePattern(source);
  return pattern.ok ? 'accepted' : pattern.error;
}

const MATCHES: readonly { source: string; yes: readonly string[]; no: readonly string[]; why: string }[] = [
  { source: '/v1', yes: ['/v1'], no: ['/v1/', 'x/v1', '/v10'], why: 'the whole path, not a part of it' },
  { source: '/a|/b', yes: ['/a', '/b'], no: ['/ab', '/a/b'], why: 'alternatives are anchored both' },
  { source: '/a(?:b|c)d', yes: ['/abd', '/acd'], no: ['/ad', '/abcd'], why: 'a group' },
  { source: '/(repos|users)/[a-z0-9-]+', yes: ['/repos/x-1', '/users/a'], no: ['/repos/', '/repos/A'], why: 'typical' },
  { source: '.', yes: ['a', '\n', '\u{1F600}'], no: ['', 'ab'], why: 'any one code point, a line end too' },
  { source: '\\.', yes: ['.'], no: ['a'], why: 'an escaped dot' },
  { source: '[^/]+', yes: ['abc'], no: ['a/b', ''], why: 'a negated class' },
  { source: '[a-]', yes: ['a', '-'], no: ['b'], why: 'a dash at the end stands for itself' },
  { source: '[-a]', yes: ['a', '-'], no: ['b'], why: 'a dash at the beginning too' },
  { source: '[\\]\\\\]', yes: [']', '\\'], no: ['['], why: 'escapes in a class' },
  { source: '[\\d_]{2,3}', yes: ['1_', '123'], no: ['1', '1234'], why: 'a set in a class, counted' },
  { source: '[^\\W\\d]+', yes: ['abc_'], no: ['a1', '-'], why: 'complements of sets' },
  { source: '\\x41\\u0042\\u{43}', yes: ['ABC'], no: ['abc'], why: 'code points by number' },
  { source: 'a{3}', yes: ['aaa'], no: ['aa', 'aaaa'], why: 'an exact count' },
  { source: 'a{2,}', yes: ['aa', 'aaaaa'], no: ['a'], why: 'an open count' },
  { source: 'a{0}b', yes: ['b'], no: ['ab'], why: 'none at all' },
  { source: '(?:ab)*', yes: ['', 'abab'], no: ['aba'], why: 'a repeated group' },
  { source: '(?:a*)*b', yes: ['b', 'aaab'], no: ['aac'], why: 'a repeat in a repeat ends' },
  { source: '(?:|a)+', yes: ['', 'aa'], no: ['b'], why: 'an empty alternative in a repeat ends' },
  { source: '^/v1/.*$', yes: ['/v1/', '/v1/x'], no: ['/v1'], why: 'the edges that people write are harmless' },
  { source: 'a^b|a$b', yes: [], no: ['ab', 'a', 'b'], why: 'an edge in the middle never holds' },
  { source: '/x(?:$|/.*)', yes: ['/x', '/x/y'], no: ['/xy'], why: 'an edge in a group' },
  { source: '.*?x', yes: ['aax', 'x'], no: ['xa'], why: 'shortest first is all one for a whole match' },
  { source: '', yes: [''], no: ['a'], why: 'nothing matches nothing' },
  { source: '[]', yes: [], no: ['', 'a'], why: 'an empty class admits nothing' },
  { source: 'é', yes: ['é'], no: ['e'], why: 'beyond ASCII' },
];

describe('S22 patterns match the whole text', () => {
  it.each(MATCHES)('$source: $why', ({ source, yes, no }) => {
    const test = compiled(source);
    expect(yes.filter((text) => !test(text))).toEqual([]);
    expect(no.filter((text) => test(text))).toEqual([]);
  });
});

const REFUSED: readonly { source: string; problem: RegExp }[] = [
  { source: '(a)\\1', problem: /back-reference/ },
  { source: '(?<n>a)\\k<n>', problem: /named group/ },
  { source: '(?=a)a', problem: /look-around/ },
  { source: '(?!a)b', problem: /look-around/ },
  { source: '(?<=a)b', problem: /look-around/ },
  { source: '(?i:a)', problem: /flag/ },
  { source: '\\bword', problem: /not supported/ },
  { source: '\\p{L}', problem: /not supported/ },
  { source: '\\e', problem: /no escape/ },
  { source: '\\', problem: /nothing after/ },
  { source: '(a', problem: /without its/ },
  { source: 'a)', problem: /without its/ },
  { source: '[a', problem: /without its/ },
  { source: '[a-', problem: /\[…\]|without its/ },
  { source: '[z-a]', problem: /out of order/ },
  { source: '[\\d-z]', problem: /between two characters/ },
  { source: 'a{3,1}', problem: /out of order/ },
  { source: 'a{,3}', problem: /no count/ },
  { source: 'a{x}', problem: /no count/ },
  { source: '*a', problem: /nothing before/ },
  { source: 'a**', problem: /nothing before/ },
  { source: '^*', problem: /nothing before/ },
  { source: 'a}', problem: /lone/ },
  { source: '\\u{110000}', problem: /code point/ },
  { source: '('.repeat(60) + ')'.repeat(60), problem: /nested/ },
  { source: '.{0,999}.{0,999}.{0,999}.{0,999}', problem: /steps/ },
  { source: '(?:(?:(?:a{99}){99}){99}){99}', problem: /steps/ },
  { source: '(?:(?:(?:){999}){999}){999}', problem: /steps/ },
  { source: `a{${String(LIMITS.patternStates)}}`, problem: /steps/ },
];

describe('S22 what needs backtracking, or too many steps, is refused by name', () => {
  it.each(REFUSED)('$source', ({ source, problem }) => {
    expect(problemOf(source)).toMatch(problem);
  });
});

/** Each took a backtracking matcher seconds to years on its text; the deadline of the test is what would fail. */
const SLOW_ELSEWHERE: readonly { source: string; text: string; matches: boolean }[] = [
  { source: 'a?'.repeat(30) + 'a'.repeat(30), text: 'a'.repeat(30), matches: true },
  { source: '(?:a+)+b', text: 'a'.repeat(8000), matches: false },
  { source: '(?:a|a)*b', text: 'a'.repeat(8000), matches: false },
  { source: '(?:a|aa)+c', text: 'a'.repeat(8000), matches: false },
  { source: '.*.*.*.*x', text: 'y'.repeat(8000), matches: false },
  { source: '(?:.*,){11}P', text: ','.repeat(8000), matches: false },
  { source: '(?:[a-z]+/?)+\\.', text: 'abc/'.repeat(2000), matches: false },
];

describe('S22 no text makes a pattern slow', () => {
  it.each(SLOW_ELSEWHERE)('$source', ({ source, text, matches }) => {
    expect(compiled(source)(text)).toBe(matches);
  });
});

/** Patterns of the subset, spelled so that the built-in engine reads them the same. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ any: string; leaf: string; group: string; joined: string }>(
  (tie) => ({
    leaf: fc.constantFrom('a', 'b', '/', '.', '[ab]', '[^a]', '\\w', '\\d', '\\/', '[a-c]', '^', '$'),
    group: fc
      .tuple(tie('any'), fc.constantFrom('', '*', '+', '?', '{2}', '{0,2}', '{1,}', '*?'))
      .map(([inner, counts]) => `(?:${inner})${counts}`),
    joined: fc.tuple(tie('any'), fc.constantFrom('', '|'), tie('any')).map((parts) => parts.join('')),
    any: fc.oneof({ maxDepth: 4, depthSize: 'small' }, tie('leaf'), tie('group'), tie('joined')),
  }),
).any;

describe('S22 against the built-in engine', () => {
  it('says the same of every short text', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '/', '1', '\u{1F600}'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
        const oracle = new RegExp(`^(?:${source})$`, 'su');
        const test = compiled(source);
        for (const each of texts) expect(test(each), `${source} on ${each}`).toBe(oracle.test(each));
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, and accepts nothing that the built-in engine finds malformed', () => {
    const source = fc.string({
      unit: fc.constantFrom(...Array.from('ab\\()[]{}|?*+.^$-,:=!<1dwWx0u/')),
      maxLength: 16,
    });
    fc.assert(
      fc.property(source, (text) => {
        const own = compilePattern(text);
        if (!own.ok) return;
        // `\-` and its like are escapes to us and a matter of the mode to the built-in engine.
        if (/\\[-,:=!<]/.test(text)) return;
        expect(() => new RegExp(`^(?:${text})$`, 'su')).not.toThrow();
      }),
      { numRuns: 3000 },
    );
  });
});
