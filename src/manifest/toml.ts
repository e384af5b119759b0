import { ParseError, parseTOML, type AST } from 'toml-eslint-parser';
import { BottleError, type ErrorCode, type SourcePosition } from '../kernel/errors.ts';
import type { Located, LocatedEntry, LocatedMap } from './located.ts';

/** TOML 1.0 as a tree that knows its positions. */
export interface TomlSource {
  readonly file: string;
  readonly text: string;
  readonly code: ErrorCode;
}

/** While the file is read, tables that come later add to those that came before. */
type OpenMap = LocatedMap & { readonly entries: Map<string, LocatedEntry> };

export function parseToml(source: TomlSource): LocatedMap {
  const reader = new TreeReader(source);
  try {
    return reader.read(parseTOML(source.text, { tomlVersion: '1.0' }));
  } catch (failure) {
    if (!(failure instanceof ParseError)) throw failure;
    const { lineNumber, column, message } = failure;
    throw new BottleError(source.code, {
      message: `not TOML: ${message}`,
      position: { file: source.file, line: lineNumber, column },
      cause: failure,
    });
  }
}

class TreeReader {
  readonly #source: TomlSource;
  readonly #lists = new Map<Located, Located[]>();
  readonly #maps = new Map<Located, OpenMap>();

  constructor(source: TomlSource) {
    this.#source = source;
  }

  read(program: AST.TOMLProgram): LocatedMap {
    const root = this.#emptyMap({ file: this.#source.file, line: 1, column: 1 });
    for (const node of program.body[0].body) {
      if (node.type === 'TOMLKeyValue') this.#assign(root, node);
      else this.#table(root, node);
    }
    return root;
  }

  #table(root: OpenMap, table: AST.TOMLTable): void {
    const at = this.#positionOf(table);
    const map = this.#descend(root, table.resolvedKey, at);
    for (const pair of table.body) this.#assign(map, pair);
  }

  /** The map at a path, made where it is not there yet. The parser has refused what contradicts itself. */
  #descend(root: OpenMap, path: readonly (string | number)[], at: SourcePosition): OpenMap {
    let map = root;
    for (const [index, step] of path.entries()) {
      if (typeof step === 'number') continue;
      const place = path[index + 1];
      map = typeof place === 'number' ? this.#itemOf(map, step, place, at) : this.#childOf(map, step, at);
    }
    return map;
  }

  #childOf(map: OpenMap, key: string, at: SourcePosition): OpenMap {
    const node = map.entries.get(key)?.node;
    const known = node === undefined ? undefined : this.#maps.get(node);
    if (known !== undefined) return known;
    const made = this.#emptyMap(at);
    map.entries.set(key, { keyAt: at, node: made });
    return made;
  }

  #itemOf(map: OpenMap, key: string, index: number, at: SourcePosition): OpenMap {
    const list = map.entries.get(key)?.node;
    const items = list === undefined ? [] : (this.#lists.get(list) ?? []);
    if (list === undefined) {
      const made: Located = { kind: 'list', items, at };
      this.#lists.set(made, items);
      map.entries.set(key, { keyAt: at, node: made });
    }
    const item = items[index];
    const known = item === undefined ? undefined : this.#maps.get(item);
    if (known !== undefined) return known;
    const made = this.#emptyMap(at);
    items.push(made);
    return made;
  }

  #assign(map: OpenMap, { key, value }: AST.TOMLKeyValue): void {
    const path = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
    const at = this.#positionOf(key);
    const parent = this.#descend(map, path.slice(0, -1), at);
    parent.entries.set(path.at(-1) ?? '', { keyAt: at, node: this.#valueOf(value) });
  }

  #valueOf(node: AST.TOMLContentNode): Located {
    const at = this.#positionOf(node);
    if (node.type === 'TOMLArray') return { kind: 'list', items: node.elements.map((item) => this.#valueOf(item)), at };
    if (node.type === 'TOMLInlineTable') {
      const map = this.#emptyMap(at);
      for (const pair of node.body) this.#assign(map, pair);
      return map;
    }
    const { value } = node;
    if (!(value instanceof Date)) return { kind: 'scalar', value, at };
    throw new BottleError(this.#source.code, { message: 'a date is not used here', position: at });
  }

  #emptyMap(at: SourcePosition): OpenMap {
    const made: OpenMap = { kind: 'map', entries: new Map(), at };
    this.#maps.set(made, made);
    return made;
  }

  #positionOf({ loc }: { readonly loc: AST.SourceLocation }): SourcePosition {
    return { file: this.#source.file, line: loc.start.line, column: loc.start.column + 1 };
  }
}
