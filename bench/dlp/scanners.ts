import { lintSource } from '@secretlint/core';
import { creator } from '@secretlint/secretlint-rule-preset-recommend';
import { createScanner, type Screen } from '../../src/dlp/screen.ts';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { createTokenRules } from '../../src/egress/token-rules.ts';

/** Those that go over the same documents in turns. Each gives how much it found. */
export const SCANNERS = ['loop', 'formats', 'all', 'secretlint'] as const;
export type ScannerId = (typeof SCANNERS)[number];

export const SCANNER_NAMES: Readonly<Record<ScannerId, string>> = {
  loop: 'byte loop',
  formats: 'all formats',
  all: 'formats and known values',
  secretlint: 'secretlint',
};

/** Twenty values of a bottle: some three hundred patterns in all their encodings. */
const KNOWN = Array.from({ length: 20 }, (_, at) => ({
  name: `BENCH_SECRET_${String(at)}`,
  value: `k${String(at)}-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b`,
}));

const RULES = createTokenRules(() => '', []);
export const FORMATS: Screen = { known: null, tokens: RULES.body };
export const ALL: Screen = { known: buildKnownValues(KNOWN), tokens: RULES.body };

/** What one read from a socket gives at most. */
export const BLOCK_BYTES = 64 * 1024;

export function scan(screen: Screen, document: Buffer): number {
  const scanner = createScanner(screen, 'body');
  let found = 0;
  for (let at = 0; at < document.length; at += BLOCK_BYTES) {
    found += scanner.push(document.subarray(at, at + BLOCK_BYTES)).findings.length;
  }
  return found + scanner.end().findings.length;
}

export async function run(id: ScannerId, document: Buffer): Promise<number> {
  switch (id) {
    case 'loop':
      return byteLoop(document);
    case 'formats':
      return scan(FORMATS, document);
    case 'all':
      return scan(ALL, document);
    case 'secretlint':
      return secretlint(document.toString('utf8'));
  }
}

/** The least that a scanner can do in this language: look at each byte once. */
function byteLoop(document: Buffer): number {
  let newlines = 0;
  for (let at = 0; at < document.length; at += 1) if (document[at] === 10) newlines += 1;
  return newlines;
}

const SECRETLINT_RULES = [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator, options: {} }];

export async function secretlint(content: string): Promise<number> {
  const { messages } = await lintSource({
    source: { filePath: '/document.txt', content, ext: '.txt', contentType: 'text' },
    options: { config: { rules: SECRETLINT_RULES } },
  });
  return messages.length;
}
