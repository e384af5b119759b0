import { stringify } from 'yaml';
import type { SourcePosition } from '../kernel/errors.ts';
import type { EffectiveBottle } from './effective.ts';
import { keyPathText, leavesOf, nodeAt, plainOf, placeText, type KeyPath, type Located } from './located.ts';
import { looksLikeToken } from './token-shapes.ts';
import { parseYaml } from './yaml.ts';

/** The effective manifest for people and scripts: every line with the place it comes from, secrets masked. */
export interface ExplainedLine {
  /** One line of the manifest as YAML. */
  readonly text: string;
  /** `bottles/acme.md:12`; null for a line that only opens a list or a map. */
  readonly source: string | null;
}
export interface ExplainedManifest {
  readonly bottles: readonly string[];
  readonly manifest: unknown;
  /** Key path → where its value is written. */
  readonly origins: Readonly<Record<string, SourcePosition>>;
  readonly notices: readonly string[];
  readonly warnings: readonly string[];
}

const MASK = '(secret)';

export function explainLines(bottle: EffectiveBottle): readonly ExplainedLine[] {
  const masked = maskedTree(bottle);
  const text = stringify(plainOf(masked), { version: '1.2', lineWidth: 0, aliasDuplicateObjects: false });
  const sources = new Map(
    leavesOf(parseYaml({ file: '', text, lineOffset: 0 })).map(({ path, node }) => [
      node.at.line,
      nodeAt(bottle.manifest, path),
    ]),
  );
  return text
    .trimEnd()
    .split('\n')
    .map((line, index) => {
      const node = sources.get(index + 1) ?? null;
      return { text: line, source: node === null ? null : placeText(node.at) };
    });
}

/** The lines with their sources in a column of their own. */
export function explainText(bottle: EffectiveBottle): string {
  const lines = explainLines(bottle);
  const width = Math.min(60, Math.max(...lines.map(({ text }) => text.length)));
  return lines.map(({ text, source }) => (source === null ? text : `${text.padEnd(width)}  # ${source}`)).join('\n');
}

export function explainJson(bottle: EffectiveBottle): ExplainedManifest {
  const origins = leavesOf(bottle.manifest).map(({ path, node }) => [keyPathText(path), node.at] as const);
  return {
    bottles: bottle.names,
    manifest: plainOf(maskedTree(bottle)),
    origins: Object.fromEntries(origins),
    notices: bottle.notices,
    warnings: bottle.warnings,
  };
}

function maskedTree({ manifest, env }: EffectiveBottle): Located {
  const forwarded = Object.entries(env)
    .filter(([, value]) => value.kind !== 'literal' && !(value.kind === 'host' && !value.secret))
    .map(([name]) => name);
  return masked(manifest, [], (path) => path.length === 2 && path[0] === 'env' && forwarded.includes(String(path[1])));
}

function masked(node: Located, path: KeyPath, isSecret: (path: KeyPath) => boolean): Located {
  if (isSecret(path) || (node.kind === 'scalar' && looksLikeToken(String(node.value)))) {
    return { kind: 'scalar', value: MASK, at: node.at };
  }
  switch (node.kind) {
    case 'scalar':
      return node;
    case 'list':
      return { ...node, items: node.items.map((item, index) => masked(item, [...path, index], isSecret)) };
    case 'map': {
      const entries = [...node.entries].map(
        ([key, entry]) => [key, { ...entry, node: masked(entry.node, [...path, key], isSecret) }] as const,
      );
      return { ...node, entries: new Map(entries) };
    }
  }
}
