import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { commit, openGate, PLANTED, runGit, type TestGate } from './support/gate.ts';
import { startForge, type TestForge } from './support/forge.ts';
import { SSHD, startSshd, type TestSshd } from './support/sshd.ts';

/** A bare repository with one commit, for upstreams that are not the gate's own test directory. */
async function bare(): Promise<{ readonly root: string; readonly directory: string } & Disposable> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bb-upstream-'));
  const directory = path.join(root, 'acme', 'web.git');
  await runGit(['init', '-q', '--bare', directory], root);
  const seed = path.join(root, 'seed');
  await runGit(['init', '-q', seed], root);
  fs.writeFileSync(path.join(seed, 'README.md'), '# far away\n');
  await runGit(['add', '.'], seed);
  await runGit(['commit', '-q', '-m', 'Begin'], seed);
  await runGit(['push', '-q', directory, 'main'], seed);
  return {
    root,
    directory,
    [Symbol.dispose]: () => {
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

async function roundTrip(gate: TestGate, upstream: string): Promise<void> {
  const work = await gate.clone();
  expect(fs.readFileSync(path.join(work, 'README.md'), 'utf8')).toBe('# far away\n');
  const tip = await commit(gate, work, { 'a.txt': 'a\n' });
  const pushed = await gate.git(['push', 'origin', 'HEAD:feature'], { cwd: work });
  expect(pushed.status, pushed.stderr).toBe(0);
  expect((await runGit(['rev-parse', 'feature'], upstream)).stdout.trim()).toBe(tip);
  await commit(gate, work, { 'a.env': `T=${PLANTED}\n` });
  const refused = await gate.git(['push', 'origin', 'HEAD:feature'], { cwd: work });
  expect(refused.stderr).toContain('a.env:1');
  expect((await runGit(['rev-parse', 'feature'], upstream)).stdout.trim()).toBe(tip);
  expect(gate.bugs).toEqual([]);
}

/** What lies about a gate that has served: nothing of it may be the credential. */
function everything(directory: string): string {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => fs.readFileSync(path.join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

describe.skipIf(SSHD === null)('S27 an upstream by ssh', () => {
  const open = (
    sshd: TestSshd,
    directory: string,
    change: { hostKey?: string; key?: string } = {},
  ): Promise<TestGate> =>
    openGate({
      upstream: {
        kind: 'ssh',
        user: sshd.user,
        host: '127.0.0.1',
        port: sshd.port,
        path: directory,
        hostKey: (change.hostKey ?? sshd.hostKey).split(' ').slice(0, 2).join(' '),
      },
      credential: { name: 'git:web', value: change.key ?? sshd.key },
    });

  it('clones, pushes and refuses as any other; its key is in no file', async () => {
    await using sshd = await startSshd();
    using upstream = await bare();
    await using gate = await open(sshd, upstream.directory);
    await roundTrip(gate, upstream.directory);
    expect(everything(path.join(gate.root, 'gate'))).not.toContain('PRIVATE KEY');
  });

  it('is not spoken to when its key is another than the one that was declared', async () => {
    await using sshd = await startSshd();
    using upstream = await bare();
    await using gate = await open(sshd, upstream.directory, { hostKey: sshd.otherHostKey });
    const cloned = await gate.git(['clone', gate.url(), 'x']);
    expect(cloned.status).not.toBe(0);
    expect(cloned.stderr).toContain('Host key verification failed');
  });

  it('says so when it refuses the key, and when the key is none', async () => {
    await using sshd = await startSshd();
    using upstream = await bare();
    await using stranger = await open(sshd, upstream.directory, { key: sshd.strangersKey });
    expect((await stranger.git(['clone', stranger.url(), 'x'])).stderr).toContain('Permission denied');
    await using broken = await open(sshd, upstream.directory, { key: 'not a key' });
    expect((await broken.git(['clone', broken.url(), 'x'])).stderr).toContain('must be a private key');
  });

  it('says so when there is no such repository', async () => {
    await using sshd = await startSshd();
    await using gate = await open(sshd, '/nonexistent/web.git');
    expect((await gate.git(['clone', gate.url(), 'x'])).stderr).toContain('not appear to be a git repository');
  });
});

describe('S27 an upstream by https', () => {
  const open = (forge: TestForge, change: { token?: string; path?: string; host?: string } = {}): Promise<TestGate> =>
    openGate({
      upstream: {
        kind: 'https',
        host: change.host ?? 'localhost',
        port: forge.port,
        path: change.path ?? '/acme/web.git',
        user: 'x-access-token',
      },
      credential: { name: 'git:web', value: change.token ?? forge.token },
      extraCa: [forge.ca],
    });

  it('clones, pushes and refuses as any other; its token is in no file', async () => {
    using upstream = await bare();
    await using forge = await startForge(upstream.root);
    await using gate = await open(forge);
    await roundTrip(gate, upstream.directory);
    expect(everything(path.join(gate.root, 'gate'))).not.toContain(forge.token);
    expect(JSON.stringify(gate.record)).not.toContain(forge.token);
  });

  it('says what is wrong: the token, the repository, a redirect, another certificate', async () => {
    using upstream = await bare();
    await using forge = await startForge(upstream.root);
    const cloned = async (change: Parameters<typeof open>[1]): Promise<string> => {
      await using gate = await open(forge, change);
      return (await gate.git(['clone', gate.url(), 'x'])).stderr;
    };
    expect(await cloned({ token: 'another-token-4f9Kq2Lm7' })).toContain('refuses the token (401)');
    expect(await cloned({ path: '/acme/none.git' })).toContain('knows no such repository');
    expect(await cloned({ host: '127.0.0.1' })).toMatch(/certificate|altnames/i);
    forge.intercept = (_request, response) => {
      response.writeHead(302, { location: 'https://evil.example/web.git' }).end();
      return true;
    };
    expect(await cloned({})).toContain('https://evil.example/web.git');
  });

  it("shows the upstream's own words when it refuses a push, and the copy is unchanged", async () => {
    using upstream = await bare();
    fs.writeFileSync(
      path.join(upstream.directory, 'hooks', 'pre-receive'),
      '#!/bin/sh\nprintf "branch is \\033[31mfrozen\\033[0m\\n" >&2\nexit 1\n',
      { mode: 0o755 },
    );
    await using forge = await startForge(upstream.root);
    await using gate = await open(forge);
    const work = await gate.clone();
    await commit(gate, work, { b: 'b' });
    const pushed = await gate.git(['push', 'origin', 'HEAD:feature'], { cwd: work });
    expect(pushed.status).not.toBe(0);
    expect(pushed.stderr).toContain('upstream: branch is');
    expect(pushed.stderr).not.toContain('\u001b[31m');
    expect(pushed.stderr).toContain('pre-receive hook declined');
    const listed = await gate.must(['ls-remote', gate.url()]);
    expect(listed).not.toContain('feature');
  });

  it('S29 asks the upstream what became of a push whose answer was lost', async () => {
    using upstream = await bare();
    await using forge = await startForge(upstream.root);
    await using gate = await open(forge);
    const work = await gate.clone();
    const tip = await commit(gate, work, { b: 'b' });
    forge.intercept = (request, response) => {
      if (request.method !== 'POST' || request.url?.endsWith('git-receive-pack') !== true) return false;
      // It takes the push and then the line goes dead.
      response.write = () => true;
      response.end = () => {
        request.socket.destroy();
        return response;
      };
      return false;
    };
    const pushed = await gate.git(['push', 'origin', 'HEAD:feature'], { cwd: work });
    expect(pushed.status, pushed.stderr).toBe(0);
    expect((await runGit(['rev-parse', 'feature'], upstream.directory)).stdout.trim()).toBe(tip);
  });
});
