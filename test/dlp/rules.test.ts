import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import type { Rule } from '../../src/dlp/rule.ts';
import { buildRuleSet, compileRule, type RuleSet } from '../../src/dlp/rule-set.ts';
import { BUILT_IN_RULES, builtInRules } from '../../src/dlp/rules/index.ts';
import { scanTokens } from '../../src/dlp/token-scanner.ts';
import { SeededRandom } from '../fuzz/random.ts';
import { cook } from './support/recipe.ts';

const VARIATIONS = 8;

const alone = (rule: Rule): RuleSet => {
  const compiled = compileRule(rule);
  if (!compiled.ok) throw new Error(compiled.error);
  return buildRuleSet([compiled.value]);
};

const failures = (rules: RuleSet, recipes: readonly string[], wanted: boolean): readonly string[] =>
  recipes.flatMap((recipe, index) =>
    Array.from({ length: VARIATIONS }, (_, seed) => cook(recipe, new SeededRandom(seed * 1000 + index)))
      .filter((text) => scanTokens({ rules, mark: () => '' }, Buffer.from(text)).length > 0 !== wanted)
      .map((text) => `${recipe} → ${text}`),
  );

describe('the built-in rules', () => {
  it('have ids of their own, in one spelling', () => {
    const ids = BUILT_IN_RULES.map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(ids.filter((id) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(id))).toEqual([]);
  });

  it.each(BUILT_IN_RULES.map((rule) => ({ id: rule.id, rule })))('$id', ({ rule }) => {
    const rules = alone(rule);
    expect(rule.examples.match.length).toBeGreaterThanOrEqual(2);
    expect(rule.examples.miss.length).toBeGreaterThanOrEqual(2);
    expect(rule.docs).toMatch(/^https:\/\/[^ ]+$/);
    expect(failures(rules, rule.examples.match, true)).toEqual([]);
    expect(failures(rules, rule.examples.miss, false)).toEqual([]);
    const unkeyed = rule.examples.match.filter(
      (recipe) => !rule.keywords.some((keyword) => recipe.toLowerCase().includes(keyword.toLowerCase())),
    );
    expect(unkeyed).toEqual([]);
  });
});

describe('the list of built-in rules', () => {
  it('has at least 220 formats', () => {
    expect(BUILT_IN_RULES.length).toBeGreaterThanOrEqual(220);
  });

  it.each([
    {
      family: 'cloud',
      ids: ['aws-access-key-id', 'aws-secret-access-key', 'gcp-api-key', 'azure-storage-account-key'],
    },
    { family: 'source hosting', ids: ['github-pat', 'gitlab-pat', 'bitbucket-app-password'] },
    { family: 'private keys', ids: ['private-key', 'pgp-private-key', 'jwk-private-key'] },
    { family: 'tokens and cookies', ids: ['jwt', 'session-cookie', 'generic-secret'] },
    { family: 'cards and accounts', ids: ['payment-card', 'iban'] },
  ])('covers $family', ({ ids }) => {
    const known = BUILT_IN_RULES.map(({ id }) => id);
    expect(ids.filter((id) => !known.includes(id))).toEqual([]);
  });

  it('S22 has no pattern whose automaton grows beyond its bound, and none that looks further than its window', () => {
    for (const { rule, program, window } of builtInRules()) {
      expect(program.steps.length, rule.id).toBeLessThanOrEqual(LIMITS.ruleSteps);
      expect(window, rule.id).toBeLessThanOrEqual(LIMITS.ruleWindowBytes);
    }
  });
});
