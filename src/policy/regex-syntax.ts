import { complement, DIGITS, SPACES, WORDS, type CodeRange } from './code-ranges.ts';
import { err, ok, type Result } from '../kernel/result.ts';

/**
 * Reads the patterns of the manifest: the part of JavaScript's syntax (with the flags `s` and `u`) that an automaton
 * without memory can decide. Whatever needs backtracking is refused by name.
 */
export type PatternNode =
  | { readonly kind: 'take'; readonly ranges: readonly CodeRange[] }
  | { readonly kind: 'edge'; readonly edge: 'start' | 'end' }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'either'; readonly branches: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly body: PatternNode; readonly min: number; readonly max: number };

/** Groups in groups; deeper than any pattern that a person reads. */
const DEPTH_MAX = 50;
const NOTHING: PatternNode = { kind: 'sequence', parts: [] };
const ANY: readonly CodeRange[] = [[0, 0x10ffff]];

export function parsePattern(source: string): Result<PatternNode, string> {
  const reader = new Reader(source);
  const node = parseEither(reader, 0);
  if (reader.peek() === ')') reader.fail('a `)` without its `(`');
  return reader.problem === null ? ok(node) : err(reader.problem);
}

/** After the first problem there is nothing left to read, so every loop ends. */
class Reader {
  readonly #characters: readonly string[];
  #index = 0;
  problem: string | null = null;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  peek(): string | null {
    return this.#characters[this.#index] ?? null;
  }

  next(): string | null {
    const character = this.peek();
    this.#index += 1;
    return character;
  }

  /** Takes `text` if it stands here. */
  accept(text: string): boolean {
    const found = this.#characters.slice(this.#index, this.#index + text.length).join('') === text;
    if (found) this.#index += text.length;
    return found;
  }

  /** Takes what matches the anchored `shape` from here on, within a few characters. */
  acceptShape(shape: RegExp): RegExpExecArray | null {
    const match = shape.exec(this.#characters.slice(this.#index, this.#index + 24).join(''));
    if (match !== null) this.#index += match[0].length;
    return match;
  }

  fail(why: string): PatternNode {
    this.problem ??= why;
    this.#index = this.#characters.length;
    return NOTHING;
  }
}

function parseEither(reader: Reader, depth: number): PatternNode {
  if (depth > DEPTH_MAX) return reader.fail('groups nested too deep');
  const branches = [parseSequence(reader, depth)];
  while (reader.accept('|')) branches.push(parseSequence(reader, depth));
  return branches.length === 1 ? (branches[0] ?? NOTHING) : { kind: 'either', branches };
}

function parseSequence(reader: Reader, depth: number): PatternNode {
  const parts: PatternNode[] = [];
  for (let seen = reader.peek(); seen !== null && seen !== '|' && seen !== ')'; seen = reader.peek()) {
    parts.push(parseRepeat(reader, parseAtom(reader, depth)));
  }
  return { kind: 'sequence', parts };
}

/** A `?` after a count asks for the shortest match first, which is all one when the whole text must match. */
function parseRepeat(reader: Reader, body: PatternNode): PatternNode {
  const counts = readCounts(reader);
  if (counts === null) return body;
  if (body.kind === 'edge') return reader.fail('a repeat with nothing before it to repeat');
  reader.accept('?');
  const { min, max } = counts;
  return min > max ? reader.fail('a repeat whose counts are out of order') : { kind: 'repeat', body, min, max };
}

function readCounts(reader: Reader): { readonly min: number; readonly max: number } | null {
  if (reader.accept('*')) return { min: 0, max: Infinity };
  if (reader.accept('+')) return { min: 1, max: Infinity };
  if (reader.accept('?')) return { min: 0, max: 1 };
  if (reader.peek() !== '{') return null;
  const [, low, comma, high] = reader.acceptShape(/^\{(\d{1,6})(,?)(\d{0,6})\}/) ?? [];
  if (low === undefined || (comma === '' && high !== '')) {
    reader.fail('a `{` that begins no count; for the character write \\{');
    return null;
  }
  const min = Number(low);
  return { min, max: comma === '' ? min : high === '' ? Infinity : Number(high) };
}

function parseAtom(reader: Reader, depth: number): PatternNode {
  const character = reader.next();
  switch (character) {
    case null:
      return NOTHING;
    case '^':
      return { kind: 'edge', edge: 'start' };
    case '$':
      return { kind: 'edge', edge: 'end' };
    case '.':
      return { kind: 'take', ranges: ANY };
    case '(':
      return parseGroup(reader, depth);
    case '[':
      return parseClass(reader);
    case '\\':
      return { kind: 'take', ranges: parseEscape(reader) };
    case '*':
    case '+':
    case '?':
      return reader.fail('a repeat with nothing before it to repeat');
    case '{':
    case '}':
    case ']':
      return reader.fail(`a lone \`${character}\`; for the character write \\${character}`);
    default:
      return { kind: 'take', ranges: [single(character)] };
  }
}

function parseGroup(reader: Reader, depth: number): PatternNode {
  if (!reader.accept('?:') && reader.peek() === '?') {
    return reader.fail('a look-around, a named group or a flag; use (?:…)');
  }
  const inner = parseEither(reader, depth + 1);
  return reader.accept(')') ? inner : reader.fail('a `(` without its `)`');
}

/** A dash that begins or ends the list stands for itself. */
function parseClass(reader: Reader): PatternNode {
  const negated = reader.accept('^');
  const ranges: CodeRange[] = [];
  while (!reader.accept(']')) {
    if (reader.peek() === null) return reader.fail('a `[` without its `]`');
    const low = parseMember(reader);
    if (reader.acceptShape(/^-(?!\])/) === null) {
      ranges.push(...low);
      continue;
    }
    const range = between(low, parseMember(reader));
    if (range === null) return reader.fail('a range in […] that is out of order or not between two characters');
    ranges.push(range);
  }
  return { kind: 'take', ranges: negated ? complement(ranges) : ranges };
}

function parseMember(reader: Reader): readonly CodeRange[] {
  const character = reader.next();
  if (character === null) return [];
  return character === '\\' ? parseEscape(reader) : [single(character)];
}

function between(low: readonly CodeRange[], high: readonly CodeRange[]): CodeRange | null {
  const [from, to] = [low[0], high[0]];
  if (low.length !== 1 || high.length !== 1 || from === undefined || to === undefined) return null;
  return from[0] === from[1] && to[0] === to[1] && from[0] <= to[0] ? [from[0], to[0]] : null;
}

const SETS: Readonly<Record<string, readonly CodeRange[]>> = {
  d: DIGITS,
  D: complement(DIGITS),
  s: SPACES,
  S: complement(SPACES),
  w: WORDS,
  W: complement(WORDS),
  t: [single('\t')],
  n: [single('\n')],
  v: [single('\v')],
  f: [single('\f')],
  r: [single('\r')],
};

/** Any ASCII punctuation may be escaped, whether it needs it or not. */
function parseEscape(reader: Reader): readonly CodeRange[] {
  const [code, x, u, braced] =
    reader.acceptShape(/^(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|u\{([\dA-Fa-f]{1,6})\})/) ?? [];
  if (code !== undefined) return codePoint(reader, Number.parseInt(x ?? u ?? braced ?? '', 16));
  const character = reader.next();
  const set = character === null ? undefined : SETS[character];
  if (set !== undefined) return set;
  if (character !== null && /^[!-/:-@[-`{-~]$/.test(character)) return [single(character)];
  reader.fail(problemOfEscape(character));
  return [];
}

function problemOfEscape(character: string | null): string {
  if (character === null) return 'a `\\` with nothing after it';
  if (/[1-9k]/.test(character)) return 'a back-reference, which can take exponential time';
  if (/[bBpP]/.test(character)) return `\\${character}, which is not supported; list the characters in […]`;
  return `\\${character}, which is no escape`;
}

function codePoint(reader: Reader, code: number): readonly CodeRange[] {
  if (code <= 0x10ffff) return [[code, code]];
  reader.fail('a code point over 10FFFF');
  return [];
}

function single(character: string): CodeRange {
  const code = character.codePointAt(0) ?? 0;
  return [code, code];
}
