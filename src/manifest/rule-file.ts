import path from 'node:path';
import { z } from 'zod';
import { ruleOf } from '../dlp/operator-rules.ts';
import { compileRule } from '../dlp/rule-set.ts';
import { escapeLiteral } from '../dlp/rules/shapes.ts';
import { builtInRuleIds } from '../dlp/rules/index.ts';
import { parseRulePattern } from '../dlp/pattern/syntax.ts';
import { BottleError } from '../kernel/errors.ts';
import type { Files } from '../ports/files.ts';
import type { OperatorRules } from '../schema/operator-rules.ts';
import { nearest } from './edit-distance.ts';
import { keyPathText, positionOf, type KeyPath, type LocatedMap } from './located.ts';
import { checkShape } from './schema-check.ts';
import { parseToml } from './toml.ts';

/**
 * Reads rules in the dialect of gitleaks (https://github.com/gitleaks/gitleaks#configuration). What looks at files,
 * commits or lines has no meaning for a request, and what can't be looked for in a stream is refused with its place.
 */
const AllowlistSchema = z.strictObject({
  id: z.string().optional(),
  description: z.string().optional(),
  condition: z.enum(['OR', 'AND', 'or', 'and', '||', '&&']).optional(),
  regexes: z.array(z.string()).optional(),
  regexTarget: z.enum(['secret', 'match', 'line']).optional(),
  stopwords: z.array(z.string()).optional(),
  paths: z.array(z.string()).optional(),
  commits: z.array(z.string()).optional(),
  targetRules: z.array(z.string()).optional(),
});
type Allowlist = z.infer<typeof AllowlistSchema>;

const RuleSchema = z.strictObject({
  id: z.string().min(1),
  description: z.string().optional(),
  regex: z.string().min(1),
  secretGroup: z.int().nonnegative().optional(),
  entropy: z.number().nonnegative().optional(),
  keywords: z.array(z.string()).optional(),
  path: z.string().optional(),
  tags: z.array(z.string()).optional(),
  allowlist: AllowlistSchema.optional(),
  allowlists: z.array(AllowlistSchema).optional(),
});

const RuleFileSchema = z.strictObject({
  title: z.string().optional(),
  description: z.string().optional(),
  minVersion: z.string().optional(),
  extend: z
    .strictObject({
      useDefault: z.boolean().optional(),
      path: z.string().min(1).optional(),
      disabledRules: z.array(z.string()).optional(),
    })
    .optional(),
  rules: z.array(RuleSchema).optional(),
  allowlist: AllowlistSchema.optional(),
  allowlists: z.array(AllowlistSchema).optional(),
});

const RULES = {
  code: 'settings_invalid',
  examples: {
    rules: "[[rules]]\nid = 'acme-token'\nregex = '''acme_[a-z0-9]{32}'''",
    'rules[].regex': "regex = '''acme_[a-z0-9]{32}'''",
    'rules[].keywords': "keywords = ['acme_']",
    'rules[].entropy': 'entropy = 3.5',
    'rules[].secretGroup': 'secretGroup = 1',
    'extend.disabledRules': "disabledRules = ['generic-secret']",
    'allowlist.regexes': "regexes = ['''EXAMPLE''']",
  },
} as const;

/** A file that another one extends, which extends another one. */
const DEPTH_MAX = 3;

/** The rules of one file and of those that it extends; what a file says goes before what it extends. */
export function loadRuleFile(file: string, text: string, files: Files, depth = 1): OperatorRules {
  const tree = parseToml({ file, text, code: RULES.code });
  const content = checkShape(RuleFileSchema, tree, RULES);
  const reader = new RuleFileReader(tree);
  const { extend = {} } = content;
  if (extend.useDefault === false) {
    reader.fail(
      ['extend', 'useDefault'],
      'the built-in rules are always there; name those that are to be off',
      RULES.examples['extend.disabledRules'],
    );
  }
  const extended = extend.path === undefined ? null : loadExtended(reader, file, extend.path, files, depth);
  const rules = (content.rules ?? []).map((rule, index) => reader.rule(rule, ['rules', index]));
  const ownIds = [...rules, ...(extended?.rules ?? [])].map(({ id }) => id);
  for (const [index, id] of (extend.disabledRules ?? []).entries()) {
    reader.checkId(id, ownIds, ['extend', 'disabledRules', index]);
  }
  const disabled = extend.disabledRules ?? [];
  const allow = [
    ...reader.allowances(content, [], null),
    ...(content.rules ?? []).flatMap((rule, index) => reader.allowances(rule, ['rules', index], [rule.id])),
  ];
  return joinRules({ rules, disabled, allow }, extended);
}

/** The first of two has the last word on a rule of the same id. */
export function joinRules(first: OperatorRules, second: OperatorRules | null): OperatorRules {
  if (second === null) return first;
  const ids = new Set([...first.rules.map(({ id }) => id), ...first.disabled]);
  return {
    rules: [...first.rules, ...second.rules.filter(({ id }) => !ids.has(id))],
    disabled: [...first.disabled, ...second.disabled],
    allow: [...first.allow, ...second.allow],
  };
}

function loadExtended(
  reader: RuleFileReader,
  file: string,
  written: string,
  files: Files,
  depth: number,
): OperatorRules {
  const key: KeyPath = ['extend', 'path'];
  if (depth >= DEPTH_MAX) reader.fail(key, `files extend each other more than ${String(DEPTH_MAX)} deep`);
  const target = path.resolve(path.dirname(file), written);
  const text = files.read(target);
  if (text === null) reader.fail(key, `there is no file ${target}`);
  return loadRuleFile(target, text, files, depth + 1);
}

class RuleFileReader {
  readonly #tree: LocatedMap;

  constructor(tree: LocatedMap) {
    this.#tree = tree;
  }

  fail(key: KeyPath, message: string, hint?: string): never {
    throw new BottleError(RULES.code, {
      message,
      key: keyPathText(key),
      position: positionOf(this.#tree, key),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  rule(written: z.infer<typeof RuleSchema>, key: KeyPath): OperatorRules['rules'][number] {
    if (written.path !== undefined) {
      this.fail([...key, 'path'], 'a request has no path in a tree of files, so this rule would never match');
    }
    const parsed = parseRulePattern(written.regex);
    if (!parsed.ok) this.fail([...key, 'regex'], `the pattern has ${parsed.error}`);
    const { id, description = '', entropy, keywords = [] } = written;
    // As gitleaks does: the one group of a pattern is the secret.
    const secretGroup = written.secretGroup ?? (parsed.value.groups === 1 ? 1 : 0);
    const rule = { id, description, pattern: written.regex, secretGroup, keywords };
    const made = entropy === undefined ? rule : { ...rule, entropy };
    const compiled = compileRule(ruleOf(made));
    if (!compiled.ok) this.fail([...key, 'regex'], `the pattern can't be looked for: ${compiled.error}`);
    return made;
  }

  allowances(
    written: { readonly allowlist?: Allowlist | undefined; readonly allowlists?: readonly Allowlist[] | undefined },
    key: KeyPath,
    rules: readonly string[] | null,
  ): OperatorRules['allow'] {
    const single =
      written.allowlist === undefined ? [] : this.#allowance(written.allowlist, [...key, 'allowlist'], rules);
    const many = (written.allowlists ?? []).flatMap((list, index) =>
      this.#allowance(list, [...key, 'allowlists', index], rules),
    );
    return [...single, ...many];
  }

  #allowance(list: Allowlist, key: KeyPath, rules: readonly string[] | null): OperatorRules['allow'] {
    const { regexes = [], stopwords = [], paths = [], commits = [], regexTarget = 'secret', targetRules } = list;
    if (regexTarget === 'line') {
      this.fail([...key, 'regexTarget'], 'a stream has no lines to look at; write "match"', "regexTarget = 'match'");
    }
    const kinds = [regexes, stopwords, paths, commits].filter(({ length }) => length > 0).length;
    const all = list.condition !== undefined && /^(?:and|&&)$/i.test(list.condition);
    if (all && kinds > 1) this.fail([...key, 'condition'], 'only one of several kinds may hold: OR, the default');
    const target = regexTarget;
    const appliesTo = targetRules === undefined ? rules : [...targetRules];
    const ids = appliesTo === null ? null : [...appliesTo];
    return [
      ...regexes.map((pattern, index) => {
        const parsed = parseRulePattern(pattern);
        if (!parsed.ok) this.fail([...key, 'regexes', index], `the pattern has ${parsed.error}`);
        return { target, pattern, rules: ids };
      }),
      ...stopwords.map((word) => ({ target: 'secret' as const, pattern: `(?i:${escapeLiteral(word)})`, rules: ids })),
    ];
  }

  /** Of a built-in rule, or of one of these. */
  checkId(id: string, own: readonly string[], key: KeyPath): void {
    const known = [...builtInRuleIds(), ...own];
    if (known.includes(id)) return;
    const meant = nearest(id, known);
    this.fail(key, `there is no rule "${id}"${meant === null ? '' : `; did you mean "${meant}"?`}`);
  }
}
