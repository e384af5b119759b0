import { assertNever } from '../kernel/assert-never.ts';
import type { Header } from '../schema/header.ts';
import type { PathMatch, RouteMatch } from '../schema/route.ts';
import { pathText, ruleText } from './path-text.ts';
import type { Pattern } from './regex-subset.ts';

/** `matches` of a route, with its patterns compiled. Fields AND together, entries OR. */
export interface CompiledMatch {
  readonly paths: readonly PathTest[] | null;
  readonly methods: ReadonlySet<string> | null;
  readonly headers: readonly HeaderTest[] | null;
}
/** Asked about `pathText` of a reading. */
export type PathTest = (path: string) => boolean;
export interface HeaderTest {
  readonly name: string;
  readonly test: (value: string) => boolean;
}
export type CompilePattern = (source: string) => Pattern;

export function compileMatch(match: RouteMatch, compilePattern: CompilePattern): CompiledMatch {
  return {
    paths: match.paths?.map((path) => compilePath(path, compilePattern)) ?? null,
    methods: match.methods === undefined ? null : new Set(match.methods),
    headers:
      match.headers?.map(({ type, name, value }) => {
        const pattern = type === 'regex' ? compilePattern(value) : null;
        return {
          name: name.toLowerCase(),
          test: (seen: string) => (pattern === null ? seen === value : pattern.test(seen)),
        };
      }) ?? null,
  };
}

function compilePath({ type, value }: PathMatch, compilePattern: CompilePattern): PathTest {
  switch (type) {
    case 'exact': {
      const rule = ruleText(value);
      return (path) => path === rule;
    }
    case 'prefix': {
      const rule = ruleText(value);
      return (path) => isBelow(rule, path);
    }
    case 'regex': {
      const pattern = compilePattern(value);
      return (path) => pattern.test(path);
    }
    default:
      return assertNever(type);
  }
}

/** By segment: `/v1` holds for `/v1` and `/v1/x`, never for `/v10`. A prefix that ends in `/` does not name the directory itself. */
function isBelow(prefix: string, path: string): boolean {
  if (prefix.endsWith('/')) return path.startsWith(prefix);
  return path === prefix || path.startsWith(`${prefix}/`);
}

export interface MatchInput {
  readonly method: string;
  /** Every reading of the path; one entry must allow them all. */
  readonly readings: readonly string[];
  readonly headers: readonly Header[];
}

export type MatchOutcome = 'matched' | 'not-matched' | 'some-reading-escapes';

/** Every reading must be admitted by some entry: whichever the upstream takes, a rule allowed it. */
export function matchAny(matches: readonly CompiledMatch[], input: MatchInput): MatchOutcome {
  const candidates = matches.filter((match) => admitsMethod(match, input) && admitsHeaders(match, input));
  const admitted = input.readings.map(pathText).map((path) => candidates.filter((match) => admitsPath(match, path)));
  if (admitted.every((entries) => entries.length > 0)) return 'matched';
  return admitted.some((entries) => entries.length > 0) ? 'some-reading-escapes' : 'not-matched';
}

function admitsMethod({ methods }: CompiledMatch, { method }: MatchInput): boolean {
  return methods === null || methods.has(method);
}

function admitsPath({ paths }: CompiledMatch, path: string): boolean {
  return paths === null || paths.some((test) => test(path));
}

/** A header sent twice must fit both times: the upstream may take either. */
function admitsHeaders({ headers }: CompiledMatch, input: MatchInput): boolean {
  return (headers ?? []).every(({ name, test }) => {
    const values = input.headers.filter(([seen]) => seen.toLowerCase() === name);
    return values.length > 0 && values.every(([, value]) => test(value));
  });
}
