import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { SeededRandom } from '../fuzz/random.ts';
import { innermost } from './support/innermost.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World, type CliResult } from './support/world.ts';

/** A thousand signals in all, each run: mixed, to init, the launcher and the gateway, around restarts. */
const COUNT = 1_000;
/** Below the number of deaths within a minute that ends a bundle for good. */
const DEATHS = 4;
const NOISE = ['SIGCHLD', 'SIGHUP', 'SIGUSR2', 'SIGUSR1', 'SIGINT', 'SIGQUIT', 'SIGALRM', 'SIGPIPE'] as const;
const LAUNCHER_NOISE = ['SIGCHLD', 'SIGWINCH', 'SIGCONT', 'SIGURG'] as const;

/** Asks the gateway once for each line of its input and says the status; writes work down first. */
const AGENT =
  'echo work > marker; echo ready; while read -r _; do curl -sS -m 60 -o /dev/null -w "%{http_code}\\n" http://no.example/; done';

class Storm {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  readonly random: SeededRandom;
  readonly #world: World;
  #said = '';
  #asked = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.random = new SeededRandom(seed);
    this.child = world.spawn(['run', '--', 'sh', '-c', AGENT]);
    this.ended = collect(this.child);
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
  }

  async begun(): Promise<void> {
    await firstLine(this.child);
  }

  /** One request; answered by whichever gateway there is by then. */
  async isAnswered(): Promise<void> {
    this.#asked += 1;
    this.child.stdin?.write('\n');
    const answers = (): number => this.#said.split('\n').filter((line) => line === '403').length;
    await pollUntil('an answer', 60_000, () => answers() >= this.#asked || null);
  }

  part(service: 'init' | 'egress'): number | null {
    return innermost(this.child, service);
  }

  /** To somebody who may just be gone. */
  send(pid: number | null | undefined, signal: NodeJS.Signals): void {
    if (pid === null || pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch (failure) {
      if (!(failure instanceof Error && 'code' in failure && failure.code === 'ESRCH')) throw failure;
    }
  }

  log(): string {
    const [slug = ''] = this.#world.slugs();
    return fs.readFileSync(path.join(this.#world.home, 'state', slug, 'services.log'), 'utf8');
  }

  marker(): string {
    const [slug = ''] = this.#world.slugs();
    return fs.readFileSync(path.join(this.#world.home, 'state', slug, 'workspace', 'marker'), 'utf8');
  }
}

/** Without SIGTERM to init or the launcher, which asks for the end. Answers the gateways there were. */
async function storm(one: Storm): Promise<ReadonlySet<number>> {
  const gateways = new Set<number>();
  const init = one.part('init');
  for (let sent = 0; sent < COUNT; sent += 1) {
    if (sent % 3 === 0) one.send(one.child.pid, one.random.pick(LAUNCHER_NOISE));
    else one.send(init, one.random.pick(NOISE));
    if (sent % (COUNT / DEATHS) !== COUNT / DEATHS / 2) continue;
    const gateway = await pollUntil('a gateway', 30_000, () => one.part('egress'));
    gateways.add(gateway);
    // In turn: killed, and told to end again and again, by somebody who is not its init.
    if (gateways.size % 2 === 1) one.send(gateway, 'SIGKILL');
    else for (let repeat = 0; repeat < 50; repeat += 1) one.send(gateway, 'SIGTERM');
    await pollUntil('the next gateway', 30_000, () => {
      const now = one.part('egress');
      return now !== null && now !== gateway ? now : null;
    });
    await one.isAnswered();
  }
  gateways.add(await pollUntil('the last gateway', 30_000, () => one.part('egress')));
  return gateways;
}

describe('H10 a thousand signals to real processes', () => {
  it('during restarts: one restart for each death, no bottle lost, and its end is its agent’s', async () => {
    using world = new World();
    const one = new Storm(world, 10);
    await one.begun();
    const init = one.part('init');
    const gateways = await storm(one);
    expect(gateways.size).toBe(DEATHS + 1);
    expect(one.part('init'), 'init is the one that it was').toBe(init);
    await one.isAnswered();
    const log = one.log();
    expect(log.match(/egress ended unasked/g)).toHaveLength(DEATHS);
    expect(log).not.toMatch(/can't come back|ordered a|what nobody knows/);
    one.child.stdin?.end();
    const { code, signal, stderr } = await one.ended;
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(one.marker()).toBe('work\n');
    expect(leftovers(world)).toEqual([]);
  }, 180_000);

  it.each([
    { why: 'SIGTERM to the launcher', whom: 'launcher', signals: ['SIGTERM'], code: 143 },
    { why: 'SIGHUP to the launcher', whom: 'launcher', signals: ['SIGHUP'], code: 143 },
    { why: 'SIGUSR2 to the launcher', whom: 'launcher', signals: ['SIGUSR2'], code: 137 },
    { why: 'SIGTERM to init', whom: 'init', signals: ['SIGTERM', 'SIGCHLD', 'SIGUSR2', 'SIGHUP'], code: 1 },
  ] as const)(
    '$why, a thousand times while a gateway comes back: an end in order, work kept',
    async (row) => {
      using world = new World();
      const one = new Storm(world, 11);
      await one.begun();
      await one.isAnswered();
      const target = row.whom === 'init' ? one.part('init') : one.child.pid;
      one.send(one.part('egress'), 'SIGKILL');
      for (let sent = 0; sent < COUNT; sent += 1) one.send(target, row.signals[sent % row.signals.length] ?? 'SIGTERM');
      const { code, signal, stderr } = await one.ended;
      expect({ code, signal }, stderr).toEqual({ code: row.code, signal: null });
      expect(stderr).not.toMatch(/fault of its own|at .*\.js:\d+/);
      expect(one.marker()).toBe('work\n');
      await expect.poll(() => leftovers(world), { timeout: 20_000 }).toEqual([]);
      const listed = await world.run(['list', '--all', '--json']);
      expect(JSON.parse(listed.stdout)).toMatchObject([{ state: 'preserved' }]);
      expect((await world.run(['cleanup', '--yes'])).stdout).toBe('nothing to clean up\n');
    },
    120_000,
  );

  it('a storm over everybody and every signal: whatever it ends as, the work is there and cleanup leaves nothing', async () => {
    using world = new World();
    for (const seed of [21, 22, 23]) {
      const one = new Storm(world, seed);
      await one.begun();
      const parts = [one.child.pid, one.part('init'), one.part('egress')];
      for (let sent = 0; sent < COUNT && one.child.exitCode === null; sent += 1) {
        one.send(one.random.pick(parts), one.random.pick(['SIGTERM', 'SIGCHLD', 'SIGUSR2', 'SIGHUP']));
        if (sent % 100 === 50) one.send(one.part('egress'), 'SIGKILL');
      }
      const { signal, stderr } = await one.ended;
      expect(signal).toBeNull();
      expect(stderr).not.toMatch(/fault of its own|at .*\.js:\d+/);
    }
    const cleaned = await world.run(['cleanup', '--yes']);
    expect(cleaned.code, cleaned.stderr).toBe(0);
    await expect.poll(() => leftovers(world), { timeout: 20_000 }).toEqual([]);
    expect(world.slugs()).toHaveLength(3);
    for (const slug of world.slugs()) {
      expect(fs.readFileSync(path.join(world.home, 'state', slug, 'workspace', 'marker'), 'utf8')).toBe('work\n');
    }
  }, 180_000);
});
