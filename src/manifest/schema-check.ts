import { z } from 'zod';
import { BottleError, type BottleErrorDetails, type ErrorCode, type SourcePosition } from '../kernel/errors.ts';
import { exampleFor } from './examples.ts';
import { nearest } from './edit-distance.ts';
import { describeIssue, describeSchema, listText } from './issue-text.ts';
import {
  entryAt,
  keyPathText,
  keyPositionOf,
  nodeAt,
  plainOf,
  positionOf,
  type KeyPath,
  type Located,
  type LocatedMap,
} from './located.ts';
import { refusedKey } from './old-keys.ts';
import { childrenOf, descriptionAt, objectAt, optionsAt } from './schema-walk.ts';

/**
 * A tree as the value its schema describes, or the first thing wrong with it in the order of the file: where, which
 * key, what was meant, and a line to paste. No value of the file is repeated, since it may be a secret.
 */
export interface ShapeRules {
  readonly code: ErrorCode;
  readonly examples: Readonly<Record<string, string>>;
}

interface Problem {
  readonly path: KeyPath;
  readonly position: SourcePosition;
  readonly message: string;
  readonly hint: string | null;
  /** Something is not there: often only because something else is spelled wrong, which is then the thing to say. */
  readonly follows: boolean;
}

export function checkShape<Schema extends z.ZodType>(
  schema: Schema,
  tree: Located,
  rules: ShapeRules,
): z.output<Schema> {
  const parsed = schema.safeParse(plainOf(tree));
  if (parsed.success) return parsed.data;
  const context = { schema, tree, rules };
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, issue.path.map(step), context));
  const first = problems.reduce((best, next) => (isBefore(next, best) ? next : best));
  throw problemError(first, rules);
}

function problemError({ path, position, message, hint }: Problem, rules: ShapeRules): BottleError {
  const details: BottleErrorDetails = { message, position, ...(hint === null ? {} : { hint }) };
  return new BottleError(rules.code, path.length === 0 ? details : { ...details, key: keyPathText(path) });
}

function isBefore(left: Problem, right: Problem): boolean {
  if (left.follows !== right.follows) return right.follows;
  const [a, b] = [left.position, right.position];
  return a.line === b.line ? a.column < b.column : a.line < b.line;
}

interface CheckContext {
  readonly schema: z.ZodType;
  readonly tree: Located;
  readonly rules: ShapeRules;
}

function problemsOf(issue: z.core.$ZodIssue, path: KeyPath, context: CheckContext): readonly Problem[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key, context));
    case 'invalid_union':
      return unionProblems(issue, path, context);
    case 'invalid_key':
      return [wrongKey(issue, path, context)];
    default:
      return [wrongValue(issue, path, context)];
  }
}

function unknownKey(path: KeyPath, key: string, { schema, tree, rules }: CheckContext): Problem {
  const full = [...path, key];
  const position = keyPositionOf(tree, full);
  const refused = refusedKey(key);
  if (refused !== null)
    return { path: full, position, message: refused.message, hint: refused.hint ?? null, follows: false };
  const allowed = Object.keys(objectAt(schema, path, plainOf(tree))?.shape ?? {});
  const meant = nearest(key, allowed);
  const allowedText = allowed.length === 0 ? 'nothing is allowed here' : `allowed here: ${allowed.join(', ')}`;
  const question = meant === null ? '' : `; did you mean "${meant}"?`;
  const hint = meant === null ? null : exampleFor(rules.examples, [...path, meant]);
  return { path: full, position, message: `unknown key "${key}"${question}\n${allowedText}`, hint, follows: false };
}

/** Of the alternatives, the one whose type fits is meant; if none or several do, all are named. */
function unionProblems(issue: z.core.$ZodIssueInvalidUnion, path: KeyPath, context: CheckContext): readonly Problem[] {
  const fitting = issue.errors.filter((issues) => !issues.some(isWrongType));
  const [only] = fitting;
  if (fitting.length === 1 && only !== undefined) {
    return only.flatMap((inner) => problemsOf(inner, [...path, ...inner.path.map(step)], context));
  }
  const value = plainOf(context.tree);
  const { discriminator } = issue;
  const options =
    discriminator === undefined
      ? optionsAt(context.schema, path, value)
      : optionsAt(context.schema, path.slice(0, -1), value).flatMap((option) => childrenOf(option, discriminator));
  return [valueProblem(path, listText(options.map(describeSchema), 'or'), context)];
}

function isWrongType(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function wrongKey(issue: z.core.$ZodIssueInvalidKey, path: KeyPath, { tree }: CheckContext): Problem {
  const message = `a key here must be ${issue.issues[0]?.message ?? 'another'}`;
  return { path, position: keyPositionOf(tree, path), message, hint: null, follows: false };
}

function wrongValue(issue: z.core.$ZodIssue, path: KeyPath, context: CheckContext): Problem {
  if (issue.code === 'custom') {
    const hint = exampleFor(context.rules.examples, path);
    return { path, position: positionOf(context.tree, path), message: issue.message, hint, follows: true };
  }
  const described = issue.code === 'invalid_type' ? descriptionAt(context.schema, path, plainOf(context.tree)) : null;
  const problem = valueProblem(path, described ?? describeIssue(issue), context);
  if (issue.code !== 'invalid_value' || issue.values.length < 2) return problem;
  const node = nodeAt(context.tree, path);
  const written = node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : '';
  const meant = nearest(written, issue.values.map(String));
  return meant === null ? problem : { ...problem, message: `${problem.message}; did you mean "${meant}"?` };
}

function valueProblem(path: KeyPath, expected: string, { tree, rules }: CheckContext): Problem {
  const position = positionOf(tree, path);
  const entry = entryAt(tree, path);
  if (entry === null) {
    const parent = path.slice(0, -1);
    const hint = exampleFor(rules.examples, parent) ?? exampleFor(rules.examples, path);
    return { path, position, message: `"${String(path.at(-1))}" is missing: ${expected}`, hint, follows: true };
  }
  const hint = exampleFor(rules.examples, path);
  const { node } = entry;
  if (node.kind === 'scalar' && node.value === null) {
    return { path, position: entry.keyAt, message: `has no value; it must be ${expected}`, hint, follows: false };
  }
  const unquoted = node.kind === 'scalar' && typeof node.value !== 'string' && /\ba string\b/.test(expected);
  return {
    path,
    position,
    message: `must be ${expected}${unquoted ? '; put it in quotes' : ''}`,
    hint,
    follows: false,
  };
}

function step(key: PropertyKey): string | number {
  return typeof key === 'symbol' ? String(key) : key;
}

/** The tree as the map that every manifest is. */
export function asMap(tree: Located, code: ErrorCode = 'manifest_invalid'): LocatedMap {
  if (tree.kind === 'map') return tree;
  throw new BottleError(code, { message: 'must be a map: lines of `key: value`', position: tree.at });
}
