import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Document, type YAMLError } from 'yaml';
import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { emptyMap, type Located, type LocatedEntry } from './located.ts';

/**
 * YAML 1.2, core schema, as a tree that knows its positions. What would make two readers see two different files
 * (duplicate keys, aliases, tags, directives, further documents) is an error.
 */
export interface YamlSource {
  readonly file: string;
  readonly text: string;
  /** Lines of the file above the text. */
  readonly lineOffset: number;
}

const NO_ANCHORS = 'YAML anchors (&) and aliases (*) are not used here; write the value out';

export function parseYaml(source: YamlSource): Located {
  const lines = new LineCounter();
  const documents = parseAllDocuments(source.text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
    lineCounter: lines,
  });
  const reader = new TreeReader(source, lines);
  const [first, second] = [...documents];
  if (first === undefined) return emptyMap(reader.positionAt(0));
  const problem = [...first.errors, ...first.warnings].sort((left, right) => left.pos[0] - right.pos[0])[0];
  if (problem !== undefined) throw reader.syntaxError(problem);
  if (second !== undefined)
    throw reader.error(second.range[0], 'a second YAML document begins here; there can be only one');
  return reader.root(first);
}

class TreeReader {
  readonly #source: YamlSource;
  readonly #lines: LineCounter;

  constructor(source: YamlSource, lines: LineCounter) {
    this.#source = source;
    this.#lines = lines;
  }

  positionAt(offset: number): SourcePosition {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#source.file, line: Math.max(line, 1) + this.#source.lineOffset, column: Math.max(col, 1) };
  }

  error(offset: number, message: string, hint?: string): BottleError {
    const position = this.positionAt(offset);
    return new BottleError('manifest_invalid', { message, position, ...(hint === undefined ? {} : { hint }) });
  }

  root(document: Document.Parsed): Located {
    if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1) {
      throw this.error(0, 'YAML directives (%YAML, %TAG) are not used here; delete the line');
    }
    const root = this.node(document.contents, document.range[0]);
    return root.kind === 'scalar' && root.value === null ? emptyMap(root.at) : root;
  }

  /** `fallback`: where to point for a value that is not written at all. */
  node(node: unknown, fallback: number): Located {
    const at = this.positionAt(fallback);
    if (node === null) return { kind: 'scalar', value: null, at };
    if (isAlias(node)) throw this.aliasError(node.range?.[0] ?? fallback);
    if (isMap(node)) {
      this.#refuseAnchor(node, fallback);
      return {
        kind: 'map',
        entries: this.#entries(node.items, offsetOf(node, fallback)),
        at: this.#at(node, fallback),
      };
    }
    if (isSeq(node)) {
      this.#refuseAnchor(node, fallback);
      const start = offsetOf(node, fallback);
      return { kind: 'list', items: node.items.map((item) => this.node(item, start)), at: this.#at(node, fallback) };
    }
    if (!isScalar(node)) throw this.error(fallback, 'a kind of value that is not used here');
    this.#refuseAnchor(node, fallback);
    const { value } = node;
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return { kind: 'scalar', value, at: this.#at(node, fallback) };
    }
    throw this.error(offsetOf(node, fallback), 'a kind of value that is not used here');
  }

  #at(node: Ranged, fallback: number): SourcePosition {
    return this.positionAt(offsetOf(node, fallback));
  }

  #entries(
    pairs: readonly { readonly key: unknown; readonly value: unknown }[],
    start: number,
  ): ReadonlyMap<string, LocatedEntry> {
    const entries = new Map<string, LocatedEntry>();
    for (const { key, value } of pairs) {
      if (isAlias(key)) throw this.aliasError(key.range?.[0] ?? start);
      if (!isScalar(key)) throw this.error(start, 'a key must be a plain word');
      this.#refuseAnchor(key, start);
      const offset = offsetOf(key, start);
      const name = String(key.value);
      if (name === '__proto__') throw this.error(offset, '"__proto__" is no key');
      entries.set(name, { keyAt: this.positionAt(offset), node: this.node(value ?? null, offset) });
    }
    return entries;
  }

  #refuseAnchor(node: Ranged & { anchor?: string | undefined }, fallback: number): void {
    if (node.anchor !== undefined) throw this.error(offsetOf(node, fallback), NO_ANCHORS);
  }

  aliasError(offset: number): BottleError {
    const word = /^\*[^\s,\]}]*/.exec(this.#source.text.slice(offset))?.[0] ?? '*';
    return word.startsWith('*.')
      ? this.error(offset, 'a value that begins with * must be in quotes', `"${word}"`)
      : this.error(offset, NO_ANCHORS);
  }

  syntaxError(problem: YAMLError): BottleError {
    const [offset, end] = problem.pos;
    const line = this.#lineAt(offset);
    const bare = /^\s*([^\s{[]+):\s+(\?(?:\s.*)?)$/.exec(line.trimEnd());
    if (bare !== null) return this.error(offset, 'a bare ? must be in quotes', `${bare[1] ?? ''}: "${bare[2] ?? ''}"`);
    if (/:\s+\?[\s,}\]]/.test(line)) return this.error(offset, 'a bare ? must be in quotes', '"?"');
    switch (problem.code) {
      case 'DUPLICATE_KEY':
        return this.error(offset, `the key "${keyTextAt(this.#source.text, offset)}" is here twice`);
      case 'TAB_AS_INDENT':
        return this.error(offset, "a tab can't indent; use spaces");
      case 'NON_STRING_KEY':
        return this.error(offset, 'a key must be a plain word');
      case 'TAG_RESOLVE_FAILED':
        return this.error(offset, `YAML tags (${this.#source.text.slice(offset, end)}) are not used here; delete it`);
      case 'RESOURCE_EXHAUSTION':
        return this.error(offset, 'nested too deeply');
      default:
        return /[{[,]\s*[^'"]*\$\{/.test(line) && problem.code === 'UNEXPECTED_TOKEN'
          ? this.error(offset, 'inside { } and [ ] a value with braces must be in quotes', '"${NAME}"')
          : this.error(offset, `not YAML: ${lowerFirst(problem.message)}`);
    }
  }

  #lineAt(offset: number): string {
    const { text } = this.#source;
    const start = text.lastIndexOf('\n', Math.max(offset - 1, 0)) + 1;
    const end = text.indexOf('\n', offset);
    return text.slice(start, end === -1 ? undefined : end);
  }
}

interface Ranged {
  range?: readonly number[] | null | undefined;
}

function offsetOf(node: Ranged, fallback: number): number {
  return node.range?.[0] ?? fallback;
}

function keyTextAt(text: string, offset: number): string {
  const [, double, single, plain] = /^(?:"([^"\n]*)"|'([^'\n]*)'|([^:\n]*?))\s*:/.exec(text.slice(offset)) ?? [];
  return double ?? single ?? plain ?? '';
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
