import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../scripts/root.ts';
import type { FuzzTarget } from './target.ts';

/**
 * Inputs that `npm run fuzz -- --grow` has kept, for each reaches something in `src/` that the others do not. One file
 * for each target, one input a line in base64.
 */
export const CORPORA = path.join(ROOT, 'test/fuzz/corpora');
export const MOST_INPUTS = 200;

export function corpusFile({ name }: Pick<FuzzTarget, 'name'>): string {
  return path.join(CORPORA, `${name}.txt`);
}

/** Empty for a target that has none yet. */
export function readCorpus(target: Pick<FuzzTarget, 'name'>): readonly Uint8Array[] {
  const file = corpusFile(target);
  if (!fs.existsSync(file)) return [];
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => Uint8Array.from(Buffer.from(line, 'base64')));
}

export function writeCorpus(target: Pick<FuzzTarget, 'name'>, inputs: readonly Uint8Array[]): void {
  fs.mkdirSync(CORPORA, { recursive: true });
  const lines = inputs.map((input) => `${Buffer.from(input).toString('base64')}\n`);
  fs.writeFileSync(corpusFile(target), lines.sort().join(''));
}

/** The target with what was kept to begin from. */
export function withCorpus(target: FuzzTarget): FuzzTarget {
  const kept = readCorpus(target).map((input) => Buffer.from(input).toString('latin1'));
  return { ...target, corpus: [...target.corpus, ...kept] };
}
