import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { markedProcesses, processTree } from '../../src/platform/processes.ts';
import { bottlePaths, homePaths } from '../../src/state/paths.ts';
import { World } from './support/world.ts';

/** The launcher killed with -9 at every step: `cleanup --yes` must find all that is left, and lose no work (G-KEEP). */
const STEPS = ['workspace', 'home', 'runtime', 'bottle', 'bundle', 'confinement'] as const;
const FIXTURE = path.resolve('test/e2e/support/launch-and-die.ts');

function processesOf(world: World): readonly string[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map((pid) => readable(`/proc/${pid}/cmdline`).replaceAll('\0', ' '))
    .filter((command) => command.includes(world.home) || command.includes('victim-00000'));
}

function readable(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    // The process ended while the list was read.
    return '';
  }
}

function mountsOf(world: World): readonly string[] {
  return fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(world.home) || line.includes('victim'));
}

function stateOf(world: World): string {
  return bottlePaths(homePaths({ BOT_BOTTLE_HOME: world.home }), 'victim-00000').root;
}

/** A box's outer process: until the box stands, a kill of it leaves the inner one, whose environment is the same. */
function boxedBy(launcher: number, pid: number): boolean {
  return pid !== launcher && path.basename(readable(`/proc/${String(pid)}/cmdline`).split('\0')[0] ?? '') === 'bwrap';
}

async function dieAfter(world: World, step: string, before: (launcher: number) => void = () => {}): Promise<void> {
  const child = spawn(process.execPath, [FIXTURE, world.home, step], { stdio: ['ignore', 'pipe', 'pipe'] });
  // Not its streams' end: what it leaves, for `cleanup`, may hold them.
  const exit = once(child, 'exit');
  child.stderr.resume();
  if (step === 'agent') {
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('started')) resolve();
      });
    });
    before(child.pid ?? 0);
    child.kill('SIGKILL');
  }
  expect((await exit)[1]).toBe('SIGKILL');
}

describe('kill -9 of the launcher', () => {
  it.each(STEPS)('G-KEEP H5 after step "%s" cleanup leaves no process, mount, socket or file', async (step) => {
    using world = new World();
    await dieAfter(world, step);
    await pollUntil('the end of every process', 10_000, () => (processesOf(world).length === 0 ? true : null));
    const cleaned = await world.run(['cleanup', '--yes']);
    expect(cleaned.code, cleaned.stderr).toBe(0);
    expect(world.slugs()).toEqual([]);
    expect(mountsOf(world)).toEqual([]);
    await pollUntil('the end of what cleanup killed', 10_000, () =>
      markedProcesses(stateOf(world)).length === 0 ? true : null,
    );
    expect(fs.existsSync(bottlePaths(homePaths({ BOT_BOTTLE_HOME: world.home }), 'victim-00000').runtime)).toBe(false);
    expect((await world.run(['cleanup', '--yes'])).stdout).toBe('nothing to clean up\n');
  });

  it('G-KEEP while the agent works: everything ends, and its workspace is preserved', async () => {
    using world = new World();
    let boxes = 0;
    await dieAfter(world, 'agent', (launcher) => {
      const marked = markedProcesses(stateOf(world));
      const outer = processTree(launcher).filter((pid) => boxedBy(launcher, pid));
      boxes = outer.length;
      expect(marked).toEqual(expect.arrayContaining(outer));
    });
    expect(boxes, 'the bottle, init and the gateway').toBeGreaterThanOrEqual(3);
    await pollUntil('the end of every process', 10_000, () => (processesOf(world).length === 0 ? true : null));
    const cleaned = await world.run(['cleanup', '--yes']);
    expect(cleaned.code, cleaned.stderr).toBe(0);
    expect(world.slugs()).toEqual(['victim-00000']);
    expect(readable(path.join(world.home, 'state/victim-00000/workspace/work'))).toBe('work\n');
    expect(JSON.parse((await world.run(['list', '--all', '--json'])).stdout)).toMatchObject([{ state: 'preserved' }]);
  });

  it('G-KEEP a resume goes on although one before it was killed while it looked', async () => {
    using world = new World();
    const script = 'test -e marker && exec cat marker; echo work > marker; exit 1';
    expect((await world.run(['run', '--', 'sh', '-c', script])).code).toBe(1);
    const [slug = ''] = world.slugs();
    const { runtime } = bottlePaths(homePaths({ BOT_BOTTLE_HOME: world.home }), slug);
    fs.mkdirSync(path.join(runtime, 'stage-tree-1', '0'), { recursive: true, mode: 0o711 });
    expect(await world.run(['resume', slug])).toMatchObject({ code: 0, stdout: 'work\n' });
    expect(fs.existsSync(runtime)).toBe(false);
  });
});
