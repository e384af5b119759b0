import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { startForge } from '../gitgate/support/forge.ts';
import { PLANTED } from '../gitgate/support/gate.ts';
import { SSHD, startSshd } from '../gitgate/support/sshd.ts';
import { World } from './support/world.ts';

const IDENTITY = { name: 'Operator', email: 'operator@example.com' };

function git(directory: string, ...args: readonly string[]): string {
  const identity = ['-c', `user.name=${IDENTITY.name}`, '-c', `user.email=${IDENTITY.email}`];
  return execFileSync('git', ['-c', 'safe.directory=*', '-c', 'init.defaultBranch=main', ...identity, ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' },
  }).trim();
}

/** A checkout of the operator's, as people have them. */
function checkout(world: World): string {
  const directory = path.join(world.home, 'src', 'web');
  fs.mkdirSync(directory, { recursive: true });
  git(directory, 'init', '-q');
  fs.writeFileSync(path.join(directory, 'README.md'), '# web\n');
  git(directory, 'add', '.');
  git(directory, 'commit', '-q', '-m', 'Begin');
  return directory;
}

function bottle(url: string, more = ''): string {
  return `git-gate:
  user: {name: Acme Bot, email: bot@acme.example}
  repos:
    web:
      url: ${url}
${more}`;
}

it('clones, fetches, pulls and pushes in a bottle; the work lands on a branch of its own, under its own name', async () => {
  using world = new World();
  const upstream = checkout(world);
  world.bottle('acme', bottle(upstream));
  const script = [
    'set -e',
    `git clone -q file://${upstream} a && cd a`,
    'echo work > work.txt && git add . && git commit -q -m Work',
    'git push -q origin HEAD:fix/one 2>&1 | grep -v "^remote: *$"',
    'cd .. && git clone -q http://git-gate:9420/web.git b && cd b && git checkout -q fix/one && cat work.txt',
    'cd ../a && echo more >> work.txt && git commit -qam More && git push -q origin HEAD:fix/one 2>/dev/null',
    'cd ../b && git pull -q && tail -1 work.txt',
    'git log -1 --format="%an <%ae>"',
  ].join('\n');
  const { stdout, stderr, code } = await world.run(['run', '--bottle', 'acme', '--', 'sh', '-c', script]);
  expect(code, stderr + stdout).toBe(0);
  expect(stdout).toContain('bot-bottle scanned 1 commit, 3 objects');
  expect(stdout).toMatch(/pushed {3}refs\/heads\/fix\/one to .* as refs\/heads\/run-[a-z0-9]+\/fix\/one/);
  expect(stdout).toContain('work\nmore\n');
  expect(stdout).toContain('Acme Bot <bot@acme.example>');
  const branches = git(upstream, 'for-each-ref', '--format=%(refname)').split('\n');
  expect(branches).toEqual(['refs/heads/main', expect.stringMatching(/^refs\/heads\/run-[a-z0-9]{5}\/fix\/one$/)]);
  expect(git(upstream, 'show', `${branches[1] ?? ''}:work.txt`)).toBe('work\nmore');
});

it('G-PUSH S28 a push with a planted secret is refused with its place, and nothing of it is upstream', async () => {
  using world = new World();
  const upstream = checkout(world);
  world.bottle('acme', bottle(upstream));
  const script = [
    `git clone -q file://${upstream} a && cd a`,
    `printf 'A=1\\nTOKEN=%s\\n' ${PLANTED} > dev.env && git add . && git commit -q -m Secret`,
    'git rm -q dev.env && git commit -q -m Clean',
    'git push origin HEAD:fix 2>&1; echo "exit $?"',
    'git ls-remote origin',
  ].join('\n');
  const { stdout, code } = await world.run(['run', '--bottle', 'acme', '--', 'sh', '-c', script]);
  expect(code).toBe(0);
  expect(stdout).toContain('dev.env:2   github');
  expect(stdout).toContain('Nothing was sent to the upstream.');
  expect(stdout).toContain('exit 1');
  expect(stdout).not.toContain('refs/heads/fix');
  expect(git(upstream, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
});

describe('upstreams on other machines, from the gate in its box', () => {
  const script = [
    'set -e',
    'git clone -q "$ADDRESS" a && cd a',
    'echo work > work.txt && git add . && git commit -q -m Work',
    'git push -q origin HEAD:fix 2>&1',
    'cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n" | sort -u',
  ].join('\n');

  it.skipIf(SSHD === null)('S27 G-SECRET by ssh, with a key that the bottle never has', async () => {
    using world = new World();
    await using sshd = await startSshd();
    const upstream = path.join(world.home, 'far.git');
    git(world.home, 'clone', '-q', '--bare', checkout(world), upstream);
    const key = path.join(world.home, 'key');
    fs.writeFileSync(key, sshd.key, { mode: 0o600 });
    const address = `ssh://${sshd.user}@127.0.0.1:${sshd.port}${upstream}`;
    const hostKey = sshd.hostKey.split(' ').slice(0, 2).join(' ');
    world.bottle('far', bottle(address, `      host_key: ${hostKey}\n      key: {provider: static, path: ${key}}\n`));
    const env = { ADDRESS: address };
    const { stdout, stderr, code } = await world.run([
      'run',
      '--bottle',
      'far',
      '--',
      'sh',
      '-c',
      `ADDRESS=${env.ADDRESS}\n${script}`,
    ]);
    expect(code, stderr + stdout).toBe(0);
    expect(git(upstream, 'show', 'fix:work.txt')).toBe('work');
    expect(stdout).not.toContain('PRIVATE KEY');
  });

  it('S27 G-SECRET by https, with a token that the bottle never has', async () => {
    using world = new World();
    const root = path.join(world.home, 'forge');
    const upstream = path.join(root, 'acme', 'web.git');
    git(world.home, 'clone', '-q', '--bare', checkout(world), upstream);
    await using forge = await startForge(root);
    const ca = path.join(world.home, 'forge.pem');
    fs.writeFileSync(ca, forge.ca);
    world.settings(`upstream:\n  extra_ca: [${ca}]\n`);
    const address = `https://localhost:${forge.port}/acme/web.git`;
    world.bottle('forge', bottle(address, '      key: {provider: token, token_ref: FORGE_TOKEN}\n'));
    const { stdout, stderr, code } = await world.run(
      ['run', '--bottle', 'forge', '--', 'sh', '-c', `ADDRESS=${address}\n${script}`],
      { env: { FORGE_TOKEN: forge.token } },
    );
    expect(code, stderr + stdout).toBe(0);
    expect(git(upstream, 'show', 'fix:work.txt')).toBe('work');
    expect(stdout).not.toContain(forge.token);
  });
});

it('an address that is not declared says which key would', async () => {
  using world = new World();
  world.bottle('acme', bottle(checkout(world)));
  const script = 'git clone git@git.example.com:other/thing.git 2>&1; git clone http://git-gate:9420/other.git 2>&1';
  const { stdout } = await world.run(['run', '--bottle', 'acme', '--', 'sh', '-c', script]);
  expect(stdout.match(/git-gate\.repos/g)?.length).toBeGreaterThanOrEqual(2);
  expect(stdout).toContain('No repository is declared as "other"');
});
