import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { innermost } from './support/innermost.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World, type CliResult } from './support/world.ts';

/** Each row of the table in docs/operating.md, by a real end of a real bottle. */

interface Ending {
  readonly end: string;
  /** Says a line when it is at the place where the end comes. */
  readonly script: string;
  readonly bottle?: string;
  readonly then?: (world: World, child: ChildProcess, slug: string) => Promise<void>;
  readonly code: number;
  readonly says?: string;
}

const SLEEPS = 'echo up; exec sleep 1000';
const DEAF = 'trap "" TERM; echo up; while :; do sleep 1000; done';

const stop =
  (...args: readonly string[]) =>
  async (world: World, _child: ChildProcess, slug: string): Promise<void> => {
    expect(await world.run(['stop', ...args, slug])).toMatchObject({ code: 0, stderr: `${slug} stopped\n` });
  };

const signalled =
  (...signals: readonly NodeJS.Signals[]) =>
  async (_world: World, child: ChildProcess): Promise<void> => {
    for (const signal of signals) child.kill(signal);
    return Promise.resolve();
  };

const killed =
  (which: 'egress' | 'init') =>
  async (_world: World, child: ChildProcess): Promise<void> => {
    process.kill(await pollUntil(which, 10_000, () => innermost(child, which)), 'SIGKILL');
  };

const ENDINGS: readonly Ending[] = [
  { end: 'the agent ends with 0', script: 'echo up', code: 0 },
  { end: 'the agent ends with its own code', script: 'echo up; exit 42', code: 42 },
  { end: 'a signal ends the agent', script: 'echo up; kill -SEGV $$', code: 139 },
  { end: 'stop, and the agent ends by TERM', script: SLEEPS, then: stop(), code: 143 },
  {
    end: 'stop, and the agent ends by itself',
    script: 'trap "exit 0" TERM; echo up; sleep 1000 & wait',
    then: stop(),
    code: 0,
  },
  { end: 'stop, and the agent does not end', script: DEAF, then: stop(), code: 137 },
  { end: 'stop --now', script: SLEEPS, then: stop('--now'), code: 137 },
  { end: 'Ctrl-C', script: SLEEPS, then: signalled('SIGINT'), code: 130 },
  {
    end: 'Ctrl-C, told on by a wrapper too',
    script: 'trap "exit 0" TERM; echo up; sleep 1000 & wait',
    then: signalled('SIGINT', 'SIGINT', 'SIGINT'),
    code: 0,
  },
  { end: 'TERM', script: SLEEPS, then: signalled('SIGTERM'), code: 143 },
  { end: 'the terminal is gone', script: SLEEPS, then: signalled('SIGHUP'), code: 143 },
  {
    end: 'a service crashed and came back',
    script: 'echo up; read -r _; exit 5',
    then: async (world, child, slug) => {
      await killed('egress')(world, child);
      const log = path.join(world.home, 'state', slug, 'services.log');
      await pollUntil('the crash in the log', 30_000, () =>
        fs.readFileSync(log, 'utf8').includes('ended unasked') ? true : null,
      );
      child.stdin?.end('\n');
    },
    code: 5,
  },
  {
    end: 'the bundle ended unasked',
    script: SLEEPS,
    then: killed('init'),
    code: 1,
    says: 'the bundle ended, and the bottle with it',
  },
  {
    end: 'the memory limit',
    script: 'echo up; exec python3 -c "x = bytearray(1 << 30)"',
    bottle: 'resources: {memory: 192MiB}',
    code: 137,
    says: 'memory limit 192 MiB reached',
  },
  {
    end: 'the disk limit',
    script: 'echo up; head -c 64M /dev/urandom > big; exec sleep 1000',
    bottle: 'resources: {disk: 16MiB}',
    code: 137,
    says: 'disk limit 16 MiB reached',
  },
];

describe('H11 the exit status of run is a stated function of the end', () => {
  it.each(ENDINGS)('$end → $code', async ({ script, bottle = 'supervise: false', then, code, says }) => {
    using world = new World();
    world.bottle('one', bottle);
    const child = world.spawn(['run', '--bottle', 'one', '--', 'sh', '-c', script]);
    const ended = collect(child);
    expect(await firstLine(child)).toBe('up');
    await then?.(world, child, world.slugs()[0] ?? '');
    const result = await ended;
    expect(result).toMatchObject({ code, signal: null });
    if (says === undefined) expect(result.stderr).toBe('');
    else expect(result.stderr).toContain(says);
    expect(leftovers(world)).toEqual([]);
  });

  it('Ctrl-C once and, after a moment, again: the agent that takes its time is killed, and its work is kept', async () => {
    using world = new World();
    const script = 'echo work > file; trap "sleep 0.5; echo told; sleep 6; exit 9" TERM; echo up; sleep 1000 & wait';
    const child = world.spawn(['run', '--', 'sh', '-c', script]);
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = collect(child);
    await firstLine(child);
    const slug = world.slugs()[0] ?? '';
    child.kill('SIGINT');
    await pollUntil('the stop', 30_000, () => said.includes('told') || null);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 137 });
    expect(fs.readFileSync(path.join(world.home, 'state', slug, 'workspace', 'file'), 'utf8')).toBe('work\n');
    expect(leftovers(world)).toEqual([]);
  });

  it.each([
    { why: 'usage', args: ['run', '--no-such-option'], code: 2 },
    { why: 'a command that is not there', args: ['run', '--', 'no-such-program'], code: 127 },
    { why: 'a file that can not be run', args: ['run', '--', '/etc/hostname'], code: 126 },
    { why: 'an error of ours', args: ['run', '--bottle', 'none', '--', 'true'], code: 1 },
  ])('$why → $code', async ({ args, code }) => {
    using world = new World();
    const result: CliResult = await world.run(args);
    expect(result).toMatchObject({ code, signal: null, stdout: '' });
    expect(leftovers(world)).toEqual([]);
  });
});
