import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { expect, it } from 'vitest';
import { FLUSH, textPkt } from '../../src/protocol/git/pkt-line.ts';
import { commit, openGate, type TestGate } from './support/gate.ts';

const mirrorOf = (gate: TestGate): string => path.join(gate.root, 'gate', 'mirrors', 'web.git');

function quarantines(gate: TestGate): readonly string[] {
  return fs.readdirSync(path.join(mirrorOf(gate), 'objects')).filter((name) => name.includes('incoming'));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** What must be true after any pusher has died: nothing lies about, nothing is upstream, and the next push passes. */
async function nothingHappened(gate: TestGate, directory: string): Promise<void> {
  const next = await gate.git(['push', 'origin', 'HEAD~1:refs/heads/next'], { cwd: directory });
  expect(next.status, next.stderr).toBe(0);
  expect(quarantines(gate)).toEqual([]);
  expect(fs.readdirSync(path.join(gate.root, 'gate', 'lists'))).toEqual([]);
  const refs = await gate.must(['for-each-ref', '--format=%(refname)'], { cwd: gate.upstream });
  expect(refs.split('\n')).toEqual(['refs/heads/main', 'refs/heads/next']);
  expect(gate.bugs).toEqual([]);
}

async function prepared(gate: TestGate): Promise<{ readonly directory: string; readonly tip: string }> {
  const directory = await gate.clone();
  await commit(gate, directory, { 'small.txt': 'small\n' });
  const tip = await commit(gate, directory, { 'random.bin': crypto.randomBytes(2_000_000) });
  return { directory, tip };
}

it('a pusher that dies within its list of refs, or its pack, leaves nothing and blocks nobody', async () => {
  await using gate = await openGate();
  const { directory, tip } = await prepared(gate);
  const name = await gate.must(['pack-objects', '-q', '--revs', path.join(gate.root, 'p')], {
    cwd: directory,
    input: 'HEAD\n^origin/main\n',
  });
  const pack = fs.readFileSync(path.join(gate.root, `p-${name}.pack`));
  const capabilities = '\0report-status side-band-64k object-format=sha1';
  const list = Buffer.concat([textPkt(`${'0'.repeat(40)} ${tip} refs/heads/dead${capabilities}`), FLUSH]);
  const whole = Buffer.concat([list, pack]);
  for (const sent of [10, list.length, list.length + 12, list.length + 1_000_000, whole.length - 1]) {
    const request = http.request(`${gate.url()}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request', 'content-length': whole.length },
    });
    const closed = new Promise((resolve) => request.once('close', resolve));
    request.on('error', () => undefined);
    await new Promise((resolve) => request.write(whole.subarray(0, sent), resolve));
    request.destroy();
    await closed;
  }
  await nothingHappened(gate, directory);
});

it('a git that is killed while it pushes leaves nothing and blocks nobody', async () => {
  await using gate = await openGate();
  const { directory } = await prepared(gate);
  const child = spawn('git', ['-c', 'safe.directory=*', 'push', 'origin', 'HEAD:refs/heads/dead'], {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' },
    stdio: 'ignore',
    detached: true,
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await until(() => quarantines(gate).length > 0 || child.exitCode !== null);
  expect(child.exitCode).toBeNull();
  process.kill(-(child.pid ?? 0), 'SIGKILL');
  await ended;
  const listed = await gate.must(['ls-remote', gate.url()]);
  // Killed in quarantine, or a moment after all of it had been sent: then it is a push like any other.
  if (listed.includes('refs/heads/dead')) return;
  await nothingHappened(gate, directory);
});

it('a fetch that is cut off blocks nobody', async () => {
  await using gate = await openGate();
  const cut = http.get(`${gate.url()}/info/refs?service=git-upload-pack`);
  cut.on('error', () => undefined);
  cut.on('response', (response) => response.destroy());
  await new Promise((resolve) => cut.once('close', resolve));
  await gate.clone();
  expect(gate.bugs).toEqual([]);
});

it('G-RECORD what can not be recorded does not happen', async () => {
  let fails = false;
  await using gate = await openGate({
    sink: {
      append: () => (fails ? { ok: false, error: 'disk full' } : { ok: true, value: undefined }),
      flush: () => Promise.resolve(),
    },
  });
  const { directory } = await prepared(gate);
  fails = true;
  const pushed = await gate.git(['push', 'origin', 'HEAD:refs/heads/x'], { cwd: directory });
  expect(pushed.status).not.toBe(0);
  expect(pushed.stderr).toContain('could not be recorded');
  fails = false;
  expect(await gate.must(['ls-remote', gate.url()])).not.toContain('refs/heads/x');
});
