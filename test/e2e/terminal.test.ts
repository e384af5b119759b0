import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Terminal, TMUX } from './support/terminal.ts';
import { World } from './support/world.ts';

const CLI = `${process.execPath} ${path.resolve('dist/cli.js')}`;
const RUN = `${CLI} run --workspace none --`;

describe.skipIf(TMUX === null)('run in a terminal', () => {
  it('gives the agent a terminal of its own: Ctrl-C reaches its job and not the bottle, and its exit code comes out', async () => {
    using world = new World();
    using terminal = new Terminal(world, `${RUN} bash --norc; echo code=$?; sleep 60`);
    await terminal.sees(/[$#] *$/m);
    terminal.enter('sleep 1000');
    await terminal.sees(/sleep 1000\n/);
    terminal.key('C-c');
    await terminal.sees(/\^C\s+\S*[$#]/);
    terminal.enter('exit 5');
    expect(await terminal.sees(/code=\d+/)).toContain('code=5');
  });

  it('has job control, in every shell', async () => {
    using world = new World();
    using terminal = new Terminal(world, `${RUN} sh; echo code=$?; sleep 60`);
    await terminal.sees(/[$#] *$/m);
    terminal.enter('sleep 1000');
    await terminal.sees(/sleep 1000\n/);
    terminal.key('C-z');
    await terminal.sees(/(Stopped|Suspended)/);
    terminal.enter('bg; jobs');
    await terminal.sees(/Running +sleep 1000/);
    terminal.enter('kill %1; exit 0');
    const screen = await terminal.sees(/code=\d+/);
    expect(screen).toContain('code=0');
    expect(screen).not.toMatch(/job control|process group|tty/);
  });

  it('follows the size of the window', async () => {
    using world = new World();
    using terminal = new Terminal(world, `${RUN} bash --norc; sleep 60`);
    await terminal.sees(/[$#] *$/m);
    terminal.enter('stty size');
    await terminal.sees(/^30 100$/m);
    terminal.resize(120, 40);
    // Until the new size has come through, the old one is what it says.
    await expect
      .poll(
        () => {
          terminal.enter('stty size');
          return terminal.screen();
        },
        { timeout: 20_000, interval: 300 },
      )
      .toMatch(/^40 120$/m);
  });

  it.each([
    { script: 'exit 0', code: 0 },
    { script: 'exit 3', code: 3 },
    { script: 'kill -INT $$', code: 130 },
    { script: 'kill -TERM $$', code: 143 },
    { script: 'kill -KILL $$', code: 137 },
    { script: 'nothing-of-that-name', code: 127 },
  ])('passes the exit on: $script → $code', async ({ script, code }) => {
    using world = new World();
    using terminal = new Terminal(world, `${RUN} sh -c '${script}'; echo code=$?; sleep 60`);
    expect(await terminal.sees(/code=\d+/)).toContain(`code=${String(code)}\n`);
  });

  it('gives the agent every key, Ctrl-C and Ctrl-\\ too, and shows all it wrote before its end', async () => {
    using world = new World();
    const script = 'stty raw -echo; echo ready; head -c 3 | od -An -tx1; stty sane; seq 1 300; echo last words';
    using terminal = new Terminal(world, `${RUN} sh -c '${script}'; echo code=$?; sleep 60`);
    await terminal.sees(/ready/);
    terminal.key('C-c', 'C-\\', 'C-z');
    const screen = await terminal.sees(/code=\d+/);
    expect(terminal.history()).toMatch(/03 1c 1a/);
    expect(screen).toMatch(/299\s+300\s+last words\s+code=0/);
  });

  it('puts the screen right after a program that was killed in the middle', async () => {
    using world = new World();
    const script = String.raw`printf "\033[?1049h\033[?25l\033[?1000h\033[?2004hfull screen"; sleep 0.2; kill -KILL $$`;
    using terminal = new Terminal(world, `echo before; ${RUN} sh -c '${script}'; echo code=$?; sleep 60`);
    expect(await terminal.sees(/code=137/)).toContain('before');
    expect(terminal.modes()).toEqual({ alternate: '0', cursor: '1', mouse: '0' });
  });

  it('takes the terminal back as it was', async () => {
    using world = new World();
    const state = (name: string): string => `stty -a > ${path.join(world.root, name)}`;
    using terminal = new Terminal(
      world,
      `${state('before')}; ${RUN} sh -c 'stty raw'; ${state('after')}; echo done; sleep 60`,
    );
    await terminal.sees(/done/);
    const read = (name: string): string => fs.readFileSync(path.join(world.root, name), 'utf8');
    expect(read('after')).toBe(read('before'));
  });

  it('S6 the agent can put nothing into the operator’s own terminal', async () => {
    using world = new World();
    // TIOCSTI (0x5412) on its own terminal is refused, and the operator's is not there to be opened.
    const attack = [
      'use strict; my $c = "x"; my $n = 0;',
      'for my $f ("/dev/tty", "/proc/self/fd/0", glob("/dev/pts/*")) {',
      '  open(my $t, "+<", $f) or next; $n++ if ioctl($t, 0x5412, $c); }',
      'print "injected $n\\n";',
    ].join(' ');
    fs.writeFileSync(path.join(world.project, 'attack.pl'), attack);
    using terminal = new Terminal(world, `${CLI} run -- perl attack.pl; echo code=$?; sleep 60`);
    expect(await terminal.sees(/code=\d+/)).toContain('injected 0');
  });
});
