import { BugError } from '../kernel/errors.ts';
import type { Result } from '../kernel/result.ts';
import { ok } from '../kernel/result.ts';
import type { OperatorRules } from '../schema/operator-rules.ts';
import type { Rule } from './rule.ts';
import { compileAllowance, compileRule, type Allowance, type CompiledRule } from './rule-set.ts';

/** Built-in rules and an operator's own, and what is allowed whichever rule it is. */
export interface JoinedRules {
  readonly rules: readonly CompiledRule[];
  readonly allow: Allowance;
}

/** A rule of an operator's as one of ours. Where it is written down is all the documentation there is. */
export function ruleOf({ id, pattern, secretGroup, entropy, keywords }: OperatorRules['rules'][number]): Rule {
  const rule: Rule = {
    id,
    vendor: 'operator',
    keywords,
    pattern,
    secretGroup,
    severity: 'high',
    docs: '',
    examples: { match: [], miss: [] },
  };
  return entropy === undefined ? rule : { ...rule, entropy };
}

/** The operator's rule goes before a built-in one of the same id. */
export function joinOperatorRules(
  builtIn: readonly CompiledRule[],
  { rules, disabled, allow }: OperatorRules,
): Result<JoinedRules, string> {
  const replaced = new Set([...disabled, ...rules.map(({ id }) => id)]);
  const compiled = builtIn.filter(({ rule }) => !replaced.has(rule.id));
  for (const written of rules) {
    const own = compileRule(ruleOf(written));
    if (!own.ok) return { ok: false, error: `rule ${written.id}: ${own.error}` };
    compiled.push(own.value);
  }
  const everywhere = compileAllowance(allow.filter((one) => one.rules === null));
  if (!everywhere.ok) return everywhere;
  const joined: CompiledRule[] = [];
  for (const rule of compiled) {
    const its = allow.filter((one) => one.rules?.includes(rule.rule.id) === true);
    const own = its.length === 0 ? ok(rule) : compileRule(withAllowances(rule.rule, its));
    if (!own.ok) return { ok: false, error: `rule ${rule.rule.id}: ${own.error}` };
    joined.push(own.value);
  }
  return ok({ rules: joined, allow: everywhere.value });
}

function withAllowances(rule: Rule, allow: OperatorRules['allow']): Rule {
  const patterns = (target: 'secret' | 'match'): readonly string[] =>
    allow.filter((one) => one.target === target).map(({ pattern }) => pattern);
  return {
    ...rule,
    allow: [...(rule.allow ?? []), ...patterns('secret')],
    allowMatch: [...(rule.allowMatch ?? []), ...patterns('match')],
  };
}

/** For rules that were checked when they were read. */
export function joinChecked(builtIn: readonly CompiledRule[], rules: OperatorRules): JoinedRules {
  const joined = joinOperatorRules(builtIn, rules);
  if (!joined.ok) throw new BugError(joined.error);
  return joined.value;
}
