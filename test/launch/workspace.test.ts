import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkWorkspaceSource, copyWorkspace } from '../../src/launch/workspace.ts';

const never = new AbortController().signal;
let root = '';
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'workspace-'));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

describe('copyWorkspace', () => {
  it('copies files, directories and links as they are, and drops set-id bits', async () => {
    const source = path.join(root, 'source');
    fs.mkdirSync(path.join(source, 'deep/er'), { recursive: true });
    fs.writeFileSync(path.join(source, 'deep/er/file'), 'content', { mode: 0o755 });
    fs.chmodSync(path.join(source, 'deep/er/file'), 0o4755);
    fs.symlinkSync('/etc/shadow', path.join(source, 'link'));
    fs.utimesSync(path.join(source, 'deep/er/file'), 1_000, 1_000);
    await copyWorkspace(source, path.join(root, 'target'), { exclude: '/nowhere', without: new Set() }, never);
    const copied = fs.statSync(path.join(root, 'target/deep/er/file'));
    expect(copied.mode & 0o7777).toBe(0o755);
    expect(copied.mtimeMs).toBe(1_000_000);
    expect(fs.readlinkSync(path.join(root, 'target/link'))).toBe('/etc/shadow');
  });

  it('leaves out our own home, which holds every other bottle', async () => {
    const source = path.join(root, 'source');
    fs.mkdirSync(path.join(source, '.bot-bottle/state'), { recursive: true });
    fs.writeFileSync(path.join(source, 'kept'), '');
    const bounds = { exclude: path.join(source, '.bot-bottle'), without: new Set<string>() };
    await copyWorkspace(source, path.join(root, 'target'), bounds, never);
    expect(fs.readdirSync(path.join(root, 'target'))).toEqual(['kept']);
  });

  it('leaves out sockets, FIFOs and devices without touching them', async () => {
    const { createServer } = await import('node:net');
    const source = path.join(root, 'source');
    fs.mkdirSync(source);
    const server = createServer().listen(path.join(source, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    await copyWorkspace(source, path.join(root, 'target'), { exclude: '/nowhere', without: new Set() }, never);
    server.close();
    expect(fs.readdirSync(path.join(root, 'target'))).toEqual([]);
  });

  it('hears that it is to stop while it copies', async () => {
    const source = path.join(root, 'source');
    for (let at = 0; at < 200; at += 1) fs.mkdirSync(path.join(source, `d${String(at)}`, 'e'), { recursive: true });
    const abort = new AbortController();
    const copying = copyWorkspace(source, path.join(root, 'target'), slowBounds(), abort.signal);
    abort.abort();
    await expect(copying).rejects.toThrow('stopped while the workspace was copied');
  });
});

/** Bounds that take their time over each entry. */
function slowBounds(): { readonly exclude: string; readonly without: ReadonlySet<string> } {
  class Slow extends Set<string> {
    override has(): boolean {
      const until = performance.now() + 2;
      while (performance.now() < until);
      return false;
    }
  }
  return { exclude: '/nowhere', without: new Slow() };
}

describe('checkWorkspaceSource', () => {
  it.each([
    ['the home itself', '', /your home directory/],
    ['a directory above the home', '..', /your home directory/],
    ['the root', '/', /your home directory/],
    ['what is not there', 'absent', /can't be read/],
    ['a file', 'file', /is not a directory/],
  ])('refuses %s', (_what, where, message) => {
    const home = path.join(root, 'home');
    fs.mkdirSync(home);
    fs.writeFileSync(path.join(home, 'file'), '');
    expect(() => checkWorkspaceSource(path.resolve(home, where), home)).toThrow(message);
  });

  it('takes a project below the home, by its real path', () => {
    const home = path.join(root, 'home');
    fs.mkdirSync(path.join(home, 'project'), { recursive: true });
    fs.symlinkSync('project', path.join(home, 'alias'));
    expect(checkWorkspaceSource(path.join(home, 'alias'), home)).toBe(fs.realpathSync(path.join(home, 'project')));
  });
});
