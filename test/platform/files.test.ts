import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import { renderError } from '../../src/kernel/render-error.ts';
import { BottleError } from '../../src/kernel/errors.ts';
import { openManifests } from '../../src/manifest/index.ts';
import { hostFiles } from '../../src/platform/files.ts';

let root = '';
const files = hostFiles('/home/ada');
const at = (name: string): string => path.join(root, name);

beforeAll(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'files-test-')));
  fs.mkdirSync(at('agents'));
  fs.writeFileSync(at('agents/b.md'), '---\n---\nbeta\n');
  fs.writeFileSync(at('agents/a.md'), 'Grüße\n');
  fs.mkdirSync(at('agents/folder.md'));
  fs.symlinkSync('a.md', at('agents/link.md'));
  fs.symlinkSync('nowhere', at('agents/dangling.md'));
  fs.writeFileSync(at('latin1.md'), Buffer.from([0x47, 0xfc]));
  fs.writeFileSync(at('big.md'), Buffer.alloc(LIMITS.manifestBytes + 1, 0x20));
  fs.writeFileSync(at('full.md'), Buffer.alloc(LIMITS.manifestBytes, 0x20));
  execFileSync('mkfifo', [at('fifo.md')]);
});
afterAll(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

function complaint(act: () => unknown): string {
  try {
    act();
  } catch (failure) {
    if (failure instanceof BottleError) return renderError(failure);
    throw failure;
  }
  return 'no complaint';
}

describe("the operator's files", () => {
  test('are listed by name, links followed', () => {
    expect(files.list(at('agents'))).toEqual([
      { name: 'a.md', isFile: true },
      { name: 'b.md', isFile: true },
      { name: 'dangling.md', isFile: false },
      { name: 'folder.md', isFile: false },
      { name: 'link.md', isFile: true },
    ]);
    expect(files.list(at('none'))).toBeNull();
    expect(files.list(at('agents/a.md'))).toBeNull();
  });

  test('are read as text', () => {
    expect(files.read(at('agents/link.md'))).toBe('Grüße\n');
    expect(files.read(at('full.md'))).toHaveLength(LIMITS.manifestBytes);
    expect(files.read(at('none.md'))).toBeNull();
    expect(files.read(at('agents/a.md/x'))).toBeNull();
  });

  test.each([
    { name: 'latin1.md', why: 'it is not UTF-8 text' },
    { name: 'big.md', why: 'it is over 512 KiB' },
    { name: 'fifo.md', why: 'it is not a regular file' },
    { name: 'agents', why: 'it is not a regular file' },
  ])('$name is refused: $why', ({ name, why }) => {
    expect(complaint(() => files.read(at(name)))).toBe(`${at(name)} can't be read: ${why}`);
  });

  test('have a real place, or none', () => {
    expect(files.realPath(at('agents/link.md'))).toBe(at('agents/a.md'));
    expect(files.realPath(at('agents/dangling.md'))).toBeNull();
    expect(files.exists(at('agents'))).toBe(true);
    expect(files.exists(at('agents/dangling.md'))).toBe(false);
  });

  test('manifests are found and read among them', () => {
    const manifests = openManifests({ home: root, cwd: at('agents'), files });
    expect(manifests.listAgents().map(({ name }) => name)).toEqual(['a', 'b', 'link']);
    expect(manifests.loadAgent('b').prompt).toBe('beta\n');
    expect(complaint(() => manifests.loadAgent('a'))).toContain('agents/a.md:1:1');
  });
});
