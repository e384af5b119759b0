import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { innermost } from './support/innermost.ts';
import { Terminal, TMUX } from './support/terminal.ts';
import { collect, firstLine, World } from './support/world.ts';

const CURL = 'curl -s -o /dev/null --max-time 5';

describe('logs', () => {
  it('tells requests and services by time, with filters, for people and for programs', async () => {
    using world = new World();
    const script = `${CURL} https://a.example/x; ${CURL} https://deep.b.example/y; exit 1`;
    await world.run(['run', '--', 'sh', '-c', script]);
    const [slug = ''] = world.slugs();
    const all = await world.run(['logs', slug]);
    const requests = all.stdout.split('\n').filter((line) => line.includes('deny'));
    expect(requests).toHaveLength(2);
    expect(requests[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}deny {4}403 +\d+ ms {2}CONNECT {2}a\.example {2}no_route$/);
    const one = await world.run(['logs', slug, '--decisions', '--host', '.b.example', '--json']);
    expect(JSON.parse(one.stdout)).toMatchObject({ host: 'deep.b.example', decision: 'deny', reason: 'no_route' });
    expect((await world.run(['logs', slug, '--decision', 'allow'])).stdout).toBe('');
    expect((await world.run(['logs', slug, '--decisions', '--since', '1s'])).code).toBe(0);
    expect((await world.run(['logs', slug, '--since', 'soon'])).stderr).toContain(
      '--since "soon" is no age and no time',
    );
  });

  it('follows a running bottle to its end', async () => {
    using world = new World();
    const running = world.spawn(['run', '--', 'sh', '-c', `echo up; read go; ${CURL} https://a.example/; exit 1`]);
    await firstLine(running);
    const [slug = ''] = world.slugs();
    const follow = collect(world.spawn(['logs', slug, '--follow', '--decisions']));
    running.stdin?.end('go\n');
    expect((await follow).stdout).toContain('CONNECT  a.example');
    expect((await follow).code).toBe(0);
  });

  it('follows across a restart of the gateway and across a record that is moved away, with filters', async () => {
    using world = new World();
    world.bottle('open', 'supervise: false\negress: {routes: [{host: "192.0.2.1"}]}');
    const script = [
      'echo up',
      `while read host; do ${CURL} --max-time 2 -X PUT "https://$host/"; echo "did $host"; done`,
      'exit 1',
    ].join('; ');
    const running = world.spawn(['run', '--bottle', 'open', '--', 'sh', '-c', script]);
    let said = '';
    running.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ask = async (host: string): Promise<void> => {
      running.stdin?.write(`${host}\n`);
      await expect.poll(() => said, { timeout: 10_000 }).toContain(`did ${host}\n`);
    };
    await expect.poll(() => said, { timeout: 20_000 }).toContain('up\n');
    const [slug = ''] = world.slugs();
    const filters = ['--decision', 'deny', '--reason', 'no_route', '--method', 'connect', '--host', '.example'];
    const follow = world.spawn(['logs', slug, '--follow', ...filters, '--json']);
    const followed = collect(follow);
    await ask('first.example');
    await ask('not.shown.test');
    const record = path.join(world.home, 'state', slug, 'decisions.jsonl');
    const before = innermost(running, 'egress') ?? 0;
    process.kill(before, 'SIGKILL');
    await expect.poll(() => innermost(running, 'egress') ?? before, { timeout: 15_000 }).not.toBe(before);
    await ask('second.example');
    // What is written goes on into the one that was moved; then somebody begins a new one.
    fs.renameSync(record, `${record}.1`);
    await ask('third.example');
    fs.writeFileSync(record, fs.readFileSync(`${record}.1`, 'utf8').replaceAll('third.example', 'fourth.example'));
    running.stdin?.end();
    await collect(running);
    const hosts = (await followed).stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { host: string }).host);
    expect([...new Set(hosts)].sort()).toEqual(['first.example', 'fourth.example', 'second.example', 'third.example']);
    expect(hosts.indexOf('second.example')).toBeGreaterThan(hosts.indexOf('first.example'));
    expect((await followed).code).toBe(0);
  });

  it('shows several bottles at once, each line with its own, and those that start later', async () => {
    using world = new World();
    const follow = world.spawn(['logs', '--follow', '--decisions']);
    let shown = '';
    follow.stdout?.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    const script = (host: string): string => `echo up; ${CURL} https://${host}/; read go; exit 1`;
    const one = world.spawn(['run', '--', 'sh', '-c', script('one.example')]);
    const two = world.spawn(['run', '--', 'sh', '-c', script('two.example')]);
    await expect.poll(() => shown, { timeout: 20_000 }).toMatch(/run-\S+ {2}deny.*one\.example/);
    await expect.poll(() => shown, { timeout: 20_000 }).toMatch(/run-\S+ {2}deny.*two\.example/);
    const slugs = world.slugs();
    const both = await world.run(['logs', ...slugs, '--decisions', '--lines', '1', '--timings']);
    expect(both.stdout.trim().split('\n')).toHaveLength(1);
    expect(both.stdout).toMatch(/run-\S+ {2}deny.* {2}decide \d+\.\d$/m);
    for (const running of [one, two]) running.stdin?.end('go\n');
    await Promise.all([collect(one), collect(two)]);
    const ended = collect(follow);
    follow.kill('SIGINT');
    expect((await ended).code).toBe(0);
    const none = await world.run(['logs']);
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('no bottles are running');
  });

  it.skipIf(TMUX === null)('fits into a real terminal, and follows its size', async () => {
    using world = new World();
    const long = `/p/${'deep/'.repeat(40)}end`;
    await world.run(['run', '--', 'sh', '-c', `${CURL} -x http://127.0.0.2:9099 http://a.example${long}; exit 1`]);
    const [slug = ''] = world.slugs();
    const cli = `${process.execPath} ${path.resolve('dist/cli.js')}`;
    using terminal = new Terminal(
      world,
      `sh -c '${cli} logs ${slug} --decisions; read again; ${cli} logs ${slug} --decisions; read end'`,
    );
    const wide = await terminal.sees(/no_route/);
    expect(wide.split('\n')[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}deny .* a\.example\S*…\S*end {2}no_route$/);
    terminal.resize(50, 30);
    terminal.enter('');
    const narrow = await terminal.sees(/end {2}no_route\n[^]*end {2}no_route/);
    const lines = narrow.split('\n').filter((line) => line.includes('deny'));
    expect(lines.at(-1)).toMatch(/^\d\d:\d\d:\d\d {2}deny .*…\S*end {2}no_route$/);
    expect(lines.at(-1)?.length).toBeLessThanOrEqual(50);
  });
});

describe('completion', () => {
  it('completes commands, options, bottles, agents and slugs in a real bash', async () => {
    using world = new World();
    world.bottle('acme', 'env: {TZ: UTC}');
    world.bottle('apple', 'env: {TZ: UTC}');
    world.agent('reviewer', 'bottle: acme');
    await world.run(['run', '--', 'false']);
    const [slug = ''] = world.slugs();
    const script = (await world.run(['completion', 'bash'])).stdout;
    const bin = path.resolve('bin/bot-bottle');
    const completed = (...words: readonly string[]): readonly string[] => {
      const test = `${script}\nCOMP_WORDS=(${[bin, ...words].map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${String(words.length)}\n_bot_bottle\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
      const env = { PATH: '/usr/bin:/bin', HOME: world.root, BOT_BOTTLE_HOME: world.home };
      return execFileSync('bash', ['--norc', '-c', test], { cwd: world.project, env, encoding: 'utf8' })
        .split('\n')
        .filter(Boolean);
    };
    expect(completed('st')).toEqual(['start', 'stop']);
    expect(completed('run', '--bottle', 'a')).toEqual(['acme', 'apple']);
    expect(completed('start', 're')).toEqual(['reviewer']);
    expect(completed('diff', 'run-')).toEqual([slug]);
    expect(completed('run', '--workspace', 'c')).toEqual(['clone', 'copy']);
    expect(completed('logs', '--f')).toEqual(['--follow']);
    expect(completed('run', '--', 'x', '')).toEqual([]);
  });

  it.each(['bash', 'zsh', 'fish'])('the script for %s is one that the shell can read, if it is here', async (shell) => {
    using world = new World();
    const script = await world.run(['completion', shell]);
    expect(script.code).toBe(0);
    const found = spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0;
    if (found) expect(spawnSync(shell, ['-n'], { input: script.stdout }).status).toBe(0);
    expect(script.stdout).toContain('__complete');
  });

  it('knows no other shell', async () => {
    using world = new World();
    const refused = await world.run(['completion', 'tcsh']);
    expect(refused).toMatchObject({
      code: 2,
      stderr: 'there is no completion for "tcsh"\n      one of: bash, zsh, fish\n',
    });
  });
});
