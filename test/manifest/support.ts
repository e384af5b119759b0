import path from 'node:path';
import { BottleError } from '../../src/kernel/errors.ts';
import { renderError } from '../../src/kernel/render-error.ts';
import { openManifests, type EffectiveBottle, type Manifests } from '../../src/manifest/index.ts';
import type { Files } from '../../src/ports/files.ts';

export const OPERATOR = '/home/ada';
export const HOME = `${OPERATOR}/.bot-bottle`;
export const PROJECT = `${OPERATOR}/src/web`;

export interface Tree {
  /** Absolute path → text. */
  readonly files: Readonly<Record<string, string>>;
  /** Absolute path → what it is a link to. */
  readonly links?: Readonly<Record<string, string>>;
}

/** A file system in memory that remembers what was read. */
export function memoryFiles({ files, links = {} }: Tree): Files & { readonly reads: readonly string[] } {
  const reads: string[] = [];
  const follow = (name: string): string => {
    const link = Object.keys(links).find((from) => name === from || name.startsWith(`${from}/`));
    return link === undefined ? name : follow(`${links[link] ?? ''}${name.slice(link.length)}`);
  };
  const names = [...Object.keys(files), ...Object.keys(links)];
  const isFile = (name: string): boolean => Object.hasOwn(files, follow(name));
  const isThere = (name: string): boolean =>
    isFile(name) || names.some((other) => other.startsWith(`${follow(name)}/`));
  return {
    operatorHome: OPERATOR,
    reads,
    exists: isThere,
    list: (directory) => {
      const prefix = `${follow(directory)}/`;
      const found = names
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length).split('/')[0]);
      if (found.length === 0) return null;
      const own = [...new Set(found)].filter((name) => name !== undefined).sort();
      return own.map((name) => ({ name, isFile: isFile(path.join(directory, name)) }));
    },
    read: (name) => {
      reads.push(name);
      return files[follow(name)] ?? null;
    },
    realPath: (name) => (isThere(name) ? follow(name) : null),
  };
}

/** A home with bottles and agents by name, front matter only. */
export function manifestsOf(
  bottles: Readonly<Record<string, string>>,
  agents: Readonly<Record<string, string>> = {},
): Manifests {
  const files: Record<string, string> = {};
  for (const [name, yaml] of Object.entries(bottles)) files[`${HOME}/bottles/${name}.md`] = `---\n${yaml}\n---\n`;
  for (const [name, yaml] of Object.entries(agents))
    files[`${HOME}/agents/${name}.md`] = `---\n${yaml}\n---\nBe brief.\n`;
  return openManifests({ home: HOME, cwd: PROJECT, files: memoryFiles({ files }) });
}

export function effectiveOf(bottles: Readonly<Record<string, string>>, ...names: readonly string[]): EffectiveBottle {
  return manifestsOf(bottles).loadEffective(names.length === 0 ? Object.keys(bottles).slice(0, 1) : names);
}

/** The whole message, as the terminal shows it, with the code in front. */
export function complaint(act: () => unknown): string {
  try {
    act();
  } catch (failure) {
    if (failure instanceof BottleError) return `${failure.code}\n${renderError(failure)}`;
    throw failure;
  }
  return 'no complaint';
}
