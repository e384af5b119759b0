import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { bubblewrapBackend } from '../../src/backends/bubblewrap/backend.ts';
import { shellElf } from './support/shell-elf.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World, type CliResult, type RunOptions } from './support/world.ts';

/** Attacks from inside on each limit; what this machine can't hold must be refused by name instead. */
const support = await bubblewrapBackend({ runtimeDirectory: () => '/nonexistent' }).limits();

const IS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;

function limited(resources: string): World {
  const world = new World();
  world.bottle('limited', `resources: ${resources}`);
  return world;
}

/** An ordinary user without a delegated group: nothing but the watchdog holds. */
class Ordinary {
  readonly world: World;
  readonly options: RunOptions;

  constructor(resources: string) {
    this.world = limited(resources);
    fs.chmodSync(this.world.root, 0o755);
    if (IS_ROOT) execFileSync('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, this.world.root]);
    this.options = IS_ROOT ? { uid: NOBODY } : {};
  }

  run(args: readonly string[]): Promise<CliResult> {
    return this.world.run(args, this.options);
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

const RUN = ['run', '--bottle', 'limited', '--workspace', 'none', '--'];

describe('G-SELF resources of a bottle', () => {
  it('who takes more memory than the limit is killed, and the launcher is not', async () => {
    using world = limited('{memory: 192MiB}');
    const hog = 'import time\nkept = []\nwhile True:\n  kept.append(bytearray(8 << 20))\n  time.sleep(0.005)';
    const result = await world.run([...RUN, 'python3', '-c', hog]);
    expect(result).toMatchObject({ code: 137, signal: null, stderr: 'bot-bottle: memory limit 192 MiB reached\n' });
    expect(leftovers(world)).toEqual([]);
  });

  it('who makes more processes than the limit gets no more', async () => {
    using world = limited('{pids: 60}');
    const script = 'i=0; while [ $i -lt 90 ]; do sleep 30 & i=$((i+1)); done; echo all';
    const result = await world.run([...RUN, 'sh', '-c', script]);
    expect(result.stdout).not.toContain('all');
    expect(result.code).not.toBe(0);
    // A limit of the user's, unlike a group, does not count what it refused.
    if (support.pids !== 'rlimit') expect(result.stderr).toContain('bot-bottle: process limit 60 reached\n');
    expect(leftovers(world)).toEqual([]);
  });

  it('a share of the processors stands in the kernel’s own files, or is not there at all', async () => {
    using world = limited('{cpus: 0.5}');
    const child = world.spawn([...RUN, 'sh', '-c', 'echo ready; read -r _']);
    const ended = collect(child);
    if (support.cpus === 'none') {
      child.stdin?.end('\n');
      expect(await ended).toMatchObject({ code: 0, stdout: 'ready\n', stderr: '' });
      return;
    }
    await firstLine(child);
    const [slug = ''] = world.slugs();
    const journal = fs.readFileSync(path.join(world.home, 'state', slug, 'journal.jsonl'), 'utf8');
    const group = /"cgroup":"(?<directory>[^"]+)"/.exec(journal)?.groups?.['directory'] ?? '';
    const quota = (file: string): string => fs.readFileSync(path.join(group, file), 'utf8').trim();
    expect(support.cpus === 'cgroup1' ? quota('cpu.cfs_quota_us') : quota('cpu.max').split(' ')[0]).toBe('50000');
    expect(quota('cgroup.procs')).not.toBe('');
    child.stdin?.end('\n');
    expect(await ended).toMatchObject({ code: 0 });
  });

  const blob = (name: string): string => `head -c 8388608 /dev/urandom > ${name}`;
  it.each([
    { why: 'many files in its workspace', script: `i=0; while :; do ${blob('f$i')}; i=$((i+1)); done` },
    { why: 'files in its home', script: `i=0; while :; do ${blob('~/.f$i')}; i=$((i+1)); done` },
    {
      why: 'directories that are locked away',
      script: `i=0; while :; do mkdir d$i; ${blob('d$i/f')}; chmod 000 d$i; i=$((i+1)); done`,
    },
  ])('who takes more of the disk than the limit by $why is ended, and its work is kept', async ({ script }) => {
    using ordinary = new Ordinary('{disk: 64MiB}');
    const { world } = ordinary;
    const result = await ordinary.run([...RUN, 'sh', '-c', `echo work > first; ${script}`]);
    expect(result).toMatchObject({ code: 137, signal: null });
    expect(result.stderr).toContain('bot-bottle: disk limit 64 MiB reached\n');
    const [slug = ''] = world.slugs();
    expect(fs.readFileSync(path.join(world.home, 'state', slug, 'workspace/first'), 'utf8')).toBe('work\n');
    expect(leftovers(world)).toEqual([]);
  });

  it('one file under many names is counted once', async () => {
    using world = limited('{disk: 64MiB}');
    const links = 'head -c 25165824 /dev/zero > f; for i in 1 2 3 4 5 6; do ln f f$i; done; sleep 1.5';
    expect(await world.run([...RUN, 'sh', '-c', links])).toMatchObject({ code: 0, stderr: '' });
  });

  it('a copy that is over the limit already is refused before the bottle is made', async () => {
    using world = limited('{disk: 16MiB}');
    fs.writeFileSync(path.join(world.project, 'large'), Buffer.alloc(20 << 20, 1));
    const result = await world.run(['run', '--bottle', 'limited', '--', 'true']);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/workspace and home take \d+ MiB before the agent starts/);
    expect(world.slugs()).toEqual([]);
  });
});

/** Each takes 24 MiB a step until somebody ends it; none more than 1.5 GiB, should nobody. */
const HOGS = [
  { by: 'memory of its own', setup: 'kept = []', step: 'kept.append(bytearray(b"x" * size))' },
  {
    by: 'memory of a process that hides itself',
    setup: 'import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nkept = []',
    step: 'kept.append(bytearray(b"x" * size))',
  },
  {
    by: 'files without a name, nowhere mapped',
    setup: 'import os\nfd = os.memfd_create("x")',
    step: 'os.write(fd, b"x" * size)',
  },
  {
    by: 'shared pages without a file',
    setup: 'import mmap\nkept = []',
    step: 'kept.append(mmap.mmap(-1, size)); kept[-1].write(b"x" * size)',
  },
];

describe('a limit that this machine does not hold', () => {
  it.each([
    {
      key: 'memory',
      value: '256MiB',
      says: 'memory is watched, not held: no control group with the memory controller',
    },
    { key: 'cpus', value: '1.5', says: 'cpus is not held: no control group with the cpu controller' },
    { key: 'disk', value: '1GiB', says: 'disk is watched, not held: there is no quota here' },
  ])('$key is refused under strict, with its line, before anything is made', async ({ key, value, says }) => {
    using ordinary = new Ordinary(`{${key}: ${value}, strict: true}`);
    const result = await ordinary.run([...RUN, 'true']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr.split('\n')[0]).toMatch(new RegExp(`^bottles/limited\\.md:2:\\d+  resources\\.${key}$`));
    expect(result.stderr).toContain(says);
    expect(ordinary.world.slugs()).toEqual([]);
  });

  it('is said in preflight, by name and with its line', async () => {
    using ordinary = new Ordinary('{memory: 256MiB, cpus: 1.5, pids: 64}\nagent_provider: {settings: {cli: host}}');
    const { world } = ordinary;
    withAgent(world, 'true');
    const shown = await world.run(['start', 'rev', '--dry-run'], { ...ordinary.options, env: pathOf(world) });
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain('!  memory (bottles/limited.md:2) is watched, not held');
    expect(shown.stdout).toContain('!! cpus (bottles/limited.md:2) is not held');
    const json = await world.run(['start', 'rev', '--dry-run', '--json'], { ...ordinary.options, env: pathOf(world) });
    expect(JSON.parse(json.stdout)).toMatchObject({
      unenforced: [
        { resource: 'memory', level: 'watched' },
        { resource: 'cpus', level: 'absent' },
      ],
    });
  });
});

/** An agent that is a shell script of the test's. */
function withAgent(world: World, script: string): void {
  fs.writeFileSync(path.join(world.root, 'claude'), shellElf(), { mode: 0o755 });
  fs.writeFileSync(path.join(world.project, 'agent.sh'), `${script}\n`);
  world.agent('rev', 'bottle: limited');
}
const pathOf = (world: World): Record<string, string> => ({ PATH: `${world.root}:/usr/bin:/bin` });

describe('the end of a headless start', () => {
  it('names the limit that was reached', async () => {
    using world = limited('{memory: 192MiB}\nagent_provider: {settings: {cli: host}}');
    withAgent(world, `python3 -c 'kept = []\nwhile True: kept.append(bytearray(8 << 20))'; exit 5`);
    const start = ['start', 'rev', '--cwd', '--headless', '--prompt', 'Work.'];
    const ended = await world.run([...start, '--json'], { env: pathOf(world) });
    expect(JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
      exitCode: 5,
      limitsReached: [{ resource: 'memory', limit: 192 * 1024 * 1024, text: 'memory limit 192 MiB reached' }],
    });
    const told = await world.run(start, { env: pathOf(world) });
    expect(told.stderr).toContain('\n  memory limit 192 MiB reached\n');
  });
});

describe('G-SELF memory without a control group', () => {
  it.each(HOGS)('$by over the limit ends with 137, and the end says why', async ({ setup, step }) => {
    using ordinary = new Ordinary('{memory: 256MiB}');
    const hog = `import time\nsize = 24 << 20\n${setup}\nfor _ in range(64):\n  ${step}\n  time.sleep(0.03)`;
    const result = await ordinary.run([...RUN, 'python3', '-c', hog]);
    expect(result).toMatchObject({ code: 137, signal: null, stderr: 'bot-bottle: memory limit 256 MiB reached\n' });
    expect(leftovers(ordinary.world)).toEqual([]);
  });

  it('the process that takes most is ended, and the agent that started it goes on', async () => {
    using ordinary = new Ordinary('{memory: 256MiB}');
    const hog = 'import time\nkept = []\nwhile True:\n  kept.append(bytearray(b"x" * (24 << 20)))\n  time.sleep(0.03)';
    const result = await ordinary.run([...RUN, 'sh', '-c', `python3 -c '${hog}'; echo "it ended with $?"`]);
    expect(result).toMatchObject({ code: 0, stdout: 'it ended with 137\n' });
    expect(result.stderr).toContain('memory limit 256 MiB reached');
  });

  it('what is mapped is not counted twice', async () => {
    using ordinary = new Ordinary('{memory: 256MiB}');
    const honest = [
      'import mmap, os, time',
      'fd = os.memfd_create("x"); os.ftruncate(fd, 150 << 20)',
      'one = mmap.mmap(fd, 150 << 20)',
      'for _ in range(150): one.write(b"x" * (1 << 20))',
      'time.sleep(1.5); print("done")',
    ].join('\n');
    expect(await ordinary.run([...RUN, 'python3', '-c', honest])).toMatchObject({
      code: 0,
      stdout: 'done\n',
      stderr: '',
    });
  });
});
