import { BugError } from '../../kernel/errors.ts';
import type { Rule } from '../rule.ts';
import { buildRuleSet, compileRule, type CompiledRule, type RuleSet } from '../rule-set.ts';
import { CHAT_RULES } from './chat.ts';
import { CI_RULES } from './ci.ts';
import { CLOUD_RULES } from './cloud.ts';
import { DATABASE_RULES } from './databases.ts';
import { KEY_RULES } from './keys.ts';
import { MAIL_RULES } from './mail.ts';
import { MODEL_API_RULES } from './model-apis.ts';
import { MONITORING_RULES } from './monitoring.ts';
import { PAYMENT_RULES } from './payment.ts';
import { PERSONAL_RULES } from './personal.ts';
import { REGISTRY_RULES } from './registries.ts';
import { SERVICE_RULES } from './services.ts';
import { SESSION_RULES } from './sessions.ts';
import { SOURCE_HOSTING_RULES } from './source-hosting.ts';

export const BUILT_IN_RULES: readonly Rule[] = [
  ...CHAT_RULES,
  ...CI_RULES,
  ...CLOUD_RULES,
  ...DATABASE_RULES,
  ...KEY_RULES,
  ...MAIL_RULES,
  ...MODEL_API_RULES,
  ...MONITORING_RULES,
  ...PAYMENT_RULES,
  ...PERSONAL_RULES,
  ...REGISTRY_RULES,
  ...SERVICE_RULES,
  ...SESSION_RULES,
  ...SOURCE_HOSTING_RULES,
];

let compiled: readonly CompiledRule[] | null = null;

/** Compiled when first asked for, because not every process scans. */
export function builtInRules(): readonly CompiledRule[] {
  compiled ??= BUILT_IN_RULES.map((rule) => {
    const result = compileRule(rule);
    if (!result.ok) throw new BugError(`rule ${rule.id}: ${result.error}`);
    return result.value;
  });
  return compiled;
}

export const builtInRuleSet = (): RuleSet => buildRuleSet(builtInRules());

export const builtInRuleIds = (): readonly string[] => BUILT_IN_RULES.map(({ id }) => id);
