import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
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
    expect(requests[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}deny {2}403 {2}CONNECT a\.example {2}no_route {2}\d+ ms$/);
    const one = await world.run(['logs', slug, '--decisions', '--host', '.b.example', '--json']);
    expect(JSON.parse(one.stdout)).toMatchObject({ host: 'deep.b.example', decision: 'deny', reason: 'no_route' });
    expect((await world.run(['logs', slug, '--decision', 'allow'])).stdout).toBe('');
    expect((await world.run(['logs', slug, '--decisions', '--since', '1s'])).code).toBe(0);
    expect((await world.run(['logs', slug, '--since', 'soon'])).stderr).toContain('--since "soon" is no age');
  });

  it('follows a running bottle to its end', async () => {
    using world = new World();
    const running = world.spawn(['run', '--', 'sh', '-c', `echo up; read go; ${CURL} https://a.example/; exit 1`]);
    await firstLine(running);
    const [slug = ''] = world.slugs();
    const follow = collect(world.spawn(['logs', slug, '--follow', '--decisions']));
    running.stdin?.end('go\n');
    expect((await follow).stdout).toContain('CONNECT a.example');
    expect((await follow).code).toBe(0);
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
