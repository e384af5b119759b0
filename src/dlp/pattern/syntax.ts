import { err, ok, type Result } from '../../kernel/result.ts';
import { complement, DIGITS, foldCase, POSIX, setOf, SPACES, union, WORDS, type ByteSet } from './byte-set.ts';

/**
 * Reads the patterns of rules, built in or the operator's: the part of RE2's syntax that says something about bytes.
 * RE2 has no back-references and no look-around, so whatever is read here can be matched without backtracking. What
 * RE2 knows and this does not (Unicode classes, `^` and `$` by line) is refused by name.
 */
export type PatternNode =
  | { readonly kind: 'byte'; readonly set: ByteSet }
  | { readonly kind: 'edge'; readonly edge: Edge }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'either'; readonly branches: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly body: PatternNode;
      readonly min: number;
      readonly max: number;
      readonly greedy: boolean;
    }
  /** Numbered from 1 by their opening parentheses. */
  | { readonly kind: 'group'; readonly index: number; readonly body: PatternNode };
/** `word` stands between a word byte and another one, `inside` everywhere else. */
export type Edge = 'start' | 'end' | 'word' | 'inside';

export interface ParsedPattern {
  readonly root: PatternNode;
  readonly groups: number;
}

const DEPTH_MAX = 50;
/** RE2's own bound. */
const COUNT_MAX = 1000;
const NOTHING: PatternNode = { kind: 'sequence', parts: [] };
const ANY = setOf('\0\xff');
const NOT_NEWLINE = complement(setOf('\n\n'));

export function parseRulePattern(source: string): Result<ParsedPattern, string> {
  const reader = new Reader(source);
  const root = parseEither(reader, 0);
  if (reader.peek() === ')') reader.fail('a `)` without its `(`');
  return reader.problem === null ? ok({ root, groups: reader.groups }) : err(reader.problem);
}

interface Flags {
  readonly foldCase: boolean;
  readonly dotAll: boolean;
}

/** After the first problem there is nothing left to read, so every loop ends. */
class Reader {
  readonly #source: string;
  #index = 0;
  flags: Flags = { foldCase: false, dotAll: false };
  groups = 0;
  problem: string | null = null;

  constructor(source: string) {
    this.#source = source;
  }

  peek(): string | null {
    const code = this.#source.codePointAt(this.#index);
    return code === undefined ? null : String.fromCodePoint(code);
  }

  next(): string | null {
    const character = this.peek();
    this.#index += character?.length ?? 0;
    return character;
  }

  accept(text: string): boolean {
    const found = this.#source.startsWith(text, this.#index);
    if (found) this.#index += text.length;
    return found;
  }

  /** Takes what matches the anchored `shape` from here on, within a few characters. */
  acceptShape(shape: RegExp): RegExpExecArray | null {
    const match = shape.exec(this.#source.slice(this.#index, this.#index + 48));
    if (match !== null) this.#index += match[0].length;
    return match;
  }

  fail(why: string): PatternNode {
    this.problem ??= why;
    this.#index = this.#source.length;
    return NOTHING;
  }

  /** The node for one byte of this set, as the flags stand. */
  take(set: ByteSet): PatternNode {
    return { kind: 'byte', set: this.flags.foldCase ? foldCase(set) : set };
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

function parseRepeat(reader: Reader, body: PatternNode): PatternNode {
  const counts = readCounts(reader);
  if (counts === null) return body;
  if (body.kind === 'edge') return reader.fail('a repeat with nothing before it to repeat');
  const greedy = !reader.accept('?');
  const { min, max } = counts;
  if (min > max) return reader.fail('a repeat whose counts are out of order');
  if (min > COUNT_MAX || (max > COUNT_MAX && max !== Infinity)) return reader.fail('a count over 1000');
  return readCounts(reader) === null
    ? { kind: 'repeat', body, min, max, greedy }
    : reader.fail('a repeat right after a repeat');
}

/** A `{` that begins no count stands for itself, as in RE2. */
function readCounts(reader: Reader): { readonly min: number; readonly max: number } | null {
  if (reader.accept('*')) return { min: 0, max: Infinity };
  if (reader.accept('+')) return { min: 1, max: Infinity };
  if (reader.accept('?')) return { min: 0, max: 1 };
  const [, low, comma, high] = reader.acceptShape(/^\{(\d{1,6})(?:(,)(\d{0,6}))?\}/) ?? [];
  if (low === undefined) return null;
  const min = Number(low);
  return { min, max: comma === undefined ? min : high === '' ? Infinity : Number(high) };
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
      return { kind: 'byte', set: reader.flags.dotAll ? ANY : NOT_NEWLINE };
    case '(':
      return parseGroup(reader, depth);
    case '[':
      return parseClass(reader);
    case '\\':
      return parseOutsideEscape(reader);
    case '*':
    case '+':
    case '?':
      return reader.fail('a repeat with nothing before it to repeat');
    default:
      return literal(reader, character);
  }
}

/** A character beyond ASCII is the bytes of its UTF-8 form. */
function literal(reader: Reader, character: string): PatternNode {
  const bytes = [...new TextEncoder().encode(character)].map((byte) => reader.take(single(byte)));
  return bytes.length === 1 ? (bytes[0] ?? NOTHING) : { kind: 'sequence', parts: bytes };
}

const single = (byte: number): ByteSet => setOf(String.fromCharCode(byte, byte));

function parseGroup(reader: Reader, depth: number): PatternNode {
  const outer = reader.flags;
  const [, , named] = reader.acceptShape(/^\?(P?)<([A-Za-z_]\w{0,31})>/) ?? [];
  let index: number | null = null;
  if (named !== undefined || reader.peek() !== '?') {
    reader.groups += 1;
    index = reader.groups;
  } else {
    const [, on, off, close] = reader.acceptShape(/^\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])/) ?? [];
    if (on === undefined || close === undefined) return reader.fail('a look-around or an unknown kind of group');
    if (/[^is]/.test(`${on}${off ?? ''}`)) return reader.fail('a flag other than i and s');
    reader.flags = setFlags(setFlags(outer, on, true), off ?? '', false);
    // `(?i)` holds to the end of the group that it stands in.
    if (close === ')') return NOTHING;
  }
  const body = parseEither(reader, depth + 1);
  reader.flags = outer;
  if (!reader.accept(')')) return reader.fail('a `(` without its `)`');
  return index === null ? body : { kind: 'group', index, body };
}

function setFlags(flags: Flags, letters: string, value: boolean): Flags {
  return {
    foldCase: letters.includes('i') ? value : flags.foldCase,
    dotAll: letters.includes('s') ? value : flags.dotAll,
  };
}

/** A `]` that begins the list and a dash that begins or ends it stand for themselves. */
function parseClass(reader: Reader): PatternNode {
  const negated = reader.accept('^');
  const sets: ByteSet[] = [];
  for (let first = true; first || !reader.accept(']'); first = false) {
    if (reader.peek() === null) return reader.fail('a `[` without its `]`');
    const low = parseMember(reader);
    if (reader.acceptShape(/^-(?!\])/) === null) {
      sets.push(low);
      continue;
    }
    const range = between(low, parseMember(reader));
    if (range === null) return reader.fail('a range in […] that is out of order or not between two characters');
    sets.push(range);
  }
  const set = reader.flags.foldCase ? foldCase(union(sets)) : union(sets);
  return { kind: 'byte', set: negated ? complement(set) : set };
}

function parseMember(reader: Reader): ByteSet {
  const [, negated, name] = reader.acceptShape(/^\[:(\^?)([a-z]{1,8}):\]/) ?? [];
  if (name !== undefined) {
    const set = POSIX[name];
    if (set === undefined) reader.fail(`[:${name}:], which is no class of characters`);
    else return negated === '^' ? complement(set) : set;
  }
  const character = reader.next() ?? '';
  if (character === '\\') return parseEscape(reader);
  if (character > '\x7f') reader.fail(`${character} in […]; a class holds single bytes, write (?:a|b) for it`);
  return single(character.charCodeAt(0));
}

function between(low: ByteSet, high: ByteSet): ByteSet | null {
  const [from, to] = [low.indexOf(1), high.indexOf(1)];
  const alone = low.lastIndexOf(1) === from && high.lastIndexOf(1) === to;
  return alone && from <= to ? setOf(String.fromCharCode(from, to)) : null;
}

const EDGES: Readonly<Record<string, Edge>> = { b: 'word', B: 'inside', A: 'start', z: 'end' };

function parseOutsideEscape(reader: Reader): PatternNode {
  const edge = EDGES[reader.peek() ?? ''];
  if (edge === undefined) return reader.take(parseEscape(reader));
  reader.next();
  return { kind: 'edge', edge };
}

const SETS: Readonly<Record<string, ByteSet>> = {
  d: DIGITS,
  D: complement(DIGITS),
  s: SPACES,
  S: complement(SPACES),
  w: WORDS,
  W: complement(WORDS),
  a: single(7),
  t: single(9),
  n: single(10),
  v: single(11),
  f: single(12),
  r: single(13),
};

/** Any ASCII punctuation may be escaped, whether it needs it or not. */
function parseEscape(reader: Reader): ByteSet {
  const [code, short, braced] = reader.acceptShape(/^x(?:([\dA-Fa-f]{2})|\{([\dA-Fa-f]{1,6})\})/) ?? [];
  if (code !== undefined) {
    const byte = Number.parseInt(short ?? braced ?? '', 16);
    if (byte > 0x7f) reader.fail(`\\${code}, which is more than one byte; write the character itself`);
    return single(byte & 0xff);
  }
  const character = reader.next();
  const set = character === null ? undefined : SETS[character];
  if (set !== undefined) return set;
  if (character !== null && /^[!-/:-@[-`{-~]$/.test(character)) return single(character.charCodeAt(0));
  reader.fail(
    character === null
      ? 'a `\\` with nothing after it'
      : /[1-9k]/.test(character)
        ? 'a back-reference, which can take exponential time'
        : `\\${character}, which is not supported`,
  );
  return single(0);
}
