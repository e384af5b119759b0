import { SeededRandom } from '../../fuzz/random.ts';

/**
 * Writes values as people write YAML (blocks, flows, quotes, comments, blank lines, either line end) and notes where
 * each scalar and each empty collection begins. It shares nothing with the reader under test.
 */
export type Written = string | number | boolean | WrittenList | WrittenMap;
export type WrittenList = readonly Written[];
export interface WrittenMap {
  readonly [key: string]: Written;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface WrittenFile {
  readonly text: string;
  /** By path, its steps joined with `/`. Where a value that is neither a map nor a list, or is an empty one, begins. */
  readonly places: ReadonlyMap<string, Place>;
}

export function writeFile(root: WrittenMap, seed: number): WrittenFile {
  const writer = new Writer(seed);
  return writer.file(root);
}

const COMMENTS = ['# why', '# a: b', '# - not an item', '# ünïcödé 😀'] as const;

class Writer {
  readonly #random: SeededRandom;
  readonly #places = new Map<string, Place>();
  readonly #end: string;
  #text = '';
  #line = 1;
  #column = 1;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#end = this.#one(4) ? '\r\n' : '\n';
  }

  file(root: WrittenMap): WrittenFile {
    this.#put('---');
    this.#newLine();
    const keys = Object.keys(root);
    if (keys.length > 0 && this.#one(6)) {
      this.#flow(root, '');
      this.#newLine();
    } else this.#blockMap(root, '', 0);
    this.#put('---');
    this.#newLine();
    this.#put('Words for people.');
    this.#newLine();
    return { text: this.#text, places: this.#places };
  }

  #blockMap(map: WrittenMap, path: string, indent: number): void {
    for (const [key, value] of Object.entries(map)) {
      this.#noise(indent);
      this.#put(' '.repeat(indent));
      this.#key(key);
      this.#value(value, join(path, key), indent);
    }
  }

  #blockList(list: WrittenList, path: string, indent: number): void {
    list.forEach((item, index) => {
      this.#noise(indent);
      this.#put(`${' '.repeat(indent)}- `);
      const own = join(path, String(index));
      if (isMap(item) && Object.keys(item).length > 0 && !this.#one(3)) this.#compactMap(item, own, indent + 2);
      else {
        this.#flow(item, own);
        this.#lineEnd();
      }
    });
  }

  /** The first key stands on the line of its dash. */
  #compactMap(map: WrittenMap, path: string, indent: number): void {
    Object.entries(map).forEach(([key, value], index) => {
      if (index > 0) this.#put(' '.repeat(indent));
      this.#key(key);
      this.#value(value, join(path, key), indent);
    });
  }

  #key(key: string): void {
    this.#put(this.#one(5) ? `"${key}":` : `${key}:`);
  }

  #value(value: Written, path: string, indent: number): void {
    const block = (isMap(value) || isList(value)) && sizeOf(value) > 0 && !this.#one(3);
    if (!block) {
      this.#put(' ');
      this.#flow(value, path);
      this.#lineEnd();
      return;
    }
    this.#lineEnd();
    if (isList(value)) this.#blockList(value, path, this.#one(2) ? indent : indent + 2);
    else if (isMap(value)) this.#blockMap(value, path, indent + 2);
  }

  #flow(value: Written, path: string): void {
    if (!isMap(value) && !isList(value)) {
      this.#places.set(path, this.#here());
      this.#put(this.#scalar(value));
      return;
    }
    if (sizeOf(value) === 0) this.#places.set(path, this.#here());
    const [open, close] = isList(value) ? ['[', ']'] : ['{', '}'];
    this.#put(open);
    Object.entries(value).forEach(([key, item], index) => {
      if (index > 0) this.#put(this.#one(3) ? ',  ' : ', ');
      if (!isList(value)) {
        this.#key(key);
        this.#put(' ');
      }
      this.#flow(item, join(path, key));
    });
    this.#put(close);
  }

  #scalar(value: string | number | boolean): string {
    if (typeof value !== 'string') return String(value);
    const plain = /^[A-Za-z/][\w./-]*$/.test(value) && !/^(true|false|null)$/i.test(value);
    if (plain && this.#one(2)) return value;
    return this.#one(2) ? JSON.stringify(value) : `'${value.replaceAll("'", "''")}'`;
  }

  #noise(indent: number): void {
    if (this.#one(6)) this.#newLine();
    if (!this.#one(6)) return;
    this.#put(`${' '.repeat(indent)}${this.#random.pick(COMMENTS)}`);
    this.#newLine();
  }

  #lineEnd(): void {
    if (this.#one(6)) this.#put(`  ${this.#random.pick(COMMENTS)}`);
    this.#newLine();
  }

  #here(): Place {
    return { line: this.#line, column: this.#column };
  }

  #put(text: string): void {
    this.#text += text;
    this.#column += text.length;
  }

  #newLine(): void {
    this.#text += this.#end;
    this.#line += 1;
    this.#column = 1;
  }

  #one(inSoMany: number): boolean {
    return this.#random.below(inSoMany) === 0;
  }
}

function join(path: string, step: string): string {
  return path === '' ? step : `${path}/${step}`;
}

function isList(value: Written): value is WrittenList {
  return Array.isArray(value);
}

function isMap(value: Written): value is WrittenMap {
  return typeof value === 'object' && !isList(value);
}

function sizeOf(value: WrittenList | WrittenMap): number {
  return Object.keys(value).length;
}
