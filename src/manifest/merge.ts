import { parseHostSpec } from '../policy/host.ts';
import { routeIdentity } from '../policy/compile.ts';
import { placeText, stringAt, type Located, type LocatedEntry, type LocatedMap } from './located.ts';

/**
 * One file on top of another by REFERENCE's field rules: a parent and its child, or two bottles picked together. Pure;
 * every value keeps the place where it was written, since whole nodes are taken from one side or the other.
 */
export interface Merged {
  readonly tree: LocatedMap;
  /** What was replaced on the way, for preflight. */
  readonly notices: readonly string[];
}

export function mergeTrees(parent: LocatedMap, child: LocatedMap): Merged {
  const notices: string[] = [];
  return { tree: mergeMaps(parent, child, BOTTLE_RULES, notices), notices };
}

type Rule = (parent: Located, child: Located, notices: string[]) => Located;
type Rules = (key: string) => Rule;

/** The child's, whole. */
const last: Rule = (_parent, child) => child;

const nonEmpty: Rule = (parent, child) => (child.kind === 'scalar' && child.value === '' ? parent : child);

function byKey(rules: Rules): Rule {
  return (parent, child, notices) =>
    parent.kind === 'map' && child.kind === 'map' ? mergeMaps(parent, child, rules, notices) : child;
}

/** Both lists, in the order of first appearance; an item of the child takes the place of the parent's of its identity. */
function byIdentity(identity: (item: Located) => string, replaced: (old: Located, by: Located) => string | null): Rule {
  return (parent, child, notices) => {
    if (parent.kind !== 'list' || child.kind !== 'list') return child;
    const items = new Map(parent.items.map((item) => [identity(item), item]));
    for (const item of child.items) {
      const old = items.get(identity(item));
      const notice = old === undefined ? null : replaced(old, item);
      if (notice !== null) notices.push(notice);
      items.set(identity(item), item);
    }
    return { kind: 'list', items: [...items.values()], at: child.at };
  };
}

const routes = byIdentity(routeKey, (old, by) =>
  canonical(old) === canonical(by)
    ? null
    : `the route for ${routeKey(by)} at ${placeText(by.at)} replaces the one at ${placeText(old.at)}`,
);
const mounts = byIdentity(
  (item) => stringAt(item, ['path']) ?? '',
  () => null,
);

const oneOf =
  (rules: Readonly<Record<string, Rule>>): Rules =>
  (key) =>
    Object.hasOwn(rules, key) ? (rules[key] ?? last) : last;

const BOTTLE_RULES = oneOf({
  env: byKey(() => last),
  'git-gate': byKey(oneOf({ user: byKey(() => nonEmpty), repos: byKey(() => byKey(() => last)) })),
  egress: byKey(oneOf({ routes })),
  mounts,
});

function mergeMaps(parent: LocatedMap, child: LocatedMap, rules: Rules, notices: string[]): LocatedMap {
  const entries = new Map(parent.entries);
  for (const [key, entry] of child.entries) {
    const old = entries.get(key);
    entries.set(key, old === undefined ? entry : mergeEntries(old, entry, rules(key), notices));
  }
  return { kind: 'map', entries, at: child.at };
}

function mergeEntries(old: LocatedEntry, entry: LocatedEntry, rule: Rule, notices: string[]): LocatedEntry {
  const node = rule(old.node, entry.node, notices);
  return { keyAt: node === old.node ? old.keyAt : entry.keyAt, node };
}

/** A route's identity is (host, port); the host in its one normal form. */
export function routeKey(route: Located): string {
  const host = stringAt(route, ['host']) ?? '';
  const pattern = parseHostSpec(host);
  return pattern.ok ? routeIdentity(pattern.value) : host;
}

/** Equal for values that differ in nothing but the order of keys. */
function canonical(node: Located): string {
  switch (node.kind) {
    case 'scalar':
      return JSON.stringify(node.value);
    case 'list':
      return `[${node.items.map(canonical).join(',')}]`;
    case 'map':
      return `{${[...node.entries]
        .map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry.node)}`)
        .sort()
        .join(',')}}`;
  }
}
