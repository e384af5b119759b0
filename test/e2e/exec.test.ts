import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ControlClient } from '../../src/platform/control-client.ts';
import { z } from 'zod';
import { leftovers } from './support/leftovers.ts';
import { Terminal, TMUX } from './support/terminal.ts';
import { collect, firstLine, World, type CliResult, type RunOptions } from './support/world.ts';

const IS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;
const USERS = [{ uid: null }, ...(IS_ROOT ? [{ uid: NOBODY }] : [])];

/** A bottle whose agent says one line, and then works until it is told to end. */
class Running {
  readonly world = new World();
  readonly options: RunOptions;
  readonly said: Promise<string>;
  readonly ended: Promise<CliResult>;
  readonly #child: ReturnType<World['spawn']>;

  constructor(script: string, { uid = null, manifest = 'supervise: false', env = {} }: Setting = {}) {
    this.world.bottle('one', manifest);
    fs.chmodSync(this.world.root, 0o755);
    if (uid !== null) execFileSync('chown', ['-R', `${String(uid)}:${String(uid)}`, this.world.root]);
    this.options = { ...(uid === null ? {} : { uid }), env };
    const run = ['run', '--bottle', 'one', '--workspace', 'none', '--', 'sh', '-c', script];
    this.#child = this.world.spawn(run, this.options);
    this.said = firstLine(this.#child);
    this.ended = collect(this.#child);
  }

  async slug(): Promise<string> {
    await this.said;
    return this.world.slugs()[0] ?? '';
  }

  async exec(...command: readonly string[]): Promise<CliResult> {
    return await this.world.run(['exec', await this.slug(), '--', ...command], this.options);
  }

  /** The rest of the agent's script runs. */
  async goOn(): Promise<CliResult> {
    this.#child.stdin?.end('\n');
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
    this.world[Symbol.dispose]();
  }
}

interface Setting {
  readonly uid?: number | null;
  readonly manifest?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const IDLE = 'echo ready; read -r _';

/** What a process sees of its walls, and what it gets when it tries them. */
const WALLS = `
grep -E '^(Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap...):' /proc/self/status
cut -d' ' -f5,6 /proc/self/mountinfo | sort
for kind in net pid ipc uts cgroup; do readlink /proc/self/ns/$kind; done
for file in /x /usr/x /etc/x /opt/bot-bottle/x /proc/sys/kernel/core_pattern; do (: > $file) 2>&1; done
unshare -U true 2>&1; unshare -n true 2>&1; mount -t tmpfs none /tmp 2>&1
cat /proc/net/route /proc/net/unix; ls /run /root /sys 2>&1
ls -l /proc/self/fd | grep -c socket
for to in 192.0.2.1 198.51.100.1; do bash -c ": > /dev/tcp/$to/80" 2>&1; done; ulimit -a`
  .trim()
  .replaceAll('\n', '; ');

describe('exec', () => {
  it.each(USERS)('S4 G-CONFINED the walls are the agent’s own, one by one, for uid $uid', async ({ uid }) => {
    await using bottle = new Running(`${IDLE}; exec 2>&1; ${WALLS}`, { uid });
    const entered = await bottle.exec('sh', '-c', `exec 2>&1; ${WALLS}`);
    expect(entered).toMatchObject({ code: 0, stderr: '' });
    expect(entered.stdout).toContain('Seccomp:\t2');
    expect(entered.stdout).toContain('CapBnd:\t0000000000000000');
    const agent = await bottle.goOn();
    expect(agent.stdout).toBe(`ready\n${entered.stdout}`);
  });

  it.each(USERS)('streams and exit codes are the command’s own, for uid $uid', async ({ uid }) => {
    await using bottle = new Running(`echo shared > /tmp/file; ${IDLE}`, { uid });
    await bottle.said;
    const before = leftovers(bottle.world);
    expect(await bottle.exec('cat', '/tmp/file')).toEqual({ code: 0, signal: null, stdout: 'shared\n', stderr: '' });
    const both = await bottle.exec('sh', '-c', 'echo out; echo err >&2; pwd; exit 7');
    expect(both).toMatchObject({ code: 7, stdout: 'out\n/home/agent/workspace\n', stderr: 'err\n' });
    expect(await bottle.exec('sh', '-c', 'kill -9 $$')).toMatchObject({ code: 137 });
    expect(await bottle.exec('no-such-program')).toMatchObject({ code: 127 });
    const slug = await bottle.slug();
    const input = 'x'.repeat(1 << 20);
    const piped = await bottle.world.run(['exec', slug.slice(0, -1), 'wc', '-c'], { ...bottle.options, input });
    expect(piped).toMatchObject({ code: 0, stdout: `${String(1 << 20)}\n` });
    expect(leftovers(bottle.world)).toEqual(before);
  });

  it('G-SECRET a forwarded value is in its environment, and in no argument list and no file', async () => {
    const value = 'planted-7c1f0d52e9a84b36';
    const manifest = 'env:\n  KEY: ${HOST_KEY}';
    await using bottle = new Running(IDLE, { manifest, env: { HOST_KEY: value } });
    const slug = await bottle.slug();
    const child = bottle.world.spawn(['exec', slug, '--', 'sh', '-c', 'echo $KEY; read -r _'], bottle.options);
    const ended = collect(child);
    expect(await firstLine(child)).toBe(value);
    const lines = fs
      .readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => contentOf(`/proc/${pid}/cmdline`));
    expect(lines.filter((line) => line.includes(value))).toEqual([]);
    const files = [bottle.world.home, runtimeOf(bottle.world, slug)].flatMap((place) =>
      fs
        .readdirSync(place, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name)),
    );
    expect(files.length).toBeGreaterThan(3);
    expect(files.filter((file) => contentOf(file).includes(value))).toEqual([]);
    child.stdin?.end('\n');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('G-CONFINED the agent gets hold of no process on its way in, however quick it is', async () => {
    // Opening another's memory for writing is all it would need to run code there without the filter.
    const hunter = `
import os, sys
print('ready', flush=True)
os.set_blocking(0, False)
seen, caught = set(), set()
while True:
    for name in os.listdir('/proc'):
        if not name.isdigit() or int(name) in (1, os.getpid(), os.getppid()): continue
        seen.add(name)
        for what in ('mem', 'environ', 'root', 'fd/0', 'fd/5', 'fd/6'):
            try:
                if what == 'mem': os.close(os.open(f'/proc/{name}/mem', os.O_RDWR))
                elif what == 'environ': os.close(os.open(f'/proc/{name}/environ', os.O_RDONLY))
                elif what == 'root': os.listdir(f'/proc/{name}/root')
                else: os.readlink(f'/proc/{name}/{what}')
                caught.add(f'{name} {what}')
            except OSError: pass
    try:
        if os.read(0, 1): break
    except BlockingIOError: pass
print(len(seen), sorted(caught))`;
    await using bottle = new Running(`exec python3 -c "$HUNTER"`, {
      manifest: 'env:\n  HUNTER: ${HUNTER}',
      env: { HUNTER: hunter },
    });
    for (let turn = 0; turn < 6; turn += 1) expect(await bottle.exec('true')).toMatchObject({ code: 0 });
    const { stdout } = await bottle.goOn();
    const [, seen = '0', caught = ''] = /^(\d+) (.*)$/m.exec(stdout) ?? [];
    expect(Number(seen)).toBeGreaterThan(5);
    expect(caught).toBe('[]');
  });

  it('ends with its bottle, and leaves nothing', async () => {
    await using bottle = new Running(IDLE);
    const slug = await bottle.slug();
    const child = bottle.world.spawn(['exec', slug, '--', 'sh', '-c', 'echo in; sleep 1000'], bottle.options);
    const ended = collect(child);
    await firstLine(child);
    expect(await bottle.world.run(['stop', '--now', slug])).toMatchObject({ code: 0 });
    expect(await ended).toMatchObject({ code: 137 });
    expect(leftovers(bottle.world)).toEqual([]);
  });

  it.each([
    { signal: 'SIGKILL', why: 'whoever started it is gone' },
    { signal: 'SIGTERM', why: 'it is asked to end' },
  ] as const)('the command ends when $why, and the bottle goes on', async ({ signal }) => {
    await using bottle = new Running(IDLE);
    const slug = await bottle.slug();
    const child = bottle.world.spawn(['exec', slug, '--', 'sh', '-c', 'echo in; exec sleep 1000'], bottle.options);
    const ended = collect(child);
    await firstLine(child);
    child.kill(signal);
    await ended;
    await expect.poll(async () => (await bottle.exec('pgrep', '-x', 'sleep')).code, { timeout: 10_000 }).toBe(1);
    expect(await bottle.goOn()).toMatchObject({ code: 0 });
  });

  it('G-SELF what it takes of memory is the bottle’s', async () => {
    await using bottle = new Running(IDLE, {
      manifest: 'resources: {memory: 192MiB}',
      uid: IS_ROOT ? NOBODY : null,
    });
    const hog = 'import time\nkept = []\nwhile True:\n  kept.append(bytearray(8 << 20))\n  time.sleep(0.005)';
    expect(await bottle.exec('python3', '-c', hog)).toMatchObject({ code: 137 });
    expect(await bottle.goOn()).toMatchObject({ stderr: 'bot-bottle: memory limit 192 MiB reached\n' });
  });

  it('S6 the door is its owner’s alone, and asks for what only the owner can read', async () => {
    await using bottle = new Running(IDLE);
    const runtime = runtimeOf(bottle.world, await bottle.slug());
    const modes = ['door.sock', 'door.nonce'].map((name) => fs.statSync(path.join(runtime, name)).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600]);
    using client = await ControlClient.connect(path.join(runtime, 'door.sock'), 'a guess');
    await expect(client.call('way-in', z.unknown())).rejects.toThrow('wrong nonce');
    // Nobody inside sees either.
    expect((await bottle.exec('ls', runtime)).code).not.toBe(0);
  });

  it('is refused by name where there is nothing to enter', async () => {
    await using bottle = new Running(IDLE);
    const slug = await bottle.slug();
    const none = await bottle.world.run(['exec', 'other-00000', '--', 'true']);
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('no bottle is called "other-00000"');
    expect(await bottle.world.run(['exec', slug, '--'])).toMatchObject({ code: 2 });
    await bottle.world.run(['stop', '--now', slug]);
    const ended = await bottle.world.run(['exec', slug, '--', 'true']);
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toContain(`bot-bottle resume ${slug}`);
  });
});

describe.skipIf(TMUX === null)('exec on a terminal', () => {
  it('gives the command a terminal of its own: job control, size and exit code', async () => {
    await using bottle = new Running(IDLE);
    const slug = await bottle.slug();
    const cli = `${process.execPath} ${path.resolve('dist/cli.js')} exec ${slug} -- bash --norc; echo code=$?; sleep 60`;
    using terminal = new Terminal(bottle.world, cli);
    await terminal.sees(/[$#] *$/m);
    terminal.enter('tty; stty size');
    await terminal.sees(/^30 100$/m);
    terminal.enter('sleep 1000');
    await terminal.sees(/sleep 1000\n/);
    terminal.key('C-c');
    await terminal.sees(/\^C\s+\S*[$#]/);
    terminal.enter('exit 5');
    expect(await terminal.sees(/code=\d+/)).toContain('code=5');
    expect(await bottle.goOn()).toMatchObject({ code: 0 });
  });
});

function runtimeOf(world: World, slug: string): string {
  const journal = contentOf(path.join(world.home, 'state', slug, 'journal.jsonl'));
  return /"step":"runtime","detail":\{"directory":"(?<directory>[^"]+)"/.exec(journal)?.groups?.['directory'] ?? '';
}

function contentOf(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    // Gone meanwhile, or not for reading.
    return '';
  }
}
