import { BottleError, type BottleErrorDetails } from '../kernel/errors.ts';
import { parseHostSpec } from '../policy/host.ts';
import { compilePattern } from '../policy/regex-subset.ts';
import { VARIABLE_NAME } from '../schema/manifest.ts';
import { exampleFor, BOTTLE_EXAMPLES } from './examples.ts';
import {
  entriesOf,
  itemsAt,
  keyPathText,
  keyPattern,
  nodeAt,
  placeText,
  positionOf,
  stringAt,
  type KeyPath,
  type LocatedMap,
} from './located.ts';
import { routeKey } from './merge.ts';
import { looksLikeToken } from './token-shapes.ts';

/** What a bottle file must hold to beyond its shape. Returns warnings; throws for what is wrong. */
export function checkBottle(tree: LocatedMap): readonly string[] {
  refuseTokensAsNames(tree);
  itemsAt(tree, ['egress', 'routes']).forEach((_, index) => {
    checkRoute(tree, ['egress', 'routes', index]);
  });
  refuseDoubleRoutes(tree);
  return checkEnv(tree);
}

function fail(tree: LocatedMap, path: KeyPath, details: Pick<BottleErrorDetails, 'message' | 'hint'>): never {
  throw new BottleError('manifest_invalid', { ...details, key: keyPathText(path), position: positionOf(tree, path) });
}

/** Keys whose value is the name of a host variable. */
const NAME_KEYS: readonly string[] = ['agent_provider.auth_token', 'egress.routes[].auth.token_ref'];

function refuseTokensAsNames(tree: LocatedMap): void {
  for (const { path, entry } of entriesOf(tree)) {
    const { node } = entry;
    const named = NAME_KEYS.includes(keyPattern(path)) || (path[0] === 'env' && path[2] === 'host');
    if (!named || node.kind !== 'scalar' || !looksLikeToken(String(node.value))) continue;
    const hint = exampleFor(BOTTLE_EXAMPLES, path);
    fail(tree, path, {
      message: 'this looks like the credential itself; write the name of the host variable that holds it',
      ...(hint === null ? {} : { hint }),
    });
  }
}

function checkRoute(tree: LocatedMap, path: KeyPath): void {
  const written = stringAt(tree, [...path, 'host']) ?? '';
  const host = parseHostSpec(written);
  if (!host.ok) {
    const message = written.includes('/') ? 'must be a host alone, not a URL' : `not a host: ${host.error}`;
    fail(tree, [...path, 'host'], { message, hint: 'host: api.github.com' });
  }
  for (const { path: inner, entry } of entriesOf(nodeAt(tree, [...path, 'matches']) ?? tree, [...path, 'matches'])) {
    if (inner.at(-1) !== 'type' || entry.node.kind !== 'scalar' || entry.node.value !== 'regex') continue;
    const value = [...inner.slice(0, -1), 'value'];
    const pattern = compilePattern(stringAt(tree, value) ?? '');
    if (!pattern.ok) fail(tree, value, { message: `this pattern is refused: ${pattern.error}` });
  }
}

function refuseDoubleRoutes(tree: LocatedMap): void {
  const seen = new Map<string, number>();
  itemsAt(tree, ['egress', 'routes']).forEach((route, index) => {
    const key = routeKey(route);
    const first = seen.get(key);
    if (first !== undefined) {
      const place = placeText(positionOf(tree, ['egress', 'routes', first]));
      fail(tree, ['egress', 'routes', index], {
        message: `${key} has a route already at ${place}; put both into one with several matches`,
        hint: 'matches: [{methods: [GET]}, {methods: [POST], paths: [{type: prefix, value: /v1/}]}]',
      });
    }
    seen.set(key, index);
  });
}

function checkEnv(tree: LocatedMap): readonly string[] {
  const warnings: string[] = [];
  const env = nodeAt(tree, ['env']);
  for (const name of env?.kind === 'map' ? env.entries.keys() : []) {
    const value = stringAt(tree, ['env', name]);
    if (value === null) continue;
    const place = placeText(positionOf(tree, ['env', name]));
    const [, inner] = /^\$\{(.*)\}$/s.exec(value) ?? [];
    if (inner !== undefined && !VARIABLE_NAME.test(inner)) {
      const hint = `${name}: \${HOST_VARIABLE}`;
      fail(tree, ['env', name], { message: 'between ${ and } must be the name of a host variable', hint });
    }
    if (inner === undefined && value.includes('${')) {
      warnings.push(`env.${name} (${place}) holds \${…} among other text: it is passed as it stands`);
    }
    if (looksLikeToken(value)) {
      warnings.push(`env.${name} (${place}) looks like a credential in the file; \${${name}} takes it from the host`);
    }
  }
  return warnings;
}
