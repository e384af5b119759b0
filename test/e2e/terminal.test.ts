import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Terminal, TMUX } from './support/terminal.ts';
import { World } from './support/world.ts';

describe('run in a terminal', () => {
  it('gives the agent the terminal: Ctrl-C reaches its job and not the bottle, and its exit code comes out', async ({
    skip,
  }) => {
    if (TMUX === null) skip('tmux is not installed');
    using world = new World();
    const cli = `${process.execPath} ${path.resolve('dist/cli.js')}`;
    using terminal = new Terminal(world, `${cli} run --workspace none -- bash --norc; echo code=$?; sleep 60`);
    await terminal.sees(/[$#] *$/m);
    terminal.type('sleep 1000');
    terminal.key('Enter');
    await terminal.sees(/sleep 1000\n/);
    terminal.key('C-c');
    await terminal.sees(/\^C\s+\S*[$#]/);
    terminal.type('exit 5');
    terminal.key('Enter');
    expect(await terminal.sees(/code=\d+/)).toContain('code=5');
  });
});
