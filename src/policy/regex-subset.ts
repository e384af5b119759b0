import { err, ok, type Result } from '../kernel/result.ts';

/**
 * Patterns of the manifest match the whole text and run in time linear in it (SECURITY S22). The subset that is
 * accepted can't backtrack badly: no group is repeated, no back-reference, no look-around, and unbounded repeats never
 * stand next to something that could take the same characters.
 */
export function compilePattern(source: string): Result<RegExp, string> {
  const problem = findProblem(source);
  if (problem !== null) return err(problem);
  try {
    return ok(new RegExp(`^(?:${source})$`, 'su'));
  } catch (failure) {
    return err(failure instanceof SyntaxError ? failure.message : 'not a pattern');
  }
}

/** Unbounded repeats in one pattern: each multiplies the worst case by the length of the text. */
const REPEATS_MAX = 2;

function findProblem(source: string): string | null {
  const bare = source
    .replace(/\\./gs, (escape) => (/\\[1-9k]/.test(escape) ? '\u0001' : '_'))
    .replace(/\[[^\]]*\]/g, '_');
  if (bare.includes('\u0001')) return 'a back-reference, which can take exponential time';
  if (/\(\?(?!:)/.test(bare)) return 'a look-around or a named group; use (?:…)';
  if (/\)[*+?{]/.test(bare)) return 'a repeated group, which can take exponential time; list the alternatives instead';
  const repeats = bare.match(/[*+]|\{\d+,\}/g) ?? [];
  if (repeats.length > REPEATS_MAX) return `more than ${String(REPEATS_MAX)} unbounded repeats, whose time multiplies`;
  if (/\{\d*,?(\d{4,})\}/.test(bare)) return 'a repeat count over 999';
  return null;
}
