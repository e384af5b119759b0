import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { commit, openGate, type TestGate } from './support/gate.ts';

/** Each kind of repository, with the system's git: clone, fetch, pull and push give what they give without a gate. */
async function roundTrip(gate: TestGate, args: readonly string[] = []): Promise<string> {
  count += 1;
  const branch = `refs/heads/round-${count}`;
  const directory = await gate.clone(`round-${count}`, args);
  const tip = await commit(gate, directory, { [`round-${count}.txt`]: `${count}\n` });
  const pushed = await gate.git(['push', 'origin', `HEAD:${branch}`], { cwd: directory });
  expect(pushed.status, pushed.stderr).toBe(0);
  expect(await gate.must(['rev-parse', branch], { cwd: gate.upstream })).toBe(tip);
  const fetched = await gate.must(['ls-remote', 'origin', branch], { cwd: directory });
  expect(fetched).toContain(tip);
  await gate.must(['pull', '-q', '--rebase', 'origin', 'main'], { cwd: directory });
  expect(gate.bugs).toEqual([]);
  return directory;
}
let count = 0;

/** Many commits, or many branches, made at once. */
async function importInto(gate: TestGate, stream: string): Promise<void> {
  await gate.must(['fast-import', '--quiet', '--force'], { cwd: gate.upstream, input: stream });
}

function commitStream(ref: string, number: number, content: string, from: string): string {
  const message = `Commit ${number}`;
  return (
    `commit ${ref}\nmark :${number}\ncommitter A <a@example.com> ${1_700_000_000 + number} +0000\n` +
    `data ${message.length}\n${message}\n${from}M 100644 inline n\ndata ${content.length}\n${content}\n`
  );
}

describe('the kinds of repositories', () => {
  it.each(['0', '2'])('an ordinary one, protocol version %s', async (version) => {
    await using gate = await openGate();
    const directory = await roundTrip(gate, ['-c', `protocol.version=${version}`]);
    await gate.must(['-c', `protocol.version=${version}`, 'fetch', '-q'], { cwd: directory });
  });

  it('an empty one: its first push makes its first branch', async () => {
    await using gate = await openGate({ empty: true, rules: { pushDefault: 'ask' } });
    const directory = await gate.clone();
    await commit(gate, directory, { a: 'a' });
    await gate.must(['push', '-q', 'origin', 'HEAD:refs/heads/main'], { cwd: directory });
    await roundTrip(gate);
  });

  it('one of SHA-256', async () => {
    await using gate = await openGate({ format: 'sha256' });
    const directory = await roundTrip(gate);
    expect(await gate.must(['rev-parse', 'HEAD'], { cwd: directory })).toHaveLength(64);
  });

  it('a deep one of 20,000 commits, whole, shallow and without files', { timeout: 180_000 }, async () => {
    await using gate = await openGate();
    const stream = Array.from({ length: 20_000 }, (_, index) =>
      commitStream('refs/heads/main', index + 1, `${index}`, index === 0 ? 'from refs/heads/main^0\n' : ''),
    );
    await importInto(gate, stream.join(''));
    const directory = await gate.clone('deep');
    expect(await gate.must(['rev-list', '--count', 'HEAD'], { cwd: directory })).toBe('20001');
    const shallow = await roundTrip(gate, ['--depth', '1']);
    expect(await gate.must(['rev-parse', '--is-shallow-repository'], { cwd: shallow })).toBe('true');
    await gate.must(['fetch', '-q', '--deepen', '5'], { cwd: shallow });
    await roundTrip(gate, ['--filter=blob:none']);
    await roundTrip(gate, ['--filter=tree:0']);
  });

  it('one of 5,000 branches, and a push of 200 at once', { timeout: 180_000 }, async () => {
    await using gate = await openGate();
    const tip = await gate.must(['rev-parse', 'main'], { cwd: gate.upstream });
    const resets = Array.from({ length: 5_000 }, (_, index) => `reset refs/heads/b/${index}\nfrom ${tip}\n`);
    await importInto(gate, resets.join('\n'));
    const directory = await roundTrip(gate);
    const listed = await gate.must(['ls-remote', '--heads', gate.url()]);
    expect(listed.split('\n')).toHaveLength(5_002);
    const specs = Array.from({ length: 200 }, (_, index) => `HEAD:refs/heads/new/${index}`);
    await gate.must(['push', '-q', 'origin', ...specs], { cwd: directory });
    const there = await gate.must(['for-each-ref', '--format=%(refname)', 'refs/heads/new'], { cwd: gate.upstream });
    expect(there.split('\n')).toHaveLength(200);
  });

  it('a large one: 200 MB come and go, and memory stays bounded', { timeout: 240_000 }, async () => {
    await using gate = await openGate();
    const directory = await gate.clone();
    const file = path.join(directory, 'large.bin');
    for (let megabyte = 0; megabyte < 200; megabyte += 1) fs.appendFileSync(file, crypto.randomBytes(1024 ** 2));
    await commit(gate, directory, {});
    const before = process.memoryUsage().rss;
    let highest = before;
    const timer = setInterval(() => (highest = Math.max(highest, process.memoryUsage().rss)), 50);
    const pushed = await gate.git(['push', 'origin', 'HEAD:large'], { cwd: directory });
    clearInterval(timer);
    expect(pushed.status, pushed.stderr).toBe(0);
    expect(highest - before).toBeLessThan(150 * 1024 ** 2);
    const clone = await gate.clone('again', ['--branch', 'large']);
    expect(fs.statSync(path.join(clone, 'large.bin')).size).toBe(200 * 1024 ** 2);
  });

  it('one with a submodule of a declared repository', async () => {
    await using gate = await openGate({ rules: { pathsProtected: [] } });
    const directory = await gate.clone();
    await gate.must(['submodule', 'add', '-q', gate.url(), 'inner'], { cwd: directory });
    await commit(gate, directory, {}, 'Add inner');
    await gate.must(['push', '-q', 'origin', 'HEAD:with-inner'], { cwd: directory });
    const clone = await gate.clone('again', ['--branch', 'with-inner', '--recurse-submodules']);
    expect(fs.readFileSync(path.join(clone, 'inner', 'README.md'), 'utf8')).toBe('# web\n');
  });

  it("one whose operator's checkout stands on no branch", async () => {
    await using gate = await openGate();
    const tip = await gate.must(['rev-parse', 'main'], { cwd: gate.upstream });
    await gate.must(['update-ref', '--no-deref', 'HEAD', tip], { cwd: gate.upstream });
    const directory = await gate.clone();
    expect(await gate.must(['symbolic-ref', 'HEAD'], { cwd: directory })).toBe('refs/heads/main');
  });
});

describe('the ways in which git sends', () => {
  it('chunked bodies: a push that is longer than one buffer', async () => {
    await using gate = await openGate();
    const directory = await gate.clone();
    await commit(gate, directory, { 'random.bin': crypto.randomBytes(300_000) });
    await gate.must(['-c', 'http.postBuffer=65536', 'push', '-q', 'origin', 'HEAD:x'], { cwd: directory });
    expect(await gate.must(['ls-remote', gate.url()])).toContain('refs/heads/x');
  });

  it('a body that waits to be asked for, and one that is zipped', async () => {
    await using gate = await openGate();
    await gate.must(['ls-remote', gate.url()]);
    const zipped = (await import('node:zlib')).gzipSync('0014command=ls-refs\n0000');
    const ask = (headers: http.OutgoingHttpHeaders, body: Buffer | string): Promise<string> =>
      new Promise((resolve, reject) => {
        const asked = http.request(`${gate.url()}/git-upload-pack`, { method: 'POST', headers }, (answer) => {
          let text = '';
          answer.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
          answer.on('end', () => {
            resolve(`${answer.statusCode ?? 0} ${text}`);
          });
        });
        asked.on('error', reject);
        asked.on('continue', () => asked.end(body));
        if (headers['expect'] === undefined) asked.end(body);
      });
    const common = { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': 'version=2' };
    expect(await ask({ ...common, expect: '100-continue' }, '0014command=ls-refs\n0000')).toContain('refs/heads/main');
    expect(await ask({ ...common, 'content-encoding': 'gzip' }, zipped)).toContain('refs/heads/main');
    expect(await ask({ ...common, 'content-encoding': 'br' }, 'x')).toContain('415');
    expect(await ask({ 'content-type': 'text/plain' }, 'x')).toContain('415');
  });

  it('many at once', async () => {
    await using gate = await openGate();
    const clones = Array.from({ length: 8 }, (_, index) => gate.clone(`c${index}`));
    const directories = await Promise.all(clones);
    for (const [index, directory] of directories.entries()) await commit(gate, directory, { [`f${index}`]: 'x' });
    await Promise.all(
      directories.map((cwd, index) => gate.must(['push', '-q', 'origin', `HEAD:refs/heads/p${index}`], { cwd })),
    );
    expect((await gate.must(['ls-remote', '--heads', gate.url()])).split('\n')).toHaveLength(9);
  });
});

describe('what a push may do', () => {
  it('loses nothing, deletes nothing and tags nothing unless that is allowed', async () => {
    await using gate = await openGate({ rules: { push: ['refs/heads/*'] } });
    const cwd = await gate.clone();
    await commit(gate, cwd, { a: '1' });
    await gate.must(['push', '-q', 'origin', 'HEAD:x'], { cwd });
    await gate.must(['commit', '-q', '--amend', '-m', 'Other'], { cwd });
    const forced = await gate.git(['push', '--force', 'origin', 'HEAD:x'], { cwd });
    expect(forced.stderr).toContain('allow: [force]');
    const deleted = await gate.git(['push', 'origin', ':x'], { cwd });
    expect(deleted.stderr).toContain('allow: [delete]');
    await gate.must(['tag', 'v1'], { cwd });
    expect((await gate.git(['push', 'origin', 'v1'], { cwd })).stderr).toContain('allow: [tags]');
    expect((await gate.must(['ls-remote', gate.url()])).split('\n')).toHaveLength(3);
  });

  it('does all of that where it is allowed', async () => {
    const rules = { allowForce: true, allowDelete: true, allowTags: true };
    await using gate = await openGate({ rules });
    const cwd = await gate.clone();
    await commit(gate, cwd, { a: '1' });
    await gate.must(['push', '-q', 'origin', 'HEAD:x'], { cwd });
    await gate.must(['commit', '-q', '--amend', '-m', 'Other'], { cwd });
    await gate.must(['push', '-q', '--force', 'origin', 'HEAD:x'], { cwd });
    await gate.must(['tag', '-a', 'v1', '-m', 'One'], { cwd });
    await gate.must(['push', '-q', 'origin', 'v1', ':x'], { cwd });
    const listed = await gate.must(['for-each-ref', '--format=%(refname)'], { cwd: gate.upstream });
    expect(listed.split('\n')).toEqual(['refs/heads/main', 'refs/tags/v1']);
  });

  it('several refs are one act: one that is refused refuses all', async () => {
    await using gate = await openGate({ rules: { push: ['ok/*'] } });
    const cwd = await gate.clone();
    await commit(gate, cwd, { a: '1' });
    const pushed = await gate.git(['push', 'origin', 'HEAD:ok/a', 'HEAD:other'], { cwd });
    expect(pushed.stderr).toContain('only ok/* may be pushed');
    expect(pushed.stderr).toContain('another ref of this push was refused');
    expect((await gate.must(['ls-remote', gate.url()])).split('\n')).toHaveLength(2);
  });

  it('the default branch needs the operator, who can not be asked yet', async () => {
    await using gate = await openGate({ rules: { pushDefault: 'ask' } });
    const cwd = await gate.clone();
    await commit(gate, cwd, { a: '1' });
    const pushed = await gate.git(['push', 'origin', 'HEAD:main'], { cwd });
    expect(pushed.stderr).toContain("can't be asked about a push yet");
    await gate.must(['push', '-q', 'origin', 'HEAD:other'], { cwd });
  });

  it("the operator's own branches stay as they are: what is pushed lands below the bottle's name", async () => {
    await using gate = await openGate({ rules: { landBelow: 'refs/heads/web-12345/', allowDelete: true } });
    const cwd = await gate.clone();
    const own = await commit(gate, cwd, { a: '1' });
    await gate.must(['push', '-q', 'origin', 'HEAD:main'], { cwd });
    const refs = await gate.must(['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: gate.upstream });
    expect(refs.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'refs/heads/main',
      'refs/heads/web-12345/main',
    ]);
    expect(refs).toContain(`refs/heads/web-12345/main ${own}`);
    expect(await gate.must(['ls-remote', gate.url(), 'refs/heads/main'])).toContain(own);
    const next = await commit(gate, cwd, { a: '2' });
    await gate.must(['push', '-q', 'origin', 'HEAD:main'], { cwd });
    expect(await gate.must(['rev-parse', 'web-12345/main'], { cwd: gate.upstream })).toBe(next);
    await gate.must(['push', '-q', 'origin', ':main'], { cwd });
    expect((await gate.git(['push', 'origin', ':main'], { cwd })).stderr).toContain("upstream's own");
  });

  it('a pack over max_pack is refused, and says so', async () => {
    await using gate = await openGate({ maxPackBytes: 100_000 });
    const cwd = await gate.clone();
    await commit(gate, cwd, { r: crypto.randomBytes(300_000) });
    const pushed = await gate.git(['push', 'origin', 'HEAD:x'], { cwd });
    expect(pushed.status).not.toBe(0);
    expect(pushed.stderr).toContain('exceeds maximum allowed size');
  });
});

describe('a fetch is never stale', () => {
  it('fails with the reason when the upstream is gone, whatever lies here', async () => {
    await using gate = await openGate();
    const cwd = await gate.clone();
    fs.renameSync(gate.upstream, `${gate.upstream}.away`);
    const fetched = await gate.git(['fetch'], { cwd });
    expect(fetched.status).not.toBe(0);
    expect(fetched.stderr).toContain('upstream_failed');
    fs.renameSync(`${gate.upstream}.away`, gate.upstream);
    await gate.must(['fetch', '-q'], { cwd });
  });

  it('follows what the upstream removes, renames and makes its default', async () => {
    await using gate = await openGate();
    await gate.clone('first');
    await gate.must(['branch', '-m', 'main', 'trunk'], { cwd: gate.upstream });
    await gate.must(['branch', 'main/sub', 'trunk'], { cwd: gate.upstream });
    const second = await gate.clone('second');
    expect(await gate.must(['symbolic-ref', 'HEAD'], { cwd: second })).toBe('refs/heads/trunk');
    expect(await gate.must(['ls-remote', '--heads', gate.url()])).not.toMatch(/refs\/heads\/main$/m);
  });
});
