import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { AGENT_KEYS, AgentFileSchema, BOTTLE_KEYS } from '../schema/manifest.ts';
import { nearest } from './edit-distance.ts';
import { AGENT_EXAMPLES, exampleFor } from './examples.ts';
import { AGENT_NOT_BUILT, refuseNotBuilt } from './features.ts';
import { splitFrontMatter } from './frontmatter.ts';
import { entryAt, plainOf, type LocatedEntry, type LocatedMap } from './located.ts';
import { refusedKey } from './old-keys.ts';
import { asMap, checkShape } from './schema-check.ts';
import type { ManifestSource } from './source.ts';
import { parseYaml } from './yaml.ts';

/** An agent: a prompt, and at most a bottle's name and a git identity. It can carry no host and no credential. */
export interface Agent {
  readonly name: string;
  readonly from: ManifestSource['from'];
  /** As messages show it. */
  readonly file: string;
  readonly bottle: { readonly name: string; readonly origin: SourcePosition } | null;
  /** The Markdown body, unchanged: prompts stay the operator's. */
  readonly prompt: string;
  /** Claude Code's own keys and any later ones of its (HOTSPOTS H8): kept, listed by `info`, without effect here. */
  readonly passedThrough: readonly PassedThrough[];
  /** What is laid over the bottle: `git-gate.user` and nothing else. */
  readonly overlay: LocatedMap;
}
export interface PassedThrough {
  readonly key: string;
  readonly value: unknown;
  readonly origin: SourcePosition;
}

export function readAgentFile(source: ManifestSource, text: string): Agent {
  const { file, name, from } = source;
  const { yaml, yamlLineOffset, body } = splitFrontMatter(text, file);
  const tree = asMap(parseYaml({ file, text: yaml, lineOffset: yamlLineOffset }));
  const passedThrough: PassedThrough[] = [];
  const ours = new Map<string, LocatedEntry>();
  for (const [key, entry] of tree.entries) {
    if (AGENT_KEYS.includes(key)) ours.set(key, entry);
    else passedThrough.push(passOn(key, entry));
  }
  const own: LocatedMap = { ...tree, entries: ours };
  refuseInfrastructure(entryAt(own, ['git-gate', 'repos']), 'git-gate.repos');
  const { bottle } = checkShape(AgentFileSchema, own, { code: 'manifest_invalid', examples: AGENT_EXAMPLES });
  refuseNotBuilt(own, AGENT_NOT_BUILT);
  const gitGate = ours.get('git-gate');
  return {
    name,
    from,
    file,
    bottle: bottle === undefined ? null : { name: bottle, origin: entryAt(own, ['bottle'])?.node.at ?? own.at },
    prompt: body,
    passedThrough,
    overlay: { ...tree, entries: new Map(gitGate === undefined ? [] : [['git-gate', gitGate]]) },
  };
}

/** Bottle keys that mean the same in an agent file as Claude Code's own. */
const SHARED_KEYS: readonly string[] = ['description'];
const INFRASTRUCTURE_KEYS = BOTTLE_KEYS.filter((key) => !SHARED_KEYS.includes(key) && !AGENT_KEYS.includes(key));

function passOn(key: string, entry: LocatedEntry): PassedThrough {
  if (INFRASTRUCTURE_KEYS.includes(key)) refuseInfrastructure(entry, key);
  const refused = refusedKey(key);
  if (refused !== null) throw keyError(key, entry, refused.message, refused.hint ?? null);
  const meant = SHARED_KEYS.includes(key) ? null : nearest(key, [...AGENT_KEYS, ...INFRASTRUCTURE_KEYS]);
  if (meant !== null) {
    const message = `unknown key "${key}"; did you mean "${meant}"?\nallowed here: ${AGENT_KEYS.join(', ')}, and whatever Claude Code knows`;
    throw keyError(key, entry, message, exampleFor(AGENT_EXAMPLES, [meant]));
  }
  return { key, value: plainOf(entry.node), origin: entry.keyAt };
}

function refuseInfrastructure(entry: LocatedEntry | null, key: string): void {
  if (entry === null) return;
  const message = `"${key}" belongs into a bottle: an agent file can carry no hosts, credentials or limits`;
  throw keyError(key, entry, message, 'bottle: claude');
}

function keyError(key: string, entry: LocatedEntry, message: string, hint: string | null): BottleError {
  return new BottleError('manifest_invalid', {
    message,
    key,
    position: entry.keyAt,
    ...(hint === null ? {} : { hint }),
  });
}
