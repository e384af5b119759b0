import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { joinChecked } from '../../src/dlp/operator-rules.ts';
import { buildRuleSet } from '../../src/dlp/rule-set.ts';
import { builtInRules } from '../../src/dlp/rules/index.ts';
import { scanTokens } from '../../src/dlp/token-scanner.ts';
import { loadSettings } from '../../src/manifest/index.ts';
import { OperatorRulesSchema, type OperatorRules } from '../../src/schema/operator-rules.ts';
import { BottleError } from '../../src/kernel/errors.ts';
import { HOME, memoryFiles } from './support.ts';

function load(text: string, others: Readonly<Record<string, string>> = {}): OperatorRules {
  const files = {
    [`${HOME}/settings.yml`]: 'dlp: {rules: [rules.toml]}\n',
    [`${HOME}/rules.toml`]: text,
    ...others,
  };
  const { rules } = loadSettings(HOME, memoryFiles({ files }));
  if (rules === null) throw new Error('the settings name a file');
  return OperatorRulesSchema.parse(rules);
}

function problemOf(act: () => unknown): BottleError {
  try {
    act();
  } catch (failure) {
    if (failure instanceof BottleError) return failure;
    throw failure;
  }
  throw new Error('no complaint');
}

/** The rules that find something in a text, and what they find. */
function found(operators: OperatorRules, text: string): readonly string[] {
  const { rules, allow } = joinChecked(builtInRules(), operators);
  const parts = { rules: buildRuleSet(rules, allow), mark: (secret: Uint8Array) => Buffer.from(secret).toString() };
  return scanTokens(parts, Buffer.from(text)).map(({ rule, mark }) => `${rule}: ${mark}`);
}

const ACME = `
[[rules]]
id = "acme-token"
description = "Acme's own"
regex = '''(?i)[\\w.-]{0,50}?(?:acme)(?:[ \\t\\w.-]{0,20})[\\s'"]{0,3}(?:=|>|:{1,3}=|\\|\\||:|=>|\\?=|,)[\\x60'"\\s=]{0,5}([a-z0-9]{32})(?:[\\x60'"\\s;]|\\\\[nr]|$)'''
entropy = 3
keywords = ["acme"]
`;
const SECRET = 'k3v9q7d2m4x8b1z6t5n0w3r7y2p8s4h1';
const GITHUB = `ghp_${'a1B2c3D4e5'.repeat(3)}F6g7H8`;

describe('rules in the TOML of gitleaks', () => {
  test('as gitleaks generates them, the group is the secret', () => {
    const rules = load(ACME);
    expect(found(rules, `acme_api_key = "${SECRET}"\n`)).toContain(`acme-token: ${SECRET}`);
    expect(found(rules, `ACME_KEY: ${SECRET}\n`)).toEqual([`acme-token: ${SECRET}`]);
    expect(found(rules, `acme_api_key = "${'a'.repeat(32)}"\n`)).toEqual([]);
    expect(found(rules, `other_name = "${SECRET}"\n`)).toEqual([]);
  });

  test('stand beside the built-in ones, and go before one of the same id', () => {
    expect(found(load(ACME), `x ${GITHUB}`)).toEqual([`github-pat: ${GITHUB}`]);
    const own = load("[[rules]]\nid = 'github-pat'\nregex = '''ghp_[a-z0-9]{4}'''\n");
    expect(found(own, `x ${GITHUB} ghp_zz12`)).toEqual(['github-pat: ghp_zz12']);
  });

  test('secretGroup names the group, several groups without it mean the whole match', () => {
    const two = "[[rules]]\nid = 'two'\nregex = '''acme(-)([a-z]{4})'''\n";
    expect(found(load(two), 'acme-abcd')).toEqual(['two: acme-abcd']);
    expect(found(load(`${two}secretGroup = 2\n`), 'acme-abcd')).toEqual(['two: abcd']);
  });

  test.each([
    { why: 'a pattern for the secret', toml: "[allowlist]\nregexes = ['''^ghp_a1B2''']" },
    { why: 'a pattern for the match', toml: "[allowlist]\nregexTarget = 'match'\nregexes = ['''ghp_a1B2''']" },
    { why: 'a word in it, in any case', toml: "[[allowlists]]\nstopwords = ['A1B2C3']" },
    { why: 'one rule only', toml: "[[allowlists]]\ntargetRules = ['github-pat']\nstopwords = ['a1B2c3']" },
    { why: 'a rule that is off', toml: "[extend]\nuseDefault = true\ndisabledRules = ['github-pat']" },
  ])('what is allowed: $why', ({ toml }) => {
    expect(found(load(`${toml}\n`), `x ${GITHUB}`)).toEqual([]);
    expect(found(load(`${toml}\n`), `x glpat-${'z9y8X7w6v5'.repeat(2)}`)).toHaveLength(1);
  });

  test('what is allowed for another rule is not allowed', () => {
    const toml = "[[allowlists]]\ntargetRules = ['gitlab-pat']\nstopwords = ['a1B2c3']\n";
    expect(found(load(toml), `x ${GITHUB}`)).toHaveLength(1);
    const own = `${ACME}[[rules.allowlists]]\nstopwords = ['a1b2c3']\n`;
    expect(found(load(own), `x ${GITHUB}`)).toHaveLength(1);
  });

  test('a file extends another one, and has the last word', () => {
    const base = "[[rules]]\nid = 'one'\nregex = 'base_[a-z]{4}'\n[[rules]]\nid = 'two'\nregex = 'two_[a-z]{4}'\n";
    const rules = load("[extend]\npath = 'sub/base.toml'\n[[rules]]\nid = 'one'\nregex = 'mine_[a-z]{4}'\n", {
      [`${HOME}/sub/base.toml`]: base,
    });
    expect(found(rules, 'base_abcd mine_abcd two_abcd')).toEqual(['one: mine_abcd', 'two: two_abcd']);
  });

  test.each([
    { toml: "[[rules]]\nid = 'a'\nregex = '''(a)\\1bcdef'''", at: '3:9', says: 'a back-reference' },
    { toml: "[[rules]]\nid = 'a'\nregex = '''(?=acme)acme'''", at: '3:9', says: 'a look-around' },
    { toml: '[[rules]]\n  id = \'a\'\n  regex = "(?m)^acme"', at: '3:11', says: 'a flag other than i and s' },
    { toml: "[[rules]]\nid = 'a'\nregex = '''\\pL{20}'''", at: '3:9', says: '\\p, which is not supported' },
    { toml: "[[rules]]\nid = 'a'\nregex = '''[a-f0-9]{40}'''", at: '3:9', says: 'begin it with a literal' },
    { toml: "[[rules]]\nid = 'a'\nregex = 'acme'\nsecretGroup = 2", at: '3:9', says: 'it has no group 2' },
    { toml: "[[rules]]\nid = 'a'\nregex = 'acme'\nkeyword = ['a']", at: '4:1', says: 'did you mean "keywords"?' },
    { toml: "[[rules]]\nid = 'a'", at: '1:1', says: '"regex" is missing' },
    { toml: "[[rules]]\nid = 'a'\nregex = 'acme'\nentropy = 'high'", at: '4:11', says: 'must be a number' },
    { toml: "[[rules]]\nid = 'a'\nregex = 'acme'\npath = '\\.env'", at: '4:8', says: 'a request has no path' },
    { toml: "[allowlist]\nregexes = ['ok', '(']", at: '2:18', says: 'a `(` without its `)`' },
    { toml: "[allowlist]\nregexTarget = 'line'\nregexes = ['a']", at: '2:15', says: 'a stream has no lines' },
    {
      toml: "[allowlist]\ncondition = 'AND'\nregexes = ['a']\npaths = ['b']",
      at: '2:13',
      says: 'only one of several kinds',
    },
    { toml: "[extend]\ndisabledRules = ['github-pa']", at: '2:18', says: 'did you mean "github-pat"?' },
    { toml: '[extend]\nuseDefault = false', at: '2:14', says: 'the built-in rules are always there' },
    { toml: "[extend]\nurl = 'https://acme.example'", at: '2:1', says: 'unknown key "url"' },
    { toml: "[extend]\npath = 'gone.toml'", at: '2:8', says: 'there is no file' },
    { toml: "[extend]\npath = 'rules.toml'", at: '2:8', says: 'more than 3 deep' },
    { toml: "[[rules]]\nid = 'a\n", at: '2:', says: 'not TOML' },
    { toml: 'when = 2026-01-01\n', at: '1:8', says: 'a date is not used here' },
  ])('$toml: $says', ({ toml, at, says }) => {
    const { message, position, code } = problemOf(() => load(toml));
    expect(message).toContain(says);
    expect(`${String(position?.line)}:${String(position?.column)}`).toMatch(new RegExp(`^${at}`));
    expect(position?.file).toBe(`${HOME}/rules.toml`);
    expect(code).toBe('settings_invalid');
  });

  test('the file in the documentation is one', () => {
    const text = fs.readFileSync(new URL('../../docs/dlp.md', import.meta.url), 'utf8');
    const [, toml = ''] = /^```toml\n([^]*?)^```$/m.exec(text) ?? [];
    const rules = load(toml, { [`${HOME}/team.toml`]: '' });
    expect(found(rules, `ACME_KEY: ${SECRET}`)).toEqual([`acme-token: ${SECRET}`]);
    expect(found(rules, 'sk_test_k3v9q7d2m4x8b1z6t5n0w3r7')).toEqual([]);
  });

  test('a file that is not there is the settings’ mistake', () => {
    const files = memoryFiles({ files: { [`${HOME}/settings.yml`]: 'dlp:\n  rules: [gone.toml]\n' } });
    expect(problemOf(() => loadSettings(HOME, files))).toMatchObject({ position: { file: 'settings.yml', line: 2 } });
  });
});
