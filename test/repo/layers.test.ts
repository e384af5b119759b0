import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../scripts/root.ts';
import { cloneParts } from './support/clone.ts';

const ReportSchema = z.object({
  summary: z.object({
    violations: z.array(z.object({ from: z.string(), to: z.string(), rule: z.object({ name: z.string() }) })),
  }),
});

/** `<file> <rule>` of each violation below `root`. */
function violations(root: string): readonly string[] {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      path.join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'),
      ...['--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'src'],
    ],
    { cwd: root, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
  );
  expect(stderr).toBe('');
  return ReportSchema.parse(JSON.parse(stdout)).summary.violations.map(({ from, rule }) => `${from} ${rule.name}`);
}

const ConfigSchema = z.object({ default: z.object({ forbidden: z.array(z.object({ name: z.string() })) }) });
const configModule: unknown = await import(path.join(ROOT, '.dependency-cruiser.mjs'));
const rules = ConfigSchema.parse(configModule).default.forbidden.map(({ name }) => name);
const layerRules = rules.filter((name) => name.startsWith('layer-'));
const layers = layerRules.map((name) => name.slice('layer-'.length));

/** For every rule a file that breaks it. The last layer may import from all, so its rule has nothing to forbid. */
const PLANTED: readonly { readonly rule: string; readonly file: string; readonly text: string }[] = [
  ...layers.slice(0, -1).map((layer, index) => ({
    rule: `layer-${layer}`,
    file: `src/${layer}/planted-upward.ts`,
    text: `export { planted } from '../${layers[index + 1] ?? ''}/planted.ts';\n`,
  })),
  { rule: 'known-layers', file: 'src/utils/planted.ts', text: "export { planted } from '../kernel/planted.ts';\n" },
  {
    rule: 'backends-are-strangers',
    file: 'src/backends/bubblewrap/planted.ts',
    text: "export { planted } from '../docker/planted.ts';\n",
  },
  { rule: 'pure-no-node', file: 'src/policy/planted-node.ts', text: "export { readFileSync } from 'node:fs';\n" },
  { rule: 'pure-no-packages', file: 'src/dlp/planted-package.ts', text: "export { Command } from 'commander';\n" },
  {
    rule: 'product-knows-no-tests',
    file: 'src/cli/planted-test.ts',
    text: "export { planted } from '../../test/planted.ts';\n",
  },
  { rule: 'no-cycles', file: 'src/kernel/planted-a.ts', text: "export { b as a } from './planted-b.ts';\n" },
  { rule: 'resolvable', file: 'src/kernel/planted-lost.ts', text: "export { lost } from './nowhere.ts';\n" },
];

/** What the planted files import, and an import that is allowed: it must not be reported. */
const INNOCENT: readonly { readonly file: string; readonly text: string }[] = [
  ...layers.map((layer) => ({ file: `src/${layer}/planted.ts`, text: 'export const planted = 1;\n' })),
  { file: 'src/backends/docker/planted.ts', text: 'export const planted = 1;\n' },
  { file: 'src/backends/probe/planted.ts', text: 'export const planted = 1;\n' },
  { file: 'src/backends/docker/planted-probe.ts', text: "export { planted } from '../probe/planted.ts';\n" },
  { file: 'src/launch/planted-down.ts', text: "export { planted } from '../kernel/planted.ts';\n" },
  { file: 'src/schema/planted-zod.ts', text: "export { z } from 'zod';\n" },
  { file: 'src/kernel/planted-b.ts', text: "export { a as b } from './planted-a.ts';\n" },
  { file: 'test/planted.ts', text: 'export const planted = 1;\n' },
];

describe('H3 the layers are held by dependency-cruiser', () => {
  using clone = cloneParts(['src', 'tsconfig.json', 'tsconfig.base.json', '.dependency-cruiser.mjs']);
  for (const { file, text } of [...PLANTED, ...INNOCENT]) clone.plant(file, text);
  const found = violations(clone.root).filter((line) => line.includes('/planted'));

  it.each(PLANTED)('$rule fails on $file', ({ rule, file }) => {
    expect(found).toContain(`${file} ${rule}`);
  });

  it('reports no import that is allowed', () => {
    const cyclic = ['src/kernel/planted-b.ts no-cycles'];
    const innocent = found.filter((line) => INNOCENT.some(({ file }) => line.startsWith(`${file} `)));
    expect(innocent.filter((line) => !cyclic.includes(line))).toEqual([]);
  });

  it('has a planted file for every rule', () => {
    const untried = rules.filter((name) => !PLANTED.some(({ rule }) => rule === name));
    expect(untried).toEqual([`layer-${layers.at(-1) ?? ''}`]);
  });
});
