import type { Place, Written, WrittenMap } from './yaml-writer.ts';

/**
 * What several bottles say together, the slow and plain way: each file is cut into the units that are replaced whole,
 * and the units are put into one table in order. It shares nothing with the code that it is compared with.
 */
export interface ModelBottle {
  readonly name: string;
  readonly parents: readonly string[];
  readonly content: WrittenMap;
  readonly file: string;
  readonly places: ReadonlyMap<string, Place>;
}

/** `value at file:line:column`, by path. */
export type ModelLeaves = ReadonlyMap<string, string>;

export function naiveOrder(names: readonly string[], bottles: ReadonlyMap<string, ModelBottle>): readonly string[] {
  const spelledOut = (name: string): readonly string[] => [
    ...(bottles.get(name)?.parents ?? []).flatMap(spelledOut),
    name,
  ];
  return [...new Set(names.flatMap(spelledOut))];
}

export function naiveMerge(order: readonly ModelBottle[]): ModelLeaves {
  const units = new Map<string, ReadonlyMap<string, string>>();
  const opened = new Map<string, string>();
  for (const bottle of order) {
    for (const container of CONTAINERS) {
      const value = valueAt(bottle.content, container.split('/'));
      if (value !== undefined) opened.set(container, textAt(bottle, container, value) ?? opened.get(container) ?? '');
    }
    for (const { unit, path, value } of unitsOf(bottle.content)) {
      const empty = unit.startsWith('git-gate/user/') && value === '' && units.has(unit);
      if (!empty) units.set(unit, leavesOf(bottle, path, value));
    }
  }
  return assemble(units, opened);
}

/** Those that are merged and not replaced. An empty one is only seen if nobody put anything into it. */
const CONTAINERS = ['env', 'git-gate', 'git-gate/user', 'egress', 'egress/routes', 'mounts'] as const;

interface Unit {
  /** Two units of this name are the same thing. */
  readonly unit: string;
  readonly path: string;
  readonly value: Written;
}

function unitsOf(content: WrittenMap): readonly Unit[] {
  return Object.entries(content).flatMap(([key, value]): readonly Unit[] => {
    switch (key) {
      case 'extends':
        return [];
      case 'env':
        return children(value, 'env');
      case 'git-gate':
        return children(valueAt(content, ['git-gate', 'user']) ?? {}, 'git-gate/user');
      case 'egress':
        return [
          ...children(value, 'egress').filter(({ unit }) => unit !== 'egress/routes'),
          ...items(valueAt(content, ['egress', 'routes']), 'egress/routes', (route) => identity(route['host'])),
        ];
      case 'mounts':
        return items(value, 'mounts', (mount) => JSON.stringify(mount['path']));
      default:
        return [{ unit: key, path: key, value }];
    }
  });
}

function children(value: Written, path: string): readonly Unit[] {
  return Object.entries(value).map(([key, child]) => ({
    unit: `${path}/${key}`,
    path: `${path}/${key}`,
    value: child as Written,
  }));
}

function items(list: Written | undefined, path: string, nameOf: (item: WrittenMap) => string): readonly Unit[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: WrittenMap, index) => ({
    unit: `${path}[]${nameOf(item)}`,
    path: `${path}/${String(index)}`,
    value: item,
  }));
}

/** Host names are the same in any case, and with a dot at their end. */
function identity(host: Written | undefined): string {
  return JSON.stringify(host)
    .toLowerCase()
    .replace(/\.(?=:|\"$)/, '');
}

/** Relative path → value and place. */
function leavesOf(bottle: ModelBottle, path: string, value: Written): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const visit = (at: string, below: string, part: Written): void => {
    const text = textAt(bottle, at, part);
    if (text !== null) found.set(below, text);
    else for (const [key, child] of Object.entries(part)) visit(`${at}/${key}`, `${below}/${key}`, child as Written);
  };
  visit(path, '', value);
  return found;
}

function textAt({ file, places }: ModelBottle, path: string, value: Written): string | null {
  const place = places.get(path);
  return place === undefined
    ? null
    : `${JSON.stringify(value)} at ${file}:${String(place.line)}:${String(place.column)}`;
}

function assemble(
  units: ReadonlyMap<string, ReadonlyMap<string, string>>,
  opened: ReadonlyMap<string, string>,
): ModelLeaves {
  const leaves = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const [unit, parts] of units) {
    const [list, item] = unit.split('[]');
    const index = counts.get(list ?? '') ?? 0;
    if (item !== undefined) counts.set(list ?? '', index + 1);
    const path = item === undefined ? unit : `${list ?? ''}/${String(index)}`;
    for (const [below, text] of parts) leaves.set(`${path}${below}`, text);
  }
  for (const [container, text] of opened) {
    const filled = [...leaves.keys(), ...opened.keys()].some((path) => path.startsWith(`${container}/`));
    if (!filled) leaves.set(container, text);
  }
  return leaves;
}

function valueAt(root: Written, path: readonly string[]): Written | undefined {
  let value: Written | undefined = root;
  for (const step of path) {
    value = typeof value === 'object' && !Array.isArray(value) ? (value as WrittenMap)[step] : undefined;
  }
  return value;
}
