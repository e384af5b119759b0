import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { printable } from '../kernel/render-error.ts';
import type { Files } from '../ports/files.ts';
import { MANIFEST_NAME } from '../schema/manifest.ts';

/**
 * Where manifests may lie (REFERENCE 1). The layout is the trust boundary: bottles and their parents come from the
 * bot-bottle home alone, so that a cloned repository can name no host, no token and no variable (G-REPO).
 */
export interface ManifestRoots {
  /** `$BOT_BOTTLE_HOME`, else `~/.bot-bottle`. */
  readonly home: string;
  readonly cwd: string;
  readonly files: Files;
}

export interface ManifestSource {
  readonly name: string;
  readonly path: string;
  /** As messages show it: `bottles/acme.md`, `./.bot-bottle/agents/reviewer.md`. */
  readonly file: string;
  readonly from: 'home' | 'project';
}

export interface Layout {
  readonly bottles: ReadonlyMap<string, ManifestSource>;
  readonly agents: ReadonlyMap<string, ManifestSource>;
  readonly warnings: readonly string[];
}

/** Reads names only: a broken file hurts no one but who picks it. */
export function findManifests({ home, cwd, files }: ManifestRoots): Layout {
  refuseOldForm(home, cwd, files);
  const warnings: string[] = [];
  const bottles = sourcesIn({ root: home, kind: 'bottles', shown: '', from: 'home' }, files, warnings);
  const agents = new Map(sourcesIn({ root: home, kind: 'agents', shown: '', from: 'home' }, files, warnings));
  const project = path.join(cwd, '.bot-bottle');
  if (!isSamePlace(project, home, files)) {
    if (files.exists(path.join(project, 'bottles'))) {
      warnings.push('./.bot-bottle/bottles is not read: bottles come from your own home only');
    }
    const own = sourcesIn({ root: project, kind: 'agents', shown: './.bot-bottle/', from: 'project' }, files, warnings);
    for (const [name, source] of own) {
      const other = agents.get(name);
      if (other === undefined) agents.set(name, source);
      else warnings.push(`${source.file} is not used: your own ${other.file} has the same name`);
    }
  }
  return { bottles, agents, warnings };
}

interface Folder {
  readonly root: string;
  readonly kind: 'bottles' | 'agents';
  readonly shown: string;
  readonly from: ManifestSource['from'];
}

function sourcesIn(folder: Folder, files: Files, warnings: string[]): ReadonlyMap<string, ManifestSource> {
  const directory = path.join(folder.root, folder.kind);
  const sources = new Map<string, ManifestSource>();
  for (const { name: fileName, isFile } of files.list(directory) ?? []) {
    if (!fileName.endsWith('.md')) continue;
    const file = `${folder.shown}${folder.kind}/${fileName}`;
    const name = fileName.slice(0, -'.md'.length);
    if (!MANIFEST_NAME.test(name)) {
      warnings.push(`${printable(file)} is skipped: a name has small letters, digits and dashes, a letter first`);
    } else if (!isFile) {
      warnings.push(`${file} is skipped: it is no file`);
    } else {
      sources.set(name, { name, path: path.join(directory, fileName), file, from: folder.from });
    }
  }
  return sources;
}

function isSamePlace(left: string, right: string, files: Files): boolean {
  return left === right || (files.realPath(left) ?? left) === (files.realPath(right) ?? right);
}

function refuseOldForm(home: string, cwd: string, files: Files): void {
  const places = [
    { json: path.join(cwd, 'bot-bottle.json'), successor: path.join(cwd, '.bot-bottle') },
    { json: path.join(path.dirname(home), 'bot-bottle.json'), successor: home },
  ];
  const found = places.find(({ json, successor }) => files.exists(json) && !files.exists(successor));
  if (found === undefined) return;
  throw new BottleError('manifest_invalid', {
    message: `${found.json} is the old form and is not read; bottles and agents are Markdown files in ${found.successor} now`,
    hint: 'bot-bottle migrate',
  });
}

/**
 * The text of a manifest. A file of a project must lie in the project once links are followed: a repository could
 * else make one of the operator's own files the prompt.
 */
export function readSource(source: ManifestSource, { cwd, files }: ManifestRoots): string {
  const target = files.realPath(source.path);
  if (source.from === 'project' && target !== null && !isInside(target, files.realPath(cwd) ?? cwd)) {
    throw new BottleError('manifest_invalid', { message: `${source.file} is a link that leads out of the project` });
  }
  const text = target === null ? null : files.read(target);
  if (text !== null) return text;
  throw new BottleError('manifest_not_found', { message: `${source.file} is not there any more` });
}

function isInside(target: string, directory: string): boolean {
  return target.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}
