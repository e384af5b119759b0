import { z } from 'zod';

/** What zod found, in words that end the sentence "must be …". */
export function describeIssue(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeName(issue.expected);
    case 'invalid_value':
      return listText(issue.values.map(String), 'or');
    case 'invalid_format':
      return issue.message;
    case 'too_small':
      return atLeast(issue);
    case 'too_big':
      return atMost(issue);
    default:
      return issue.message;
  }
}

/** A schema, as one of several alternatives. */
export function describeSchema(schema: z.core.$ZodType): string {
  if (schema instanceof z.ZodObject) return `a map with ${listText(Object.keys(schema.shape), 'and')}`;
  if (schema instanceof z.ZodLiteral) return [...schema.values].map(String).join(' or ');
  if (schema instanceof z.ZodEnum) return schema.options.map(String).join(', ');
  if (schema instanceof z.ZodArray) {
    const { element } = schema;
    return element instanceof z.ZodEnum ? `a list of ${element.options.map(String).join(', ')}` : 'a list';
  }
  return typeName(schema._zod.def.type);
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
};

function typeName(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

function atLeast({ origin, minimum, inclusive }: z.core.$ZodIssueTooSmall): string {
  const least = String(minimum);
  if (origin === 'string') return 'a string that is not empty';
  if (origin === 'array') return 'a list that is not empty; leave the key out instead';
  return inclusive === false ? `more than ${least}` : `at least ${least}`;
}

function atMost({ origin, maximum }: z.core.$ZodIssueTooBig): string {
  const most = String(maximum);
  if (origin === 'string') return `at most ${most} characters long`;
  return origin === 'array' ? `a list of at most ${most}` : `at most ${most}`;
}

/** `a`, `a or b`, `a, b or c`. */
export function listText(words: readonly string[], joint: 'or' | 'and'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${joint} ${words.at(-1) ?? ''}`;
}
