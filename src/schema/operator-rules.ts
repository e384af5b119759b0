import { z } from 'zod';

/**
 * Rules for credentials that an operator wrote, read and checked: what `settings.yml` names under `dlp.rules`. Patterns
 * are in RE2's syntax, as in the built-in ones.
 */
export const OperatorRulesSchema = z.strictObject({
  rules: z.array(
    z.strictObject({
      id: z.string(),
      description: z.string(),
      pattern: z.string(),
      /** 0 is the whole match. */
      secretGroup: z.int().nonnegative(),
      entropy: z.number().optional(),
      keywords: z.array(z.string()),
    }),
  ),
  /** Ids of built-in rules that are off. */
  disabled: z.array(z.string()),
  /** What is no credential after all. */
  allow: z.array(
    z.strictObject({
      target: z.enum(['secret', 'match']),
      pattern: z.string(),
      /** Ids of the rules that it is for; null for all of them. */
      rules: z.array(z.string()).nullable(),
    }),
  ),
});
export type OperatorRules = z.infer<typeof OperatorRulesSchema>;

export const NO_OPERATOR_RULES: OperatorRules = { rules: [], disabled: [], allow: [] };
