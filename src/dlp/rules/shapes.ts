import type { Rule, Severity } from '../rule.ts';

/** The two shapes that nearly all vendors' credentials have, and what is the same for all of one vendor. */
export type RuleOfVendor = Omit<Rule, 'vendor' | 'docs'>;
type More = Partial<Pick<Rule, 'allow' | 'checksum' | 'entropy' | 'kind'>>;

export function vendor(name: string, docs: string, rules: readonly RuleOfVendor[]): readonly Rule[] {
  return rules.map((rule) => ({ ...rule, vendor: name, docs }));
}

/** Documents and tests write them like this; nobody's generator does. */
const DUMMY = '(?i:example|x{6}|0{8}|1234567|abcdefg|placeholder|dummy|\\.\\.\\.|your[_-])';

/** A credential that begins with its vendor's mark. What stands right before or after it can't hide it. */
export function prefixed(
  id: string,
  prefix: string,
  value: string,
  sample: string,
  severity: Severity,
  more: More & { readonly edge?: boolean } = {},
): RuleOfVendor {
  const { edge = false, ...rest } = more;
  const broken = `${prefix.slice(0, -1)}${prefix.endsWith('~') ? '=' : '~'}`;
  return {
    id,
    keywords: [prefix],
    pattern: `${edge ? '\\b' : ''}${escapeLiteral(prefix)}${value}`,
    severity,
    entropy: 2.5,
    ...rest,
    allow: [DUMMY, ...(more.allow ?? [])],
    examples: {
      match: [`TOKEN=${prefix}${sample}`, `{"headers": {"authorization": "Bearer ${prefix}${sample}"}}`],
      miss: [`"${prefix}${shorten(sample)}"`, `TOKEN=${broken}${sample}`],
    },
  };
}

/** What stands between a name and its value in code, settings, headers, queries, JSON and markup. */
const ASSIGNED = '[\\w .-]{0,24}(?:\\\\?["\'`]|&quot;)?[ \\t]{0,3}(?:=>|:=|==|=|:|,|>)\\s{0,3}(?:\\\\?["\'`]|&quot;)?';

/** A credential without a mark of its own: a value of the right shape that is assigned to a name with the vendor's in it. */
export function near(
  id: string,
  names: readonly [string, ...string[]],
  value: string,
  sample: string,
  severity: Severity,
  more: More = {},
): RuleOfVendor {
  const [name] = names;
  return {
    id,
    keywords: names,
    pattern: `(?i:${names.map(escapeLiteral).join('|')})${ASSIGNED}(${value})(?:[^\\w-]|$)`,
    secretGroup: 1,
    severity,
    entropy: 2.5,
    ...more,
    allow: [DUMMY, ...(more.allow ?? [])],
    examples: {
      match: [`${name.toUpperCase()}_KEY=${sample}`, `{"${name}Token": "${sample}"}`, `${name}: '${sample}'`],
      miss: [`something_else_key=${sample}`, `${name}_key=${shorten(sample)}`],
    },
  };
}

export function escapeLiteral(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}

/** The recipe with one character less in the last of its random parts. */
function shorten(recipe: string): string {
  const uuid = recipe.replace(/\{u\}(?![^]*\{)/, '{x8}-{x4}-{x4}-{x4}-{x11}');
  if (uuid !== recipe) return uuid;
  return recipe.replace(/\{([A-Za-z])(\d+)\}(?![^]*\{)/, (_, letter: string, count: string) => {
    return `{${letter}${String(Number(count) - 1)}}`;
  });
}

/** Five groups of hex digits, in either case. */
export const UUID = '[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}';
