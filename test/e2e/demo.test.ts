import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';
import { collect } from './support/world.ts';

const CLOSING = '10 ways out tried, 0 got through. The API saw the real token 3 times; the bottle never had it.';

let scratch = '';
beforeEach(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'world-'));
  fs.chmodSync(scratch, 0o755);
  fs.mkdirSync(path.join(scratch, 'tmp'), { mode: 0o1777 });
  fs.chmodSync(path.join(scratch, 'tmp'), 0o1777);
});
afterEach(() => {
  fs.rmSync(scratch, { recursive: true, force: true });
});

/** Its temporary directory is the test's own, so that what it leaves behind can be seen. */
function demo(root = ROOT): ChildProcess {
  return spawn(process.execPath, [path.join(root, 'scripts/demo.ts')], {
    detached: true,
    env: { PATH: process.env['PATH'], HOME: os.homedir(), TMPDIR: path.join(scratch, 'tmp') },
  });
}

/** A tree that runs this product, with a demo whose files a test may change. */
function changedTree(file: string, change: (text: string) => string): string {
  const root = path.join(scratch, 'tree');
  for (const folder of ['scripts', 'examples'])
    fs.cpSync(path.join(ROOT, folder), path.join(root, folder), { recursive: true });
  for (const name of ['src', 'bin', 'dist', 'node_modules', 'package.json'])
    fs.symlinkSync(path.join(ROOT, name), path.join(root, name));
  const changed = path.join(root, file);
  const before = fs.readFileSync(changed, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  fs.writeFileSync(changed, after);
  return root;
}

/** Runtime directories of bottles whose home lies in the demo's temporary directory would be left here. */
const leftBehind = (): readonly string[] => fs.readdirSync(path.join(scratch, 'tmp'));

describe('npm run demo', () => {
  it('G-NET G-DENY G-ONE G-SECRET G-LEAK G-SELF tries ten ways out, lets none through, and cleans up', async () => {
    const { code, stdout, stderr } = await collect(demo());
    expect(code, stdout + stderr).toBe(0);
    const lines = stdout.split('\n');
    expect(lines).toContain(CLOSING);
    expect(lines.filter((line) => /^ .* {3}G-[A-Z]+$/.test(line))).toHaveLength(10);
    expect(lines.filter((line) => line !== CLOSING && line.length > 80)).toEqual([]);
    expect(stderr).toBe('');
    expect(leftBehind()).toEqual([]);
  });

  it('G-DENY fails and says so when a bottle lets something through', async () => {
    const root = changedTree('examples/demo/bottle.md', (text) =>
      text.replace('  routes:\n', '  routes:\n    - host: trap.demo.example\n'),
    );
    const { code, stdout } = await collect(demo(root));
    expect(code).toBe(1);
    expect(stdout).toContain('GOT OUT: a tunnel');
    expect(stdout).toContain('FAILED  something got through');
    expect(stdout).not.toContain(CLOSING);
    expect(leftBehind()).toEqual([]);
  });

  it('does not take an attempt that broke for one that was held', async () => {
    const root = changedTree('examples/demo/agent.mjs', (text) =>
      text.replace("tunnel('trap.demo.example:443')", "misspelt('trap.demo.example:443')"),
    );
    const { code, stdout } = await collect(demo(root));
    expect(code).toBe(1);
    expect(stdout).toContain('UNCLEAR: misspelt is not defined');
    expect(stdout).toContain('FAILED  an attempt ended in another way than it should');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('G-KEEP leaves nothing behind on %s in the middle', async (signal) => {
    const child = demo();
    child.stdout?.on('data', (chunk: Buffer) => {
      // To the whole group, as a terminal sends it.
      if (child.pid !== undefined && chunk.toString().includes('the agent is let in')) process.kill(-child.pid, signal);
    });
    const { code, stdout } = await collect(child);
    expect(code, stdout).toBe(128 + os.constants.signals[signal]);
    expect(stdout).not.toContain('ways out tried');
    expect(leftBehind()).toEqual([]);
  });
});
