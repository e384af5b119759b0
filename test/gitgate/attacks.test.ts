import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit, openGate, PLANTED, type TestGate } from './support/gate.ts';

/** Everything that the upstream has, as text: names of refs, and every object unpacked. */
async function everythingUpstream(gate: TestGate): Promise<string> {
  const refs = await gate.must(['for-each-ref', '--format=%(objectname) %(refname)'], { cwd: gate.upstream });
  const objects = await gate.must(['cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype)'], {
    cwd: gate.upstream,
  });
  const contents = await gate.must(['cat-file', '--batch-all-objects', '--batch'], { cwd: gate.upstream });
  return `${refs}\n${objects}\n${contents}`;
}

let count = 0;

/** A fresh clone with one harmless commit, so that the secret is never all there is. */
async function work(gate: TestGate): Promise<string> {
  count += 1;
  const directory = await gate.clone(`work-${count}`);
  await commit(gate, directory, { [`file-${count}.txt`]: 'harmless\n' });
  return directory;
}

const PLAIN = Buffer.from(`TOKEN=${PLANTED}\n`);

function zip(name: string, content: Buffer): Buffer {
  const packed = zlib.deflateRawSync(content);
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50);
  head.writeUInt16LE(20, 4);
  head.writeUInt16LE(8, 8);
  head.writeUInt32LE(packed.length, 18);
  head.writeUInt32LE(content.length, 22);
  head.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(content.length, 24);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return Buffer.concat([head, Buffer.from(name), packed, entry, Buffer.from(name), end]);
}

interface Attack {
  readonly why: string;
  /** Prepares the clone; what is pushed is HEAD to a branch, unless it says otherwise. */
  readonly plant: (gate: TestGate, directory: string) => Promise<unknown>;
  readonly says: string | RegExp;
}

const SECRETS: readonly Attack[] = [
  { why: 'in a file', plant: (g, d) => add(g, d, { 'a.env': PLAIN }), says: 'a.env:1' },
  {
    why: 'in a later line',
    plant: (g, d) => add(g, d, { 'a.env': `${'\n'.repeat(41)}T=${PLANTED}` }),
    says: 'a.env:42',
  },
  { why: 'in the name of a file', plant: (g, d) => add(g, d, { [`x/${PLANTED}.txt`]: 'x' }), says: 'path (not shown)' },
  { why: 'in the name of a directory', plant: (g, d) => add(g, d, { [`${PLANTED}/a`]: 'x' }), says: /path|name/ },
  { why: 'in a commit message', plant: (g, d) => add(g, d, { a: 'a' }, `Use ${PLANTED}`), says: 'commit message' },
  {
    why: 'in the author',
    plant: async (g, d) => {
      fs.writeFileSync(path.join(d, 'a'), 'a');
      await g.must(['add', '.'], { cwd: d });
      await g.must(['commit', '-q', '-m', 'x'], { cwd: d, env: { GIT_AUTHOR_NAME: PLANTED } });
    },
    says: 'commit author',
  },
  {
    why: 'in the committer',
    plant: async (g, d) => {
      fs.writeFileSync(path.join(d, 'a'), 'a');
      await g.must(['add', '.'], { cwd: d });
      await g.must(['commit', '-q', '-m', 'x'], { cwd: d, env: { GIT_COMMITTER_EMAIL: `${PLANTED}@x` } });
    },
    says: 'commit committer',
  },
  {
    why: 'in a header of a commit that git does not know',
    plant: async (g, d) => {
      const head = await g.must(['cat-file', 'commit', 'HEAD'], { cwd: d });
      const forged = head.replace('\n\n', `\nnote ${PLANTED}\n\n`);
      const oid = await g.must(['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], {
        cwd: d,
        input: `${forged}\n`,
      });
      return [`${oid}:refs/heads/attack`];
    },
    says: 'commit note',
  },
  {
    why: 'in the message of a tag',
    plant: async (g, d) => {
      await g.must(['tag', '-a', 'v1', '-m', PLANTED], { cwd: d });
      return ['v1'];
    },
    says: 'tag message',
  },
  {
    why: 'in a tag of a file alone',
    plant: async (g, d) => {
      const blob = await g.must(['hash-object', '-w', '--stdin'], { cwd: d, input: PLAIN });
      await g.must(['tag', '-a', 'blob', '-m', 'x', blob], { cwd: d });
      return ['blob'];
    },
    says: 'github',
  },
  {
    why: 'in a note',
    plant: async (g, d) => {
      await g.must(['notes', 'add', '-m', PLANTED], { cwd: d });
      return ['refs/notes/commits'];
    },
    says: 'github',
  },
  {
    why: 'in a middle commit, and removed again',
    plant: async (g, d) => {
      await commit(g, d, { 'gone.env': PLAIN });
      fs.rmSync(path.join(d, 'gone.env'));
      await commit(g, d, {}, 'Remove it');
      await commit(g, d, { b: 'b' });
    },
    says: 'gone.env:1',
  },
  {
    why: 'in the resolution of a merge alone',
    plant: async (g, d) => {
      await g.must(['checkout', '-q', '-b', 'side', 'HEAD~1'], { cwd: d });
      await commit(g, d, { side: 's' });
      await g.must(['merge', '-q', '--no-commit', '--no-ff', 'main'], { cwd: d });
      await commit(g, d, { 'merged.env': PLAIN }, 'Merge');
    },
    says: 'merged.env:1',
  },
  {
    why: 'in what a file is renamed to',
    plant: async (g, d) => {
      await g.must(['mv', 'README.md', `${PLANTED}.md`], { cwd: d });
      await commit(g, d, {}, 'Rename');
    },
    says: /name in|not shown/,
  },
  { why: 'in a compressed file', plant: (g, d) => add(g, d, { 'a.gz': zlib.gzipSync(PLAIN) }), says: 'a.gz!:1' },
  {
    why: 'compressed twice',
    plant: (g, d) => add(g, d, { 'a.gz.gz': zlib.gzipSync(zlib.gzipSync(PLAIN)) }),
    says: 'a.gz.gz!!:1',
  },
  { why: 'in an archive', plant: (g, d) => add(g, d, { 'a.zip': zip('in/a.env', PLAIN) }), says: 'a.zip!/in/a.env:1' },
  {
    why: 'in an archive in a compressed file',
    plant: (g, d) => add(g, d, { x: zlib.gzipSync(zip('e', PLAIN)) }),
    says: 'x!!/e:1',
  },
  {
    why: 'in text of two bytes per character',
    plant: (g, d) => add(g, d, { w: Buffer.from(`\ufeffT=${PLANTED}`, 'utf16le') }),
    says: 'w:1',
  },
  {
    why: 'in the same without a mark',
    plant: (g, d) => add(g, d, { w: Buffer.from(`T=${PLANTED}`, 'utf16le').swap16() }),
    says: 'w:1',
  },
  {
    why: 'as a known value, in base64',
    plant: (g, d) => add(g, d, { k: Buffer.from('xx correct-horse-battery yy').toString('base64') }),
    says: 'known value STRIPE_KEY',
  },
  {
    why: "in a submodule's address",
    plant: (g, d) =>
      add(g, d, { '.gitmodules': `[submodule "a"]\n\tpath = a\n\turl = https://${PLANTED}@x.example/a\n` }),
    says: '.gitmodules:3',
  },
  {
    why: 'in the name of a branch',
    plant: () => Promise.resolve([`HEAD:refs/heads/${PLANTED}`]),
    says: 'ref name',
  },
  {
    why: 'on a second branch of one push',
    plant: async (g, d) => {
      await commit(g, d, { s: PLAIN });
      return ['HEAD~1:refs/heads/good', 'HEAD:refs/heads/bad'];
    },
    says: 's:1',
  },
  {
    why: 'in a long file, far behind',
    plant: (g, d) => add(g, d, { long: Buffer.concat([Buffer.alloc(9 * 1024 ** 2, 'harmless text\n'), PLAIN]) }),
    says: 'long (byte ',
  },
  {
    why: 'in something that says that it is packed and is not',
    plant: (g, d) => add(g, d, { 'b.gz': Buffer.concat([Buffer.from([0x1f, 0x8b, 8]), Buffer.alloc(40, 'x')]) }),
    says: 'unscannable',
  },
  {
    why: 'behind encryption in an archive',
    plant: (g, d) => {
      const archive = zip('e', PLAIN);
      archive.writeUInt16LE(1, archive.lastIndexOf(Buffer.from('PK\u0001\u0002', 'latin1')) + 8);
      return add(g, d, { 'c.zip': archive });
    },
    says: 'encrypted',
  },
];

async function add(
  gate: TestGate,
  directory: string,
  files: Record<string, string | Buffer>,
  message?: string,
): Promise<void> {
  await commit(gate, directory, files, message);
}

describe('G-PUSH S28 no secret reaches the upstream', () => {
  let gate: TestGate;
  beforeAll(async () => {
    gate = await openGate({
      rules: { allowTags: true, push: ['refs/heads/*', 'refs/notes/*'], pathsProtected: [] },
      knownValues: [{ name: 'STRIPE_KEY', value: 'correct-horse-battery' }],
    });
  });
  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
  });

  it.each(SECRETS)('$why', async ({ plant, says }) => {
    const directory = await work(gate);
    const planted = await plant(gate, directory);
    const refs = Array.isArray(planted) ? planted.map(String) : ['HEAD:refs/heads/attack'];
    const pushed = await gate.git(['push', 'origin', ...refs], { cwd: directory });
    expect(pushed.status, pushed.stderr).not.toBe(0);
    expect(pushed.stderr).toMatch(says);
    expect(pushed.stderr).toContain('Nothing was sent to the upstream.');
    const upstream = await everythingUpstream(gate);
    expect(upstream).not.toContain(PLANTED);
    expect(upstream.split('\n')[0]).toMatch(/refs\/heads\/main$/);
    expect(gate.bugs).toEqual([]);
    expect(JSON.stringify(gate.record)).not.toContain(PLANTED);
  });

  it('and a clean push still passes', async () => {
    const directory = await work(gate);
    await gate.must(['push', '-q', 'origin', 'HEAD:refs/heads/clean'], { cwd: directory });
    expect(await everythingUpstream(gate)).toContain('refs/heads/clean');
  });
});

describe('S28 what lay here before is looked at too', () => {
  it('a secret that the upstream has scrubbed does not come back', async () => {
    await using gate = await openGate();
    const seed = path.join(gate.root, 'seed');
    await gate.must(['checkout', '-q', '-b', 'leaky'], { cwd: seed });
    await commit(gate, seed, { 'leak.env': PLAIN });
    await gate.must(['push', '-q', gate.upstream, 'leaky'], { cwd: seed });
    const directory = await gate.clone();
    await gate.must(['checkout', '-q', 'leaky'], { cwd: directory });
    await gate.must(['branch', '-D', 'leaky'], { cwd: gate.upstream });
    await gate.must(['-c', 'gc.pruneExpire=now', 'gc', '-q', '--prune=now'], { cwd: gate.upstream });
    await commit(gate, directory, { b: 'b' });
    const pushed = await gate.git(['push', 'origin', 'HEAD:again'], { cwd: directory });
    expect(pushed.stderr).toContain('leak.env:1');
    expect(await everythingUpstream(gate)).not.toContain(PLANTED);
  });

  it('a refused push leaves nothing that the next one could lean on', async () => {
    await using gate = await openGate();
    const directory = await gate.clone();
    await commit(gate, directory, { 'a.env': PLAIN });
    for (const branch of ['one', 'two']) {
      const pushed = await gate.git(['push', 'origin', `HEAD:${branch}`], { cwd: directory });
      expect(pushed.stderr).toContain('a.env:1');
    }
    const mirror = path.join(gate.root, 'gate', 'mirrors', 'web.git');
    expect(fs.readdirSync(path.join(mirror, 'objects')).filter((name) => name.includes('incoming'))).toEqual([]);
    expect(fs.readdirSync(path.join(gate.root, 'gate', 'lists'))).toEqual([]);
  });

  it('objects of a pack that nothing refers to are not sent on', async () => {
    await using gate = await openGate();
    const directory = await gate.clone();
    const tip = await commit(gate, directory, { b: 'b' });
    const stray = await gate.must(['hash-object', '-w', '--stdin'], { cwd: directory, input: PLAIN });
    const wanted = await gate.must(['rev-list', '--objects', '--no-object-names', 'HEAD', '^origin/main'], {
      cwd: directory,
    });
    fs.writeFileSync(path.join(gate.root, 'list'), `${wanted}\n${stray}\n`);
    await gate.must(['pack-objects', '-q', path.join(gate.root, 'stray')], {
      cwd: directory,
      input: `${wanted}\n${stray}\n`,
    });
    const pack = fs.readdirSync(gate.root).find((name) => name.startsWith('stray-') && name.endsWith('.pack')) ?? '';
    const answer = await pushRaw(
      gate,
      command(`${'0'.repeat(40)} ${tip} refs/heads/x`),
      fs.readFileSync(path.join(gate.root, pack)),
    );
    expect(answer).toContain('ok refs/heads/x');
    expect(await everythingUpstream(gate)).toContain('refs/heads/x');
    expect(await everythingUpstream(gate)).not.toContain(PLANTED);
  });
});

const CAPABILITIES = '\0report-status side-band-64k object-format=sha1 agent=git/attack';

function pkt(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text;
}

function command(line: string, capabilities = CAPABILITIES): Buffer {
  return Buffer.from(`${pkt(line + capabilities)}0000`, 'latin1');
}

async function pushRaw(gate: TestGate, ...body: readonly Buffer[]): Promise<string> {
  await fetch(`${gate.url()}/info/refs?service=git-receive-pack`).then((response) => response.text());
  const response = await fetch(`${gate.url()}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: Buffer.concat(body),
  });
  return response.text();
}

describe('S28 what no honest git sends', () => {
  let gate: TestGate;
  let pack: Buffer;
  let tip: string;
  beforeAll(async () => {
    gate = await openGate();
    const directory = await gate.clone();
    tip = await commit(gate, directory, { b: 'b'.repeat(5000) });
    const name = await gate.must(['pack-objects', '-q', '--revs', path.join(gate.root, 'p')], {
      cwd: directory,
      input: 'HEAD\n^origin/main\n',
    });
    pack = fs.readFileSync(path.join(gate.root, `p-${name}.pack`));
  });
  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
  });
  const zero = '0'.repeat(40);

  it.each([
    [
      'a pack with a flipped bit',
      () => [command(`${zero} ${tip} refs/heads/x`), flipped(pack)],
      /unpack .*(abnormal|error|index-pack)/,
    ],
    [
      'a pack that is cut short',
      () => [command(`${zero} ${tip} refs/heads/x`), pack.subarray(0, pack.length - 30)],
      /unpack .*(abnormal|error|index-pack)/,
    ],
    ['no pack at all', () => [command(`${zero} ${tip} refs/heads/x`)], /unpack|not taken/],
    [
      'a pack that lacks what is named',
      () => [command(`${zero} ${'a'.repeat(40)} refs/heads/x`), pack],
      /ng refs\/heads\/x|missing/,
    ],
    ['a replacement', () => [command(`${zero} ${tip} refs/replace/${tip}`), pack], 'never pushed'],
    ["the gate's own refs", () => [command(`${zero} ${tip} refs/upstream/heads/x`), pack], 'never pushed'],
    ['a name like an option', () => [command(`${zero} ${tip} refs/heads/--force`), pack], 'looks like an option'],
    ['a name that leads up', () => [command(`${zero} ${tip} refs/heads/../../x`), pack], '".."'],
    [
      'push options',
      () => [command(`${zero} ${tip} refs/heads/x`, `${CAPABILITIES} push-options`), Buffer.from('0005x0000'), pack],
      'push-options is not taken',
    ],
    ['a signed push', () => [Buffer.from(`${pkt(`push-cert${CAPABILITIES}\n`)}0000`), pack], 'signed pushes'],
    ['an old value that never was', () => [command(`${'b'.repeat(40)} ${tip} refs/heads/x`), pack], 'fetch first'],
    [
      'a list that never ends',
      () => [Buffer.from(pkt(`${zero} ${tip} refs/heads/x${CAPABILITIES}`))],
      'ends within the list',
    ],
    ['no packets', () => [Buffer.from('hello')], 'its length'],
  ] as const)('%s', async (_why, body, says) => {
    const answer = await pushRaw(gate, ...body());
    expect(answer).toMatch(says);
    expect(answer).not.toContain('ok refs/heads/x');
    const refs = await gate.must(['for-each-ref', '--format=%(refname)'], { cwd: gate.upstream });
    expect(refs).toBe('refs/heads/main');
    expect(gate.bugs).toEqual([]);
  });

  it('duplicate objects in a pack are one object', async () => {
    const doubled = await pushRaw(gate, command(`${zero} ${tip} refs/heads/dup`), pack);
    expect(doubled).toContain('ok refs/heads/dup');
    const again = await pushRaw(gate, command(`${zero} ${tip} refs/heads/dup2`), pack);
    expect(again).toContain('ok refs/heads/dup2');
  });
});

function flipped(pack: Buffer): Buffer {
  const copy = Buffer.from(pack);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] ?? 0) ^ 0xff;
  return copy;
}

describe('what a tree can hold that is no secret', () => {
  const rows: readonly (readonly [string, (gate: TestGate, directory: string) => Promise<void>, string])[] = [
    ['a link out of the tree', (g, d) => link(g, d, '../../etc/passwd', 'x/l'), 'x/l'],
    ['a link to an absolute path', (g, d) => link(g, d, '/etc/passwd', 'l'), 'link that leads out of the tree'],
    ["a link into git's own directory", (g, d) => link(g, d, '.git/hooks', 'l'), 'link that leads out of the tree'],
    ['two names that are one', (g, d) => add(g, d, { 'a/File': '1', 'a/fILE': '2' }), 'where case does not count'],
    [
      'a name that collides with one that is there',
      (g, d) => add(g, d, { 'readme.MD': 'x' }),
      'where case does not count',
    ],
    ['what CI runs', (g, d) => add(g, d, { '.github/workflows/ci.yml': 'on: push\n' }), 'CI runs it'],
    ['what an editor runs', (g, d) => add(g, d, { 'pkg/.vscode/tasks.json': '{}' }), 'protected'],
    ["git's own directory", (g, d) => gitEntry(g, d, '.git'), 'hasDotgit'],
    ['the same in another spelling', (g, d) => gitEntry(g, d, '.GIT'), 'hasDotgit'],
  ];
  it.each(rows)('%s', async (_why, plant, says) => {
    await using gate = await openGate();
    const directory = await gate.clone();
    await plant(gate, directory);
    const pushed = await gate.git(['push', 'origin', 'HEAD:refs/heads/x'], { cwd: directory });
    expect(pushed.status, pushed.stderr).not.toBe(0);
    expect(pushed.stderr).toContain(says);
    expect(await gate.must(['for-each-ref', '--format=%(refname)'], { cwd: gate.upstream })).toBe('refs/heads/main');
  });

  it('links within the tree, and what is not protected any more, pass', async () => {
    await using gate = await openGate({ rules: { pathsProtected: [] } });
    const directory = await gate.clone();
    await link(gate, directory, '../README.md', 'docs/r.md');
    await add(gate, directory, { '.github/workflows/ci.yml': 'on: push\n' });
    await gate.must(['push', '-q', 'origin', 'HEAD:refs/heads/x'], { cwd: directory });
  });
});

async function link(gate: TestGate, directory: string, target: string, name: string): Promise<void> {
  fs.mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
  fs.symlinkSync(target, path.join(directory, name));
  await commit(gate, directory, {});
}

async function gitEntry(gate: TestGate, directory: string, name: string): Promise<void> {
  const blob = await gate.must(['hash-object', '-w', '--stdin'], { cwd: directory, input: 'x' });
  const inner = await gate.must(['mktree'], { cwd: directory, input: `100644 blob ${blob}\tconfig\n` });
  const tree = await gate.must(['mktree'], { cwd: directory, input: `040000 tree ${inner}\t${name}\n` });
  const oid = await gate.must(['commit-tree', tree, '-p', 'HEAD', '-m', 'x'], { cwd: directory });
  await gate.must(['update-ref', 'HEAD', oid], { cwd: directory });
}
