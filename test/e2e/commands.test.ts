import { setTimeout as sleep } from 'node:timers/promises';
import fs from 'node:fs';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { UNBUILT_COMMANDS } from '../../src/cli/commands/unbuilt.ts';
import { answering, startOrigin, upstreamCa } from '../egress/support/origin.ts';
import { collect, firstLine, World, type CliResult } from './support/world.ts';

const exec = promisify(execFile);
const ROUTE =
  'egress:\n  routes:\n    - host: api.example.com\n      matches:\n        - paths: [{type: prefix, value: /v1}]\n          methods: [GET]';

describe('explain', () => {
  it.each([
    ['GET', 'https://api.example.com/v1/x', 0, 'allow', 'allowed'],
    ['POST', 'https://api.example.com/v1/x', 3, 'deny', 'no_match'],
    ['GET', 'https://api.example.com/v1/%2e%2e/admin', 3, 'deny', 'ambiguous_path'],
    ['GET', 'https://other.example.com/', 3, 'deny', 'no_route'],
    ['GET', 'https://api.example.com/v1/info/refs?service=git-receive-pack', 3, 'deny', 'git_push'],
  ])('%s %s → exit %i', async (method, url, code, decision, reason) => {
    using world = new World();
    world.bottle('api', ROUTE);
    const result = await world.run(['explain', '--bottle', 'api', method, url, '--json']);
    expect(result.code, result.stderr).toBe(code);
    expect(JSON.parse(result.stdout)).toMatchObject({ decision, reason });
    expect(JSON.parse(result.stdout)).toHaveProperty('trace');
  });

  it('sees a known value in a header and in a file, if the host has it', async () => {
    using world = new World();
    world.bottle('api', `env:\n  KEY: "\${MY_KEY}"\n${ROUTE}`);
    const env = { MY_KEY: 'key-5d41402abc4b2a76b9719d91' };
    fs.writeFileSync(path.join(world.project, 'body'), `x=${Buffer.from(env.MY_KEY).toString('hex')}`);
    const args = ['explain', '--bottle', 'api', 'GET', 'https://api.example.com/v1/x'];
    for (const more of [
      ['-H', `x-note: ${env.MY_KEY}`],
      ['--data', '@body'],
    ]) {
      const result = await world.run([...args, ...more, '--json'], { env });
      expect(JSON.parse(result.stdout)).toMatchObject({ decision: 'deny', reason: 'known_secret' });
      expect(result.stdout).not.toContain(env.MY_KEY);
    }
  });
});

describe('gateway', () => {
  it('announces itself in one line of JSON, logs decisions, and ends on SIGTERM with 0', async () => {
    await using origin = await startOrigin(answering('hello'));
    using world = new World();
    const ca = path.join(world.home, 'upstream.pem');
    fs.writeFileSync(ca, upstreamCa.certificate);
    world.settings(
      `upstream:\n  extra_ca: [${ca}]\n  resolve: {'api.example.com:443': '127.0.0.1:${String(origin.port)}'}\n`,
    );
    world.bottle('api', ROUTE);
    const child = world.spawn(['gateway', '--bottle', 'api', '--log-decisions']);
    const ended = collect(child);
    const announced: unknown = JSON.parse(await firstLine(child));
    expect(announced).toEqual({
      slug: expect.stringMatching(/^gateway-/),
      proxy: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      ca: expect.stringMatching(/\.pem$/),
      control: expect.stringMatching(/\.sock$/),
    });
    const { proxy, ca: gatewayCa } = announced as { proxy: string; ca: string };
    const allowed = await exec('curl', [
      '-sS',
      '--proxy',
      proxy,
      '--cacert',
      gatewayCa,
      'https://api.example.com/v1/x',
    ]);
    expect(allowed.stdout).toBe('hello');
    const refused = exec('curl', ['-sS', '--proxy', proxy, '--cacert', gatewayCa, 'https://other.example.com/']);
    await expect(refused).rejects.toThrow('403');
    await sleep(200);
    child.kill('SIGTERM');
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    const records = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line): unknown => JSON.parse(line));
    expect(records).toMatchObject([
      { decision: 'allow', reason: 'allowed', host: 'api.example.com', path: '/v1/x', status: 200 },
      { decision: 'deny', reason: 'no_route', host: 'other.example.com', status: 403 },
    ]);
    expect(world.slugs()).toEqual([]);
  });

  it('S6 will not listen off loopback without --auth, and with it asks for a password', async () => {
    using world = new World();
    world.bottle('api', ROUTE);
    const open = await world.run(['gateway', '--bottle', 'api', '--listen', '0.0.0.0:0']);
    expect(open.code).toBe(2);
    expect(open.stderr).toContain('--auth');
    const child = world.spawn(['gateway', '--bottle', 'api', '--auth']);
    const ended = collect(child);
    const { proxy } = JSON.parse(await firstLine(child)) as { proxy: string };
    expect(proxy).toMatch(/^http:\/\/bottle:[0-9a-f]{32}@127\.0\.0\.1:/);
    const bare = proxy.replace(/\/\/.*@/, '//');
    const { stdout } = await exec('curl', [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '--proxy',
      bare,
      'http://api.example.com/v1/x',
    ]);
    expect(stdout).toBe('407');
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
  });
});

describe('list and stop', () => {
  it('shows a live bottle and ends it in order', async () => {
    using world = new World();
    const child = world.spawn(['run', '--workspace', 'none', '--', 'sh', '-c', 'echo up; sleep 1000']);
    const ended = collect(child);
    await firstLine(child);
    const listed = JSON.parse((await world.run(['list', 'active', '--json'])).stdout) as { slug: string }[];
    expect(listed).toMatchObject([
      {
        slug: expect.stringMatching(/^run-[0-9a-z]{5}$/),
        agent: 'run',
        backend: 'bubblewrap',
        state: 'running',
        services: ['egress'],
      },
    ]);
    const stopped = await world.run(['stop', listed[0]?.slug.slice(0, 6) ?? '']);
    expect(stopped.code, stopped.stderr).toBe(0);
    expect((await ended).code).toBe(143);
    expect(JSON.parse((await world.run(['list', 'active', '--json'])).stdout)).toEqual([]);
  });

  it('ends several by name or all of them, with no time for the agent if so told; a wrong name ends none', async () => {
    using world = new World();
    const script = "trap '' TERM; echo up; while :; do sleep 0.1; done";
    const ends: Promise<CliResult>[] = [];
    for (let count = 0; count < 3; count += 1) {
      const child = world.spawn(['run', '--workspace', 'none', '--', 'sh', '-c', script]);
      ends.push(collect(child));
      await firstLine(child);
    }
    const [first = '', second = '', third = ''] = world.slugs();
    const refused = await world.run(['stop', first, 'nobody', '--now']);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('no bottle is called "nobody"');
    expect(JSON.parse((await world.run(['list', '--json'])).stdout)).toHaveLength(3);
    const two = await world.run(['stop', first, second, first, '--now', '--json']);
    expect(JSON.parse(two.stdout)).toEqual({ stopped: [first, second] });
    const rest = await world.run(['stop', '--all', '--now']);
    expect(rest.stderr).toBe(`${third} stopped\n`);
    expect((await Promise.all(ends)).map(({ code }) => code)).toEqual([137, 137, 137]);
    expect((await world.run(['stop', '--all'])).stderr).toBe('no bottles are running\n');
    for (const wrong of [[], ['--all', first]]) expect((await world.run(['stop', ...wrong])).code).toBe(2);
    const past = JSON.parse((await world.run(['list', 'ended', '--json'])).stdout) as {
      slug: string;
      exitCode: number;
    }[];
    expect(past.map(({ slug, exitCode }) => [slug, exitCode]).sort()).toEqual(
      [first, second, third].map((slug) => [slug, 137]).sort(),
    );
    expect((await world.run(['list', 'ended'])).stdout).toContain('preserved');
  });
});

describe('doctor', () => {
  it('tells what the machine has, as REFERENCE says', async () => {
    using world = new World();
    const { stdout, code } = await world.run(['doctor', '--json']);
    const report = JSON.parse(stdout) as { ok: boolean; backends: unknown[] };
    expect(code).toBe(report.ok ? 0 : 1);
    expect(report.backends).toContainEqual(expect.objectContaining({ name: 'bubblewrap', available: true }));
  });

  it.each([
    {
      name: 'home',
      why: 'a home that others can write',
      ok: false,
      prepare: (world: World): void => {
        fs.chmodSync(world.home, 0o777);
      },
      fix: /^chmod go-w /,
    },
    {
      name: 'settings',
      why: 'settings that are wrong',
      ok: false,
      prepare: (world: World): void => {
        world.settings('backend: bubblewarp');
      },
      fix: null,
    },
    {
      name: 'leftovers',
      why: 'what a crash left',
      ok: true,
      prepare: (world: World): void => {
        fs.mkdirSync(path.join(world.home, 'state/rev-12345'), { recursive: true });
      },
      fix: /^bot-bottle cleanup$/,
    },
    {
      name: 'history',
      why: 'a history of a newer version',
      ok: true,
      prepare: (world: World): void => {
        using database = new DatabaseSync(path.join(world.home, 'bot-bottle.db'));
        database.exec('PRAGMA user_version = 99');
      },
      fix: /^move .* away$/,
    },
  ])('$name: $why is found, with its fix', async ({ name, ok, prepare, fix }) => {
    using world = new World();
    prepare(world);
    const { stdout } = await world.run(['doctor', '--json']);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean; fix: string | null }[] };
    const check = checks.find((row) => row.name === name);
    expect(check).toMatchObject({ ok });
    if (fix !== null) {
      expect(check?.fix).toMatch(fix);
      expect((await world.run(['doctor'])).stdout).toContain(`${name}: ${check?.fix ?? ''}`);
    }
  });
});

describe('list available', () => {
  it('tells where each comes from and what it is laid over; a broken file hurts only itself', async () => {
    using world = new World();
    world.bottle('base', 'description: for all');
    world.bottle('acme', 'extends: base\ndescription: the shop');
    world.bottle('bad', 'enw: {}');
    world.agent('rev', 'bottle: acme');
    const { code, stdout } = await world.run(['list', 'available']);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'agent    rev    agents/rev.md     acme',
      'bottle   acme   bottles/acme.md   ← base   the shop',
      'bottle   bad    bottles/bad.md    broken: bottles/bad.md:2 unknown key "enw"; did you mean "env"?',
      'bottle   base   bottles/base.md   for all',
      '',
    ]);
    const json = await world.run(['list', 'available', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      agents: [{ name: 'rev', from: 'home', bottle: 'acme' }],
      bottles: [{ name: 'acme', extends: ['base'] }, { name: 'bad', error: expect.any(String) as unknown }, {}],
    });
  });
});

describe('usage', () => {
  it.each(UNBUILT_COMMANDS)('$name says that it is not built yet and exits 2', async ({ name }) => {
    using world = new World();
    const result = await world.run([name]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(`bot-bottle ${name} is not built yet`);
  });

  it.each([['start'], ['run'], ['gateway'], ['explain'], ['list'], ['stop'], ['cleanup'], ['doctor']])(
    '%s --help shows an example',
    async (name) => {
      using world = new World();
      const result = await world.run([name, '--help']);
      expect(result.code).toBe(0);
      expect(result.stdout).toContain('Example:');
    },
  );

  it.each([
    [['nonsense'], /unknown command/],
    [['run'], /missing required argument/],
    [['run', '--backend', 'castle', '--', 'true'], /is none of: bubblewrap/],
    [['start', 'nobody'], /there is no terminal here/],
    [['gateway', '--bottle', 'x', '--listen', 'here'], /127\.0\.0\.1:8080/],
  ])('%j is usage, exit 2 or an error of ours', async (args, message) => {
    using world = new World();
    const result = await world.run(args);
    expect(result.code).toBeGreaterThan(0);
    expect(result.stderr).toMatch(message);
  });
});
