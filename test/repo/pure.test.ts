import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';
import { cloneParts } from './support/clone.ts';

const PURE = ['kernel', 'schema', 'policy', 'dlp', 'protocol', 'ports'].map((folder) => `src/${folder}`);

/** One line each that is fine in a program on Node and does not compile in a pure folder. */
const IMPURE: readonly { readonly name: string; readonly text: string }[] = [
  { name: 'process', text: 'export const planted = process.pid;' },
  { name: 'Buffer', text: 'export const planted = Buffer.alloc(1);' },
  { name: 'timer', text: 'export const planted = setTimeout(() => undefined, 1);' },
  { name: 'console', text: "console.log('planted'); export {};" },
  { name: 'fetch', text: "export const planted = fetch('http://192.0.2.1/');" },
  { name: 'crypto', text: 'export const planted = crypto.randomUUID();' },
  { name: 'performance', text: 'export const planted = performance.now();' },
  { name: 'node-import', text: "import fs from 'node:fs'; export const planted = fs;" },
];

describe('H3 the pure folders have no platform to call', () => {
  using clone = cloneParts([...PURE, 'tsconfig.base.json', 'tsconfig.pure.json']);
  for (const folder of PURE)
    for (const { name, text } of IMPURE) clone.plant(`${folder}/planted-${name}.ts`, `${text}\n`);
  clone.plant('src/policy/planted-pure.ts', "export const planted = new URL('http://a.example/').host;\n");
  const { stdout, status } = spawnSync(
    process.execPath,
    [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.pure.json', '--pretty', 'false'],
    { cwd: clone.root, encoding: 'utf8' },
  );
  const failing = new Set([...stdout.matchAll(/^(?<file>[^(]+)\(/gm)].map((match) => match.groups?.['file']));

  it('fails the compiler', () => {
    expect(status).not.toBe(0);
  });

  it.each(PURE.flatMap((folder) => IMPURE.map(({ name }) => ({ file: `${folder}/planted-${name}.ts` }))))(
    '$file does not compile',
    ({ file }) => {
      expect(failing).toContain(file);
    },
  );

  it('lets through what the ambient file declares', () => {
    expect(failing).not.toContain('src/policy/planted-pure.ts');
  });
});
