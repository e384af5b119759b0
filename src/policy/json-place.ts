import { err, ok, type Result } from '../kernel/result.ts';

/**
 * Where the string that a JSON pointer (RFC 6901) names stands in a text (RFC 8259), so that it alone can be replaced
 * and every other byte stays as it was. Strict: what two parsers could read in two ways, a key that is there twice or a
 * literal that no standard knows, is an error and not a guess.
 */
export interface JsonString {
  /** Index of the opening quote, and the index after the closing one. */
  readonly start: number;
  readonly end: number;
  readonly value: string;
}

/** Deeper texts are nobody's honest request; the walk is recursive. */
const DEPTH = 100;
const SPACE = /[ \t\n\r]*/y;
const STRING = /"((?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*)"/y;
const LITERAL = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** The tokens of a pointer, or null for a text that is none. The empty pointer would be the whole document. */
export function parsePointer(pointer: string): readonly string[] | null {
  if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer)) return null;
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Null when the pointer leads to no string; an error when the text is not JSON that everybody reads alike. */
export function findJsonString(text: string, pointer: readonly string[]): Result<JsonString | null, string> {
  const walk = new Walk(text, pointer);
  return walk.run() ? ok(walk.found) : err(walk.problem);
}

class Walk {
  found: JsonString | null = null;
  problem = 'it is not JSON';
  readonly #text: string;
  readonly #pointer: readonly string[];
  #at: number;

  constructor(text: string, pointer: readonly string[]) {
    this.#text = text;
    this.#pointer = pointer;
    this.#at = 0;
  }

  run(): boolean {
    if (!this.#value(0, 0)) return false;
    this.#space();
    return this.#at === this.#text.length;
  }

  /** `matched`: how many tokens of the pointer led here; -1 off its way. */
  #value(depth: number, matched: number): boolean {
    if (depth > DEPTH) return this.#fail('it is nested too deeply');
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth, matched);
      case '[':
        return this.#array(depth, matched);
      case '"': {
        const string = this.#string();
        if (string !== null && matched === this.#pointer.length) this.found = string;
        return string !== null;
      }
      default:
        return this.#take(LITERAL) !== null;
    }
  }

  #object(depth: number, matched: number): boolean {
    const keys = new Set<string>();
    return this.#members('}', () => {
      this.#space();
      const key = this.#string()?.value;
      if (key === undefined) return false;
      if (keys.has(key)) return this.#fail('a key is there twice');
      keys.add(key);
      this.#space();
      return this.#skip(':') && this.#value(depth + 1, this.#follow(matched, key));
    });
  }

  #array(depth: number, matched: number): boolean {
    let index = 0;
    return this.#members(']', () => {
      const onward = this.#follow(matched, String(index));
      index += 1;
      return this.#value(depth + 1, onward);
    });
  }

  #members(closing: string, member: () => boolean): boolean {
    this.#at += 1;
    this.#space();
    if (this.#skip(closing)) return true;
    for (;;) {
      if (!member()) return false;
      this.#space();
      if (this.#skip(closing)) return true;
      if (!this.#skip(',')) return false;
    }
  }

  #follow(matched: number, token: string): number {
    return matched >= 0 && this.#pointer[matched] === token ? matched + 1 : -1;
  }

  #string(): JsonString | null {
    const start = this.#at;
    const inner = this.#take(STRING)?.[1];
    return inner === undefined ? null : { start, end: this.#at, value: unescape(inner) };
  }

  #space(): void {
    this.#take(SPACE);
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #fail(problem: string): false {
    this.problem = problem;
    return false;
  }
}

function unescape(inner: string): string {
  return inner.replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/g, (_, hex: string | undefined, short: string) =>
    hex === undefined ? (SHORT_ESCAPES[short] ?? short) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
