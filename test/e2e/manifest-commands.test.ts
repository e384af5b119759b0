import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Terminal, TMUX } from './support/terminal.ts';
import { World } from './support/world.ts';

const CLI = `${process.execPath} ${path.resolve('dist/cli.js')}`;
const read = (world: World, file: string): string => fs.readFileSync(path.join(world.home, file), 'utf8');

describe('init', () => {
  it('writes a bottle and an agent that a start reads without a word, and what editors need', async () => {
    using world = new World();
    const args = ['--name', 'web', '--token', 'CLAUDE_TOKEN', '--host', 'api.github.com', '--git-name', 'Acme: "Bot"'];
    const written = await world.run(['init', '--yes', ...args]);
    expect(written).toMatchObject({ code: 0, stderr: '' });
    expect(read(world, 'bottles/web.md')).toMatch(
      /^---\n# yaml-language-server: \$schema=\.\.\/schemas\/bottle\.schema/,
    );
    expect(fs.existsSync(path.join(world.home, 'schemas/bottle.schema.json'))).toBe(true);
    const info = await world.run(['info', 'web', '--json']);
    expect(JSON.parse(info.stdout)).toMatchObject({
      manifest: {
        agent_provider: { auth_token: 'CLAUDE_TOKEN' },
        egress: { routes: [{ host: 'api.github.com' }] },
        'git-gate': { user: { name: 'Acme: "Bot"' } },
      },
      warnings: [],
    });
  });

  it('never writes over a file, and writes nothing then', async () => {
    using world = new World();
    world.agent('first', 'bottle: other', 'Mine.');
    const refused = await world.run(['init', '--yes']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      `${world.home}/agents/first.md is there already; nothing was written\n` +
        '      bot-bottle init --name first-2   or   bot-bottle edit first\n',
    );
    expect(read(world, 'agents/first.md')).toContain('Mine.');
    expect(fs.existsSync(path.join(world.home, 'bottles/first.md'))).toBe(false);
  });

  it.each([
    {
      args: ['--name', 'My Bottle'],
      says: `"My Bottle" can't name a bottle: small letters, digits and dashes, a letter first`,
    },
    {
      args: ['--token', 'ghp_012-34'],
      says: 'the token is named by a variable of your environment; its value is never written down',
    },
    { args: ['--host', 'a b'], says: /^"a b": / },
  ])('refuses $args', async ({ args, says }) => {
    using world = new World();
    const refused = await world.run(['init', '--yes', ...args]);
    expect(refused.code).toBe(2);
    expect(refused.stderr.split('\n')[0]).toEqual(typeof says === 'string' ? says : expect.stringMatching(says));
    expect(fs.readdirSync(path.join(world.home, 'bottles'))).toEqual([]);
  });

  it('asks on a terminal, with an answer at hand for each question; Ctrl-C leaves nothing', async ({ skip }) => {
    if (TMUX === null) skip('tmux is not installed');
    using world = new World();
    using terminal = new Terminal(world, `${CLI} init; echo code=$?; ${CLI} init; echo code=$?; sleep 60`);
    await terminal.sees(/Name of the bottle and the agent \[first\]:/);
    terminal.enter('shop');
    await terminal.sees(/token of Claude, empty for none \[CLAUDE_TOKEN\]:/);
    terminal.key('Enter');
    await terminal.sees(/Hosts it may read from/);
    terminal.enter('a.example *.b.example');
    await terminal.sees(/Name for its commits/);
    terminal.key('Enter');
    await terminal.sees(/code=0[\s\S]*\[first\]:/);
    terminal.key('C-c');
    expect(await terminal.sees(/code=130/)).toContain('cancelled; nothing was done');
    expect(read(world, 'bottles/shop.md')).toMatch(/host: a\.example[\s\S]*host: "?\*\.b\.example/);
    expect(fs.existsSync(path.join(world.home, 'bottles/first.md'))).toBe(false);
  });
});

describe('info', () => {
  it('H8 shows every value with its place, lineage, identity and what is passed through', async () => {
    using world = new World();
    world.bottle('base', 'env: {TZ: UTC}\ngit-gate: {user: {name: Base, email: base@acme.example}}');
    world.bottle('acme', 'extends: base\nenv:\n  KEY: ${MY_KEY}\negress:\n  routes:\n    - host: a.example');
    world.agent('rev', 'bottle: acme\nmodel: opus\ngit-gate: {user: {name: Rev}}', 'Look.');
    const shown = await world.run(['info', 'rev'], { env: { MY_KEY: 'a-value-that-nobody-may-see' } });
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('bottles          acme ← base');
    expect(shown.stdout).toContain('passed through   model   agents/rev.md:3');
    expect(shown.stdout).toContain('Rev (agents/rev.md:4), base@acme.example (bottles/base.md:3)');
    expect(shown.stdout).toMatch(/- host: a\.example +# bottles\/acme\.md:7/);
    expect(shown.stdout).toMatch(/KEY: \(secret\) +# bottles\/acme\.md:4/);
    expect(shown.stdout + shown.stderr).not.toContain('nobody-may-see');
    expect(shown.stderr).toContain('KEY would be inside in clear (bottles/acme.md:4)');
  });
});

describe('edit', () => {
  const editor = (script: string): Record<string, string> => ({ EDITOR: `sh -c '${script}' --` });

  it('opens the file, quoting and all, checks it again, and keeps the text as it was left', async () => {
    using world = new World();
    world.bottle('acme', 'env: {TZ: UTC}');
    const good = await world.run(['edit', 'acme'], { env: editor('sed -i s/UTC/CET/ "$1"') });
    expect(good).toMatchObject({ code: 0, stderr: 'bottles/acme.md is valid\n' });
    expect(read(world, 'bottles/acme.md')).toContain('TZ: CET');
    const bad = await world.run(['edit', 'bottles/acme'], { env: editor('sed -i s/env:/enw:/ "$1"') });
    expect(bad.code).toBe(1);
    expect(bad.stderr).toMatch(/^bottles\/acme\.md:2:1 {2}enw\n {2}unknown key "enw"; did you mean "env"\?/);
    expect(read(world, 'bottles/acme.md')).toContain('enw: {TZ: CET}');
  });

  it.each([
    { why: 'both kinds of that name', args: ['acme'], code: 2, says: '"acme" is a bottle and an agent\n' },
    { why: 'no such name', args: ['nobody'], code: 1, says: 'there is no bottle or agent "nobody"' },
    { why: 'no name', args: [], code: 2, says: 'edit what? There is: agents/acme, bottles/acme' },
  ])('says what it needs: $why', async ({ args, code, says }) => {
    using world = new World();
    world.bottle('acme', 'env: {TZ: UTC}');
    world.agent('acme', 'bottle: acme');
    const result = await world.run(['edit', ...args], { env: { EDITOR: 'true' } });
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(says);
  });

  it('says when the editor fails', async () => {
    using world = new World();
    world.settings('strict_secrets: true\n');
    const result = await world.run(['edit', 'settings'], { env: { VISUAL: 'false', EDITOR: 'true' } });
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toContain('the editor "false" ended with 1; the file was not checked');
  });

  it('offers to edit again on a terminal', async ({ skip }) => {
    if (TMUX === null) skip('tmux is not installed');
    using world = new World();
    world.bottle('acme', 'enw: {TZ: UTC}');
    const flip = path.join(world.root, 'flip');
    // The first time it leaves the mistake, the second time it mends it.
    fs.writeFileSync(flip, '#!/bin/sh\n[ -e "$0.done" ] && sed -i s/enw/env/ "$1"\ntouch "$0.done"\n', { mode: 0o755 });
    using terminal = new Terminal(world, `${CLI} edit acme; echo code=$?; sleep 60`, { EDITOR: flip });
    await terminal.sees(/did you mean "env"[\s\S]*Edit again\? \[Y\/n\]/);
    terminal.key('Enter');
    expect(await terminal.sees(/code=\d/)).toMatch(/bottles\/acme\.md is valid\s+code=0/);
  });
});

describe('migrate', () => {
  it('shows the change, writes the files, keeps the old ones, and a start reads what came out', async () => {
    using world = new World();
    const json = path.join(world.project, 'bot-bottle.json');
    fs.writeFileSync(
      json,
      JSON.stringify({
        bottles: { acme: { git_user: { name: 'Ada' }, env: { TZ: 'UTC' } } },
        agents: { rev: { bottle: 'acme', prompt: 'Review.' } },
      }),
    );
    world.bottle('old', 'git_user: {name: Old}');
    const unasked = await world.run(['migrate']);
    expect(unasked.code).toBe(2);
    expect(unasked.stdout).toContain('+    name: Ada');
    expect(unasked.stdout).toContain('-git_user: {name: Old}');
    expect(fs.existsSync(path.join(world.home, 'bottles/acme.md'))).toBe(false);

    const done = await world.run(['migrate', '--yes']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(fs.existsSync(json)).toBe(false);
    expect(JSON.parse(fs.readFileSync(`${json}.bak`, 'utf8'))).toHaveProperty('bottles.acme');
    expect(read(world, 'bottles/old.md.bak')).toContain('git_user');
    const info = await world.run(['info', 'rev', '--json']);
    expect(JSON.parse(info.stdout)).toMatchObject({ agent: { from: 'project' }, gitUser: { name: { value: 'Ada' } } });
    expect(await world.run(['migrate'])).toMatchObject({ code: 0, stdout: 'nothing to migrate\n' });
  });

  it('writes over nothing', async () => {
    using world = new World();
    fs.writeFileSync(path.join(world.project, 'bot-bottle.json'), '{"bottles":{"acme":{}}}');
    world.bottle('acme', 'env: {MINE: yes it is}');
    const refused = await world.run(['migrate', '--yes']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('bottles/acme.md is there already; nothing was changed');
    expect(read(world, 'bottles/acme.md')).toContain('MINE');
  });
});
