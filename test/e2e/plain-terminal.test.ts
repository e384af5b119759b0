import { describe, expect, it } from 'vitest';
import { leftovers } from './support/leftovers.ts';
import { CLI, commandIn, shellWorld, startIn } from './support/shell-world.ts';
import { TMUX } from './support/terminal.ts';

describe.skipIf(TMUX === null)('--plain on a terminal', () => {
  it('asks in lines, takes numbers and names, asks again for what is none, and draws nothing', async () => {
    using world = shellWorld('echo TZ=$TZ EXTRA=$EXTRA; read line');
    using terminal = startIn(world, '--plain');
    expect(await terminal.sees(/Which agent\? Number or name:/)).toMatch(/Agents:\n {2}1 {2}free .*\n {2}2 {2}rev /);
    terminal.enter('nobody');
    await terminal.sees(/"nobody" is none of them\nWhich agent\?/);
    terminal.enter('1');
    await terminal.sees(/Which bottles\? [^:]*:/);
    terminal.enter('a');
    await terminal.sees(/"a" is in acme, base, extra/);
    terminal.enter('acme 3');
    await terminal.sees(/A label for it\? Empty for none:/);
    terminal.enter('My Label');
    await terminal.sees(/Its colour\? [^:]*:/);
    terminal.enter('pink');
    await terminal.sees(/there is no colour "pink"/);
    terminal.enter('blue');
    const preflight = await terminal.sees(/Start\? \[y\/N\]/);
    expect(preflight).toContain('My Label · claude');
    expect(terminal.history()).not.toMatch(/[│┌└◆◇]/);
    terminal.enter('y');
    await terminal.sees(/TZ=UTC EXTRA=yes/);
    expect(world.slugs()).toEqual(['my-label']);
    terminal.key('Enter');
    await terminal.sees(/code=0/);
  });

  it('a question that is left leaves nothing', async () => {
    using world = shellWorld('echo never');
    using terminal = startIn(world, '--plain');
    await terminal.sees(/Which agent\?/);
    terminal.key('C-c');
    expect(await terminal.sees(/code=\d+/)).toMatch(/cancelled; nothing was done\s+code=130/);
    expect(world.slugs()).toEqual([]);
    expect(leftovers(world)).toEqual([]);
  });

  it('doctor says words for marks, without colour, and ends its lines with the terminal', async () => {
    using world = shellWorld('echo never');
    using terminal = commandIn(world, `FORCE_COLOR=1 ${CLI} doctor --plain`);
    const screen = await terminal.sees(/code=\d/);
    expect(screen).toMatch(/^ ok +bubblewrap/m);
    expect(screen).toMatch(/^ note +smolmachines +not built yet/m);
    expect(screen).not.toMatch(/[✓✗]/);
    expect(screen).toMatch(/^ +ok? .*limits[^\n]*\n {8,}\S/m);
  });
});
