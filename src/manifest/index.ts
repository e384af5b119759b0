import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { readAgentFile, type Agent } from './agent-file.ts';
import { readBottleFile } from './bottle-file.ts';
import { nearest } from './edit-distance.ts';
import { effectiveBottle, withAgent, type EffectiveBottle } from './effective.ts';
import { linearise, type LoadedBottle } from './extends.ts';
import { emptyMap, type LocatedMap } from './located.ts';
import { mergeTrees } from './merge.ts';
import { checkMounts } from './mounts.ts';
import { findManifests, readSource, type Layout, type ManifestRoots, type ManifestSource } from './source.ts';

export type { Agent, PassedThrough } from './agent-file.ts';
export type {
  EffectiveBottle,
  EffectiveEnv,
  EffectiveMount,
  EffectiveProvider,
  EffectiveRoute,
  SecretInClear,
} from './effective.ts';
export { originOf, secretsInClear } from './effective.ts';
export { explainJson, explainLines, explainText, type ExplainedLine, type ExplainedManifest } from './explain.ts';
export { placeText } from './located.ts';
export type { ManifestRoots, ManifestSource } from './source.ts';
export { loadSettings } from './settings.ts';

/** The operator's bottles and agents. Listing reads names only; a file is read when it is picked. */
export interface Manifests {
  listBottles(): readonly ManifestSource[];
  listAgents(): readonly ManifestSource[];
  /** About the layout: files that are skipped, shadowed or never read. */
  readonly warnings: readonly string[];
  loadAgent(name: string): Agent;
  /** The named bottles and what they extend as one; none gives a bottle that may reach nothing. */
  loadEffective(names: readonly string[]): EffectiveBottle;
  /** The same with the agent's git identity laid over it. */
  loadForAgent(agent: Agent, names: readonly string[]): EffectiveBottle;
}

export function openManifests(roots: ManifestRoots): Manifests {
  const layout = findManifests(roots);
  const loadEffective = (names: readonly string[]): EffectiveBottle => loadBottles(names, layout, roots);
  return {
    listBottles: () => sorted(layout.bottles),
    listAgents: () => sorted(layout.agents),
    warnings: layout.warnings,
    loadAgent: (name) => {
      const source = layout.agents.get(name);
      if (source === undefined) throw notFound('agent', name, layout.agents, null);
      return readAgentFile(source, readSource(source, roots));
    },
    loadEffective,
    loadForAgent: (agent, names) => withAgent(loadEffective(names), agent, roots.files),
  };
}

function sorted(sources: ReadonlyMap<string, ManifestSource>): readonly ManifestSource[] {
  return [...sources.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function loadBottles(names: readonly string[], layout: Layout, roots: ManifestRoots): EffectiveBottle {
  const bottles = linearise(names, (name, from) => {
    const source = layout.bottles.get(name);
    if (source === undefined) throw notFound('bottle', name, layout.bottles, from);
    const bottle = readBottleFile(name, source.file, readSource(source, roots));
    checkMounts(bottle.tree, roots.home, roots.files);
    return bottle;
  });
  const { tree, notices } = mergeAll(bottles);
  const warnings = bottles.flatMap((bottle) => bottle.warnings);
  const lineage = bottles.map(({ name }) => name).reverse();
  return effectiveBottle({ names, lineage, tree, notices, warnings }, roots.files);
}

/** Stands for "written nowhere". */
const NOWHERE: SourcePosition = { file: '(no bottle)', line: 1, column: 1 };

function mergeAll(bottles: readonly LoadedBottle[]): {
  readonly tree: LocatedMap;
  readonly notices: readonly string[];
} {
  const notices: string[] = [];
  let tree: LocatedMap = emptyMap(NOWHERE);
  for (const bottle of bottles) {
    const merged = mergeTrees(tree, bottle.tree);
    tree = merged.tree;
    notices.push(...merged.notices);
  }
  return { tree, notices };
}

function notFound(
  noun: 'agent' | 'bottle',
  name: string,
  known: ReadonlyMap<string, ManifestSource>,
  from: SourcePosition | null,
): BottleError {
  const names = [...known.keys()];
  const meant = nearest(name, names);
  const rest = names.length === 0 ? `there are no ${noun}s yet` : `there is: ${names.sort().join(', ')}`;
  const question = meant === null ? '' : `; did you mean "${meant}"?`;
  return new BottleError('manifest_not_found', {
    message: `there is no ${noun} "${name}"${question}\n${rest}`,
    hint: 'bot-bottle list available',
    ...(from === null ? {} : { position: from, key: 'extends' }),
  });
}
