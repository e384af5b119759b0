import { BottleFileSchema } from '../schema/manifest.ts';
import { checkBottle } from './bottle-checks.ts';
import { BOTTLE_EXAMPLES } from './examples.ts';
import type { LoadedBottle, ParentReference } from './extends.ts';
import { BOTTLE_NOT_BUILT, refuseNotBuilt } from './features.ts';
import { splitFrontMatter } from './frontmatter.ts';
import { nodeAt, type Located, type LocatedMap } from './located.ts';
import { asMap, checkShape } from './schema-check.ts';
import { parseYaml } from './yaml.ts';

/** One bottle file: cut, parsed, checked. Nothing of another file is looked at. */
export function readBottleFile(name: string, file: string, text: string): LoadedBottle {
  const { yaml, yamlLineOffset } = splitFrontMatter(text, file);
  const tree = asMap(parseYaml({ file, text: yaml, lineOffset: yamlLineOffset }));
  checkShape(BottleFileSchema, tree, { code: 'manifest_invalid', examples: BOTTLE_EXAMPLES });
  refuseNotBuilt(tree, BOTTLE_NOT_BUILT);
  const own = withoutExtends(tree);
  return { name, tree: own, parents: parentsOf(nodeAt(tree, ['extends'])), warnings: checkBottle(own) };
}

function withoutExtends(tree: LocatedMap): LocatedMap {
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => key !== 'extends')) };
}

function parentsOf(node: Located | null): readonly ParentReference[] {
  if (node === null) return [];
  const items = node.kind === 'list' ? node.items : [node];
  return items.flatMap((item) => (item.kind === 'scalar' ? [{ name: String(item.value), at: item.at }] : []));
}
