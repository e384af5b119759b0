import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.ts';
import { ENTRIES } from '../../scripts/entries.ts';
import { packageDirectoryOf, thirdPartyNotices } from '../../scripts/third-party.ts';
import { ASSET_NAMES, installRoot } from '../../src/platform/assets.ts';
import { cloneParts, type Clone } from '../repo/support/clone.ts';

/** A clone whose entries are one line each. */
function smallClone(): Clone {
  const clone = cloneParts([]);
  for (const [name, source] of Object.entries(ENTRIES)) clone.plant(source, `process.stdout.write('${name}');\n`);
  return clone;
}

describe('the build', () => {
  it('makes every asset that the product asks for', async () => {
    using clone = smallClone();
    expect(Object.keys(ENTRIES).sort()).toEqual([...ASSET_NAMES].sort());
    await build(clone.root);
    expect(fs.readdirSync(path.join(clone.root, 'dist')).sort()).toEqual([...ASSET_NAMES, 'THIRD-PARTY.txt'].sort());
    expect(fs.readdirSync(path.join(clone.root, '.cache'))).toEqual([]);
  });

  it('names every entry that it can not build, and replaces nothing', async () => {
    using clone = smallClone();
    await build(clone.root);
    const before = fs.statSync(path.join(clone.root, 'dist/cli.js')).ino;
    fs.rmSync(path.join(clone.root, ENTRIES['probe.js']));
    clone.plant(ENTRIES['init.js'], "import 'no-such-package';\n");
    const failure = await build(clone.root).catch((error: unknown) => String(error));
    expect(failure).toContain('dist/probe.js');
    expect(failure).toContain('dist/init.js');
    expect(failure).not.toContain('dist/cli.js');
    expect(fs.statSync(path.join(clone.root, 'dist/cli.js')).ino).toBe(before);
  });

  it('writes ASCII alone, and the program says the same', async () => {
    using clone = smallClone();
    clone.plant(
      ENTRIES['init.js'],
      "const word = 'caf\u00e9 \u2192 \u{1f600}';\nprocess.stdout.write(word + /^[\u{1f600}\u2026]$/u.test('\u{1f600}'));\n",
    );
    await build(clone.root);
    const file = path.join(clone.root, 'dist/init.js');
    expect([...fs.readFileSync(file)].every((byte) => byte < 128)).toBe(true);
    const { stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    expect(stdout).toBe('caf\u00e9 \u2192 \u{1f600}true');
  });

  it('refuses a raw template that an escape would change', async () => {
    using clone = smallClone();
    clone.plant(ENTRIES['init.js'], 'process.stdout.write(String.raw`\u2192`);\n');
    await expect(build(clone.root)).rejects.toThrow('init.js: a raw template with more than ASCII');
  });

  it('puts what an entry imports into its one file', async () => {
    using clone = smallClone();
    clone.plant('src/shared.ts', "export const shared: string = 'shared by two';\n");
    for (const name of ['egress.js', 'init.js'] as const) {
      const up = '../'.repeat(ENTRIES[name].split('/').length - 2);
      clone.plant(ENTRIES[name], `import { shared } from '${up}shared.ts';\nprocess.stdout.write(shared);\n`);
    }
    await build(clone.root);
    for (const name of ['egress.js', 'init.js']) {
      expect(fs.readFileSync(path.join(clone.root, 'dist', name), 'utf8')).toContain('shared by two');
    }
  });

  it('can run twice at once', async () => {
    using clone = smallClone();
    await Promise.all([build(clone.root), build(clone.root)]);
    expect(fs.readdirSync(path.join(clone.root, 'dist'))).toHaveLength(ASSET_NAMES.length + 1);
  });
});

describe('licences of what is bundled', () => {
  it.each([
    { id: '/a/node_modules/zod/v4/core.js', directory: '/a/node_modules/zod' },
    { id: '/a/node_modules/@scope/name/index.js', directory: '/a/node_modules/@scope/name' },
    { id: '/a/node_modules/b/node_modules/c/x.js', directory: '/a/node_modules/b/node_modules/c' },
    { id: '/a/src/cli/main.ts', directory: null },
  ])('$id is of $directory', ({ id, directory }) => {
    expect(packageDirectoryOf(id)).toBe(directory);
  });

  it('refuses a package without one', () => {
    using clone = cloneParts([]);
    const manifest = JSON.stringify({ name: 'bare', version: '1.0.0', license: 'MIT' });
    clone.plant('vendor/node_modules/bare/package.json', manifest);
    const id = path.join(clone.root, 'vendor/node_modules/bare/index.js');
    expect(() => thirdPartyNotices([id])).toThrow('no licence file');
    clone.plant('vendor/node_modules/bare/LICENSE', 'Do as you like.\n');
    expect(thirdPartyNotices([id])).toContain('bare 1.0.0 (MIT)\n\nDo as you like.');
  });
});

describe('the installation is found', () => {
  it.each([
    { from: '/opt/bot-bottle/dist', root: '/opt/bot-bottle' },
    { from: '/opt/bot-bottle/src/platform', root: '/opt/bot-bottle' },
  ])('from $from', ({ from, root }) => {
    expect(installRoot(from)).toBe(root);
  });
});
