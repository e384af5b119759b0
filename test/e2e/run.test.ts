import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { answering, startOrigin, upstreamCa } from '../egress/support/origin.ts';
import { leftovers } from './support/leftovers.ts';
import { World } from './support/world.ts';

const ROOT = process.getuid?.() === 0;
/** Nobody else's on the machine: arguments of all processes are searched for it. */
const TOKEN = `tok_${randomBytes(16).toString('hex')}`;

describe('run: any command in a bottle', () => {
  it('says nothing of its own, passes the exit code on, and leaves nothing', async () => {
    using world = new World();
    expect(await world.run(['run', '--', 'true'])).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(world.slugs()).toEqual([]);
  });

  it.each([
    ['its own exit code', 'exit 7', 7],
    ['128 and the signal when it is killed', 'kill -TERM $$', 143],
  ])('gives %s', async (_what, script, code) => {
    using world = new World();
    expect((await world.run(['run', '--workspace', 'none', '--', 'sh', '-c', script])).code).toBe(code);
  });

  it('gives 127 and one line for a command that is not there', async () => {
    using world = new World();
    const result = await world.run(['run', '--workspace', 'none', '--', 'no-such-command']);
    expect(result.code).toBe(127);
    expect(result.stderr).toMatch(/no-such-command/);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('connects standard input, output and error', async () => {
    using world = new World();
    const result = await world.run(['run', '--workspace', 'none', '--', 'sh', '-c', 'cat; echo err >&2'], {
      input: 'through\n',
    });
    expect(result).toEqual({ code: 0, signal: null, stdout: 'through\n', stderr: 'err\n' });
  });

  it('works on a copy: the original stays, changed work is kept, unchanged work is not', async () => {
    using world = new World();
    await world.run(['run', '--', 'cat', 'README']);
    expect(world.slugs()).toEqual([]);
    const changed = await world.run(['run', '--', 'sh', '-c', 'echo more >> README']);
    expect(changed.code).toBe(0);
    expect(fs.readFileSync(path.join(world.project, 'README'), 'utf8')).toBe('a project\n');
    const [slug] = world.slugs();
    const kept = path.join(world.home, 'state', slug ?? '', 'workspace', 'README');
    expect(fs.readFileSync(kept, 'utf8')).toBe('a project\nmore\n');
    const listed = await world.run(['list', '--all', '--json']);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ slug, state: 'preserved' }]);
  });

  it('G-KEEP keeps the work of a command that failed', async () => {
    using world = new World();
    await world.run(['run', '--', 'false']);
    expect(world.slugs()).toHaveLength(1);
  });

  it('refuses to carry the home directory into a bottle', async () => {
    using world = new World();
    const result = await world.run(['run', '--', 'true'], { cwd: world.root });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/holds your home directory/);
    expect(world.slugs()).toEqual([]);
  });

  it('works for an ordinary user', async ({ skip }) => {
    if (!ROOT) skip('the suite itself runs as an ordinary user');
    using world = new World();
    fs.chmodSync(world.root, 0o755);
    for (const directory of [world.home, path.join(world.home, 'bottles'), path.join(world.home, 'agents')]) {
      fs.chownSync(directory, 65534, 65534);
    }
    const result = await world.run(['run', '--', 'sh', '-c', 'id -u; cat README'], { uid: 65534 });
    expect(result).toEqual({ code: 0, signal: null, stdout: '1000\na project\n', stderr: '' });
  });

  it('--verbose tells the steps on stderr, and stdout stays the command’s', async () => {
    using world = new World();
    const result = await world.run(['run', '--verbose', '--workspace', 'none', '--', 'echo', 'out']);
    expect(result.stdout).toBe('out\n');
    for (const step of ['workspace', 'bottle', 'bundle', 'confinement']) expect(result.stderr).toContain(`✓ ${step}`);
    expect(result.stderr).toMatch(/\d+ walls proved/);
  });
});

describe('run: what goes out', () => {
  it('G-NET G-DENY without a bottle nothing is allowed out, by name, address or DNS', async () => {
    using world = new World();
    const script = [
      'curl -sS -o /dev/null -w "%{http_connect} %{http_code}\\n" https://example.com/ 2>&1',
      'curl -sS --noproxy "*" -m 3 http://192.0.2.7/ 2>&1',
      'getent hosts example.com || echo unresolved',
      'cat /proc/net/route | wc -l',
    ].join('; ');
    const { stdout } = await world.run(['run', '--workspace', 'none', '--', 'sh', '-c', script]);
    expect(stdout).toContain('403');
    expect(stdout).toMatch(/Couldn't connect|Failed to connect|Network is unreachable/i);
    expect(stdout).toContain('unresolved');
    expect(stdout.trim().split('\n').at(-1)).toBe('1');
  });

  it('G-SECRET S10 one allowed API gets the credential that the bottle never has; with and without proxy variables', async () => {
    await using origin = await startOrigin(answering('hello from the api'));
    using world = apiWorld(origin.port);
    const script = [
      'curl -sS https://api.example.com/v1/a',
      'echo',
      'curl -sS --noproxy "*" https://api.example.com/v1/b',
      'echo',
      'env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"; grep -ra tok_ /home /tmp /etc /opt /run 2>/dev/null',
    ].join('; ');
    const { stdout, code } = await world.run(
      ['run', '--bottle', 'api', '--workspace', 'none', '--', 'sh', '-c', script],
      {
        env: { API_TOKEN: TOKEN, MY_KEY: 'key-5d41402abc4b2a76b9719d91' },
      },
    );
    expect(code).toBe(0);
    expect(stdout.split('hello from the api')).toHaveLength(3);
    expect(stdout).not.toContain(TOKEN);
    expect(origin.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/v1/a', `Bearer ${TOKEN}`],
      ['/v1/b', `Bearer ${TOKEN}`],
    ]);
  });

  it('G-LEAK a forwarded value that the agent has does not leave in a header or in base64', async () => {
    await using origin = await startOrigin(answering('ok'));
    using world = apiWorld(origin.port);
    const script = [
      'curl -sS -o /dev/null -w "%{http_code} " -H "x-note: $KEY" https://api.example.com/v1/a',
      'curl -sS -o /dev/null -w "%{http_code} " -d "$(printf %s "$KEY" | base64)" https://api.example.com/v1/b',
      'test "$KEY" = "key-5d41402abc4b2a76b9719d91" && echo inside',
    ].join('; ');
    const { stdout } = await world.run(['run', '--bottle', 'api', '--workspace', 'none', '--', 'sh', '-c', script], {
      env: { API_TOKEN: TOKEN, MY_KEY: 'key-5d41402abc4b2a76b9719d91' },
    });
    expect(stdout).toBe('403 403 inside\n');
    expect(origin.seen).toEqual([]);
  });

  it('names the variable that is missing, its line, and the fix, before anything is made', async () => {
    using world = apiWorld(1);
    const result = await world.run(['run', '--bottle', 'api', '--workspace', 'none', '--', 'true'], {
      env: { MY_KEY: 'key-5d41402abc4b2a76b9719d91' },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/api\.md:\d+:\d+/);
    expect(result.stderr).toContain('export API_TOKEN=');
    expect(world.slugs()).toEqual([]);
  });

  it('H4 S8 a forwarded value is on no disk of ours, in no argument list and no log', async () => {
    using world = apiWorld(1);
    const key = `key-${randomBytes(12).toString('hex')}`;
    const child = world.spawn(['run', '--bottle', 'api', '--workspace', 'none', '--', 'sh', '-c', 'echo ready; cat'], {
      env: { API_TOKEN: TOKEN, MY_KEY: key },
    });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const arguments_ = fs
      .readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(commandLine)
      .join('\n');
    const files = fs
      .readdirSync(world.home, { recursive: true, encoding: 'utf8' })
      .map((name) => contentOf(path.join(world.home, name)))
      .join('\n');
    child.stdin?.end();
    await new Promise((resolve) => child.once('close', resolve));
    for (const value of [TOKEN, key]) {
      expect(arguments_).not.toContain(value);
      expect(files).not.toContain(value);
    }
  });
});

describe('several at once', () => {
  it('G-SELF ten bottles come up together, each with its own gateway, and leave nothing', async () => {
    using world = new World();
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        world.run([
          'run',
          '--workspace',
          'none',
          '--',
          'sh',
          '-c',
          `curl -s http://_egress.local/allowlist >/dev/null && echo ${String(index)}`,
        ]),
      ),
    );
    expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(
      results.map((_, index) => [0, `${String(index)}\n`]),
    );
    expect(world.slugs()).toEqual([]);
    expect(leftovers(world)).toEqual([]);
  });
});

function apiWorld(port: number): World {
  const world = new World();
  const ca = path.join(world.home, 'upstream.pem');
  fs.writeFileSync(ca, upstreamCa.certificate);
  world.settings(
    `upstream:\n  extra_ca: [${ca}]\n  resolve:\n    'api.example.com:443': '127.0.0.1:${String(port)}'\n`,
  );
  world.bottle(
    'api',
    [
      'env:',
      '  KEY: {host: MY_KEY}',
      'egress:',
      '  routes:',
      '    - host: api.example.com',
      '      auth: {scheme: Bearer, token_ref: API_TOKEN}',
      '      matches:',
      '        - paths: [{type: prefix, value: /v1}]',
      '          methods: [GET, POST]',
    ].join('\n'),
  );
  return world;
}

function commandLine(pid: string): string {
  return contentOf(`/proc/${pid}/cmdline`);
}

function contentOf(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    // Gone meanwhile, a directory, or a socket: nothing that could be read.
    return '';
  }
}

describe('S8 S14 what preflight says of values', () => {
  it('S8 strict_secrets refuses a bottle whose secret would be inside, naming its line', async () => {
    using world = new World();
    world.settings('strict_secrets: true\n');
    world.bottle('open', 'env:\n  KEY: ${MY_KEY}');
    const result = await world.run(['run', '--bottle', 'open', '--workspace', 'none', '--', 'true'], {
      env: { MY_KEY: 'key-5d41402abc4b2a76b9719d91' },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('bottles/open.md:3:');
    expect(result.stderr).toContain('strict_secrets');
    expect(world.slugs()).toEqual([]);
  });

  it('S14 a weak value as a route’s credential is refused', async () => {
    using world = apiWorld(1);
    const result = await world.run(['run', '--bottle', 'api', '--workspace', 'none', '--', 'true'], {
      env: { MY_KEY: 'key-5d41402abc4b2a76b9719d91', API_TOKEN: 'password' },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('API_TOKEN');
    expect(result.stderr).not.toContain('password"');
  });
});
