import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeCacheDirectory } from '../../src/platform/code-cache.ts';

describe('S5 the program is kept compiled only where nobody else can write', () => {
  let home = '';
  beforeEach(() => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), 'code-cache-'));
  });
  afterEach(() => {
    fs.rmSync(home, { recursive: true, force: true });
  });
  const directory = (): string | null => codeCacheDirectory({ home, cacheRoot: path.join(home, 'cache') });

  it('makes a directory for this user alone', () => {
    const made = directory();
    expect(made).toBe(path.join(home, 'cache/code'));
    expect(fs.statSync(path.join(home, 'cache/code')).mode & 0o777).toBe(0o700);
    expect(directory()).toBe(made);
  });

  it('makes nothing where there is no home', () => {
    home = path.join(home, 'none');
    expect(directory()).toBeNull();
    expect(fs.existsSync(home)).toBe(false);
  });

  it.each([
    ['the home', ''],
    ['the cache', 'cache'],
    ['the directory itself', 'cache/code'],
  ])('does without it if others can write in %s', (_, below) => {
    directory();
    for (const mode of [0o777, 0o722, 0o770]) {
      fs.chmodSync(path.join(home, below), mode);
      expect(directory(), mode.toString(8)).toBeNull();
    }
  });

  it.runIf(process.getuid?.() === 0)("does without it in another user's home", () => {
    fs.chownSync(home, 65_534, 65_534);
    expect(directory()).toBeNull();
  });

  it('does without it where something else lies in its place', () => {
    fs.writeFileSync(path.join(home, 'cache'), '');
    expect(directory()).toBeNull();
  });
});
