import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { leftovers } from './support/leftovers.ts';
import { CLI, shellWorld, startIn } from './support/shell-world.ts';
import { Terminal, TMUX } from './support/terminal.ts';

const SECRET = 'prompted-5d41402abc4b2a76b9719d911017c592';

describe.skipIf(TMUX === null)('start on a terminal', () => {
  it('shows what is about to happen, asks, attaches, and says what happened', async () => {
    using world = shellWorld('echo agent sees $TZ; read line; echo heard $line; exit 4');
    using terminal = startIn(world, 'rev --label "Fix 12" --color green');
    const preflight = await terminal.sees(/Start\? \[y\/N\]/);
    expect(preflight).toMatch(/Fix 12 · claude/);
    expect(preflight).toMatch(/- host: a\.example +# bottles\/acme\.md:4/);
    expect(preflight).toMatch(/TZ: UTC +# bottles\/base\.md:3/);
    expect(preflight).toContain(`workspace ${world.project} (copy)`);
    expect(world.slugs()).toEqual([]);
    terminal.enter('y');
    expect(await terminal.sees(/agent sees UTC/)).toMatch(/✓ bottle {3}✓ gateway {3}✓ \d+ walls proved {3}\d\.\d\d s/);
    expect(world.slugs()).toEqual(['fix-12']);
    terminal.enter('hello');
    const end = await terminal.sees(/code=\d/);
    expect(end).toContain('heard hello');
    expect(end).toMatch(/Fix 12 ended \(exit 4\) after \d+ s · 0 requests allowed, 0 refused/);
    expect(end).toContain('code=4');
  });

  it.each(['n', '', 'no'])('starts nothing on "%s"', async (answer) => {
    using world = shellWorld('echo never');
    using terminal = startIn(world, 'rev');
    await terminal.sees(/Start\? \[y\/N\]/);
    terminal.enter(answer);
    expect(await terminal.sees(/code=\d+/)).toMatch(/cancelled; nothing was done\s+code=130/);
    expect(world.slugs()).toEqual([]);
  });

  it('picks the agent, bottles in order, a label and a colour, filtering as one types', async () => {
    using world = shellWorld('echo TZ=$TZ EXTRA=$EXTRA; read line');
    using terminal = startIn(world, '');
    await terminal.sees(/Which agent\?[\s\S]*free[\s\S]*rev/);
    terminal.type('fr');
    await expect.poll(() => terminal.screen(), { timeout: 10_000 }).not.toMatch(/agents\/rev\.md/);
    terminal.key('Enter');
    const bottles = await terminal.sees(/Which bottles\?/);
    expect(bottles).toMatch(/acme|base|extra/);
    terminal.type('ext');
    await expect.poll(() => terminal.screen(), { timeout: 10_000 }).not.toMatch(/◻ base/);
    terminal.key('Tab', 'BSpace', 'BSpace', 'BSpace');
    terminal.type('acm');
    await terminal.sees(/acme.*← base/);
    terminal.key('Tab');
    terminal.key('Enter');
    await terminal.sees(/A label for it/);
    terminal.enter('My Label');
    await terminal.sees(/Its colour\?/);
    terminal.key('Enter');
    const preflight = await terminal.sees(/Start\? \[y\/N\]/);
    expect(preflight).toMatch(/My Label · claude/);
    terminal.enter('y');
    await terminal.sees(/TZ=UTC EXTRA=yes/);
    expect(world.slugs()).toEqual(['my-label']);
    terminal.key('Enter');
    await terminal.sees(/code=0/);
  });

  it('G-SECRET asks for a secret without showing it, and gives it to the agent', async () => {
    using world = shellWorld('test "$KEY" = "$(cat expected)" && echo got it; read line');
    world.bottle('asks', 'extends: base\nenv: {KEY: "?The key of the shop"}');
    fs.writeFileSync(path.join(world.project, 'expected'), SECRET);
    using terminal = startIn(world, 'rev --bottle asks');
    await terminal.sees(/The key of the shop:/);
    terminal.type(`${SECRET.slice(0, -1)}x`);
    terminal.key('BSpace');
    terminal.enter(SECRET.slice(-1));
    const preflight = await terminal.sees(/Start\? \[y\/N\]/);
    expect(preflight).toContain('KEY would be inside in clear (bottles/asks.md:3)');
    terminal.enter('y');
    const screen = await terminal.sees(/got it/);
    expect(screen).not.toContain(SECRET.slice(0, 12));
    terminal.key('Enter');
    await terminal.sees(/code=0/);
    expect(terminal.history()).not.toContain(SECRET.slice(0, 12));
  });

  it('run cancelled at a secret leaves nothing', async () => {
    using world = shellWorld('echo never');
    world.bottle('asks', 'env: {KEY: "?"}');
    using terminal = new Terminal(world, `${CLI} run --bottle asks -- true; echo code=$?; sleep 60`);
    await terminal.sees(/Value of KEY:/);
    terminal.type('half of i');
    terminal.key('C-c');
    expect(await terminal.sees(/code=\d+/)).toContain('code=130');
    expect(world.slugs()).toEqual([]);
    expect(leftovers(world)).toEqual([]);
  });

  it('works through the controlling terminal when the standard streams lead elsewhere', async () => {
    using world = shellWorld('test -t 0 && test -t 1 && echo on a terminal; read line');
    const out = path.join(world.root, 'out.json');
    using terminal = startIn(world, 'rev --json', (command) => `${command} < /dev/null > ${out} 2>/dev/null`);
    await terminal.sees(/Start\? \[y\/N\]/);
    terminal.enter('y');
    await terminal.sees(/on a terminal/);
    terminal.key('Enter');
    await terminal.sees(/code=0/);
    expect(JSON.parse(fs.readFileSync(out, 'utf8'))).toMatchObject({ exitCode: 0, preserved: false });
  });

  it('asks again for a label that is taken', async () => {
    using world = shellWorld('read line');
    fs.mkdirSync(path.join(world.home, 'state', 'fix'), { recursive: true, mode: 0o711 });
    using terminal = startIn(world, 'rev --label fix');
    await terminal.sees(/There is a bottle called fix\. Another label:/);
    terminal.enter('fix too');
    await terminal.sees(/Start\? \[y\/N\]/);
    terminal.enter('y');
    await expect.poll(() => world.slugs(), { timeout: 20_000 }).toContain('fix-too');
    await terminal.sees(/walls proved/);
    terminal.key('Enter');
    await terminal.sees(/code=0/);
  });

  it('without any terminal says what to do instead', async () => {
    using world = shellWorld('echo never');
    const refused = await world.run(['start', 'rev']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('there is no terminal here, so nobody could talk to the agent');
  });
});
