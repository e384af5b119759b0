import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { processTree } from '../../src/platform/processes.ts';
import { findProgram } from '../../src/bundle/host-facts.ts';
import { leftovers, processesIn } from './support/leftovers.ts';
import { CLI, commandIn, modesChanged, shellWorld } from './support/shell-world.ts';
import { TMUX, type Terminal } from './support/terminal.ts';
import type { World } from './support/world.ts';

/** The ways that the standard streams can lead while somebody sits at the terminal. */
const STREAMS = [
  { streams: 'on the terminal', around: (command: string) => command },
  { streams: 'redirected', around: (command: string) => `${command} < /dev/null > out 2> err` },
  { streams: 'in a pipeline', around: (command: string) => `: | ${command} 2>&1 | cat > out` },
] as const;

const EDITOR = findProgram('vi');
const PAGER = findProgram('less');

/** bash is the agent; whatever runs in it has the agent's terminal. */
function bashWorld(): World {
  const world = shellWorld('exec bash --norc');
  fs.writeFileSync(
    path.join(world.project, 'long'),
    Array.from({ length: 200 }, (_, at) => `line ${String(at)}\n`).join(''),
  );
  return world;
}

async function attached(world: World, around: (command: string) => string): Promise<Terminal> {
  const terminal = commandIn(world, around(`${CLI} start rev --yes --cwd`));
  await terminal.sees(/[$#] *$/m, 30_000);
  return terminal;
}

/** Until the new size has come through, the old one is what it says. */
async function showsSize(terminal: Terminal, size: RegExp): Promise<void> {
  const ask = (): string => {
    terminal.enter('stty size');
    return terminal.screen();
  };
  await expect.poll(ask, { timeout: 20_000, interval: 300 }).toMatch(size);
}

async function leave(world: World, terminal: Terminal): Promise<void> {
  terminal.enter('exit 5');
  await terminal.sees(/code=\d+/, 30_000);
  expect(modesChanged(world, terminal)).toEqual([]);
  expect(leftovers(world)).toEqual([]);
}

describe.skipIf(TMUX === null)('in the session, with the standard streams elsewhere or not', () => {
  it.each(STREAMS)('$streams: Ctrl-C is for the foreground job', async ({ streams, around }) => {
    using world = bashWorld();
    using terminal = await attached(world, around);
    terminal.enter('cat; echo "cat ended $?"');
    await terminal.sees(/cat ended \$\?"\n/);
    terminal.enter('here it is');
    await terminal.sees(/here it is\nhere it is/);
    terminal.key('C-c');
    await terminal.sees(/\^C/);
    terminal.enter('echo still $((6 * 7))');
    await terminal.sees(/still 42/);
    await leave(world, terminal);
    if (streams !== 'in a pipeline') expect(terminal.screen()).toContain('code=5');
  });

  it.skipIf(EDITOR === null).each(STREAMS)('$streams: vi, suspended and brought back', async ({ around }) => {
    using world = bashWorld();
    using terminal = await attached(world, around);
    terminal.enter('vi -u NONE long');
    await terminal.sees(/line 0\n[\s\S]*line 20/);
    expect(terminal.modes().alternate).toBe('1');
    terminal.key('C-z');
    await terminal.sees(/Stopped/);
    expect(terminal.modes().alternate).toBe('0');
    terminal.enter('echo between $((6 * 7))');
    await terminal.sees(/between 42/);
    terminal.enter('fg');
    await terminal.sees(/^line 0\n/m);
    terminal.type('ggOfirst of all');
    terminal.key('Escape');
    terminal.enter(':wq');
    await terminal.sees(/[$#] *$/m);
    terminal.enter('head -1 long; stty -a | grep -c "[^-]icanon"');
    await terminal.sees(/first of all\n1/);
    await leave(world, terminal);
  });

  it.skipIf(PAGER === null).each(STREAMS)('$streams: less follows the size of the window', async ({ around }) => {
    using world = bashWorld();
    using terminal = await attached(world, around);
    terminal.enter('LESS= less long');
    const before = await terminal.sees(/line 0\n[\s\S]*line 28\n/);
    expect(before).not.toContain('line 29');
    terminal.resize(120, 45);
    const larger = await terminal.sees(/line 43\n/);
    expect(larger).not.toContain('line 44');
    terminal.resize(60, 12);
    terminal.key('q');
    await showsSize(terminal, /^12 60$/m);
    await leave(world, terminal);
  });

  it('a window that changes while the bottle is made has its size in the session', async () => {
    using world = bashWorld();
    using terminal = commandIn(world, `${CLI} start rev --yes --cwd`);
    await expect.poll(() => world.slugs().length, { timeout: 20_000, interval: 2 }).toBe(1);
    terminal.resize(90, 20);
    await terminal.sees(/[$#] *$/m, 30_000);
    await showsSize(terminal, /^20 90$/m);
    await leave(world, terminal);
  });

  it('run asks for its values before there is a terminal for the agent', async () => {
    using world = bashWorld();
    world.bottle('asks', 'env: {KEY: "?"}');
    using terminal = commandIn(world, `${CLI} run --bottle asks -- sh -c 'echo got $KEY'`);
    await terminal.sees(/Value of KEY:/);
    const command = processesIn(world).find(({ command: typed }) => typed.startsWith(`${CLI} run`));
    expect(processTree(command?.pid ?? 0).filter((pid) => argumentsOf(pid).includes('pty-helper'))).toEqual([]);
    terminal.enter('the-value-1234');
    await terminal.sees(/got the-value-1234[\s\S]*code=0/);
    expect(modesChanged(world, terminal)).toEqual([]);
  });
});

function argumentsOf(pid: number): string {
  return fs.readFileSync(`/proc/${String(pid)}/cmdline`, 'latin1');
}
