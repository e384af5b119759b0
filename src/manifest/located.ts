import type { SourcePosition } from '../kernel/errors.ts';

/**
 * A manifest's value in which everything remembers where it was written. YAML becomes this tree, merging makes one
 * such tree out of several, and messages and `explain` read positions from it; the typed view of it is what a zod
 * schema says about `plainOf(tree)`.
 */
export type Located = LocatedScalar | LocatedList | LocatedMap;

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly at: SourcePosition;
}
export interface LocatedList {
  readonly kind: 'list';
  readonly items: readonly Located[];
  readonly at: SourcePosition;
}
export interface LocatedMap {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, LocatedEntry>;
  readonly at: SourcePosition;
}
export interface LocatedEntry {
  readonly keyAt: SourcePosition;
  readonly node: Located;
}

export type KeyPath = readonly (string | number)[];

export function emptyMap(at: SourcePosition): LocatedMap {
  return { kind: 'map', entries: new Map(), at };
}

/** The bare value, for schemas and for printing. Keys are own properties whatever their name. */
export function plainOf(node: Located): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainOf);
    case 'map':
      return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainOf(entry.node)]));
  }
}

/** The entry at a path; null where nothing is written. A list's item has its own position as its key's. */
export function entryAt(root: Located, path: KeyPath): LocatedEntry | null {
  let entry: LocatedEntry | null = { keyAt: root.at, node: root };
  for (const step of path) {
    entry = entry === null ? null : childOf(entry.node, step);
  }
  return entry;
}

export function nodeAt(root: Located, path: KeyPath): Located | null {
  return entryAt(root, path)?.node ?? null;
}

/** Where the value of a path is written, or what is nearest above it. */
export function positionOf(root: Located, path: KeyPath): SourcePosition {
  const found = entryAt(root, path);
  if (found !== null) return found.node.at;
  return path.length === 0 ? root.at : positionOf(root, path.slice(0, -1));
}

/** Where the key itself is written, or what is nearest above it. */
export function keyPositionOf(root: Located, path: KeyPath): SourcePosition {
  return entryAt(root, path)?.keyAt ?? positionOf(root, path);
}

function childOf(node: Located, step: string | number): LocatedEntry | null {
  if (node.kind === 'map') return node.entries.get(String(step)) ?? null;
  if (node.kind !== 'list' || typeof step !== 'number') return null;
  const item = node.items[step];
  return item === undefined ? null : { keyAt: item.at, node: item };
}

/** `egress.routes[1].matches[0].method`, as people write paths. */
export function keyPathText(path: KeyPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${String(step)}]`;
    if (!/^[\w*-]+$/.test(step)) return `${text}["${step}"]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/** The same with `[]` for every index: the form in which rules about keys are written down. */
export function keyPattern(path: KeyPath): string {
  return keyPathText(path).replace(/\[\d+\]/g, '[]');
}

/** Every scalar, and every empty list or map, with its path: what a person would call a value. */
export function leavesOf(
  node: Located,
  path: KeyPath = [],
): readonly { readonly path: KeyPath; readonly node: Located }[] {
  if (node.kind === 'list' && node.items.length > 0) {
    return node.items.flatMap((item, index) => leavesOf(item, [...path, index]));
  }
  if (node.kind === 'map' && node.entries.size > 0) {
    return [...node.entries].flatMap(([key, entry]) => leavesOf(entry.node, [...path, key]));
  }
  return [{ path, node }];
}

/** Every key and every list item below a node, parents before children, in the order they are written. */
export function entriesOf(
  node: Located,
  path: KeyPath = [],
): readonly { readonly path: KeyPath; readonly entry: LocatedEntry }[] {
  const children: readonly (readonly [string | number, LocatedEntry])[] =
    node.kind === 'map'
      ? [...node.entries]
      : node.kind === 'list'
        ? node.items.map((item, index) => [index, { keyAt: item.at, node: item }] as const)
        : [];
  return children.flatMap(([step, entry]) => {
    const own = [...path, step];
    return [{ path: own, entry }, ...entriesOf(entry.node, own)];
  });
}

/** The items of a list at a path; none when nothing is written there. */
export function itemsAt(root: Located, path: KeyPath): readonly Located[] {
  const node = nodeAt(root, path);
  return node?.kind === 'list' ? node.items : [];
}

/** The string at a path, or null. */
export function stringAt(root: Located, path: KeyPath): string | null {
  const node = nodeAt(root, path);
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : null;
}

/** `bottles/acme.md:12` */
export function placeText({ file, line }: SourcePosition): string {
  return `${file}:${String(line)}`;
}
