import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { innermost } from './support/innermost.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World } from './support/world.ts';

/** Asks the gateway once for each line of its input and says the status. */
const ASKING =
  'echo ready; while read -r _; do curl -sS -m 30 -o /dev/null -w "%{http_code}\\n" http://no.example/; done';

async function startAsking(world: World): Promise<{
  readonly child: ChildProcess;
  readonly ended: ReturnType<typeof collect>;
  readonly ask: (count: number) => Promise<void>;
}> {
  const child = world.spawn(['run', '--', 'sh', '-c', ASKING]);
  const ended = collect(child);
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  expect(await firstLine(child)).toBe('ready');
  return {
    child,
    ended,
    ask: async (count) => {
      child.stdin?.write('\n');
      await pollUntil('an answer', 30_000, () => said.split('\n').length - 2 >= count || null);
    },
  };
}

describe('the life of a bundle', () => {
  it('H11 the gateway killed in a live bottle: the next request is answered, and the exit code is the agent’s', async () => {
    using world = new World();
    const { child, ended, ask } = await startAsking(world);
    await ask(1);
    const [slug = ''] = world.slugs();
    const record = path.join(world.home, 'state', slug, 'decisions.jsonl');
    fs.appendFileSync(record, '{"torn');
    const before = await pollUntil('the gateway', 10_000, () => innermost(child, 'egress'));
    process.kill(before, 'SIGKILL');
    await ask(2);
    const lines = fs.readFileSync(record, 'utf8').trimEnd().split('\n');
    expect(lines).toContain('{"torn');
    expect(lines.filter((line) => line.includes('"event":"decided"'))).toHaveLength(2);
    expect(innermost(child, 'egress')).not.toBe(before);
    child.stdin?.end();
    expect(await ended).toMatchObject({ code: 0, stdout: 'ready\n403\n403\n', stderr: '' });
    expect(leftovers(world)).toEqual([]);
  });

  it('init killed: the bottle ends in order, says why, and the work is kept', async () => {
    using world = new World();
    const child = world.spawn(['run', '--', 'sh', '-c', 'echo work > marker; echo ready; sleep 1000']);
    const ended = collect(child);
    await firstLine(child);
    process.kill(await pollUntil('init', 10_000, () => innermost(child, 'init')), 'SIGKILL');
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toContain('the bundle ended, and the bottle with it: init ended unasked');
    const [slug = ''] = world.slugs();
    expect(fs.readFileSync(path.join(world.home, 'state', slug, 'workspace', 'marker'), 'utf8')).toBe('work\n');
    expect(leftovers(world)).toEqual([]);
  });

  it('a gateway that is killed again and again ends the bottle in order, with the reason, and the work is kept', async () => {
    using world = new World();
    const child = world.spawn(['run', '--', 'sh', '-c', 'echo work > marker; echo ready; sleep 1000']);
    const ended = collect(child);
    await firstLine(child);
    let last = 0;
    for (let round = 0; child.exitCode === null && round < 20; round += 1) {
      const pid = await pollUntil('the next gateway or the end', 30_000, () => {
        if (child.exitCode !== null) return -1;
        const now = innermost(child, 'egress');
        return now === last ? null : now;
      });
      if (pid > 0 && fs.existsSync(`/proc/${String(pid)}`)) process.kill(pid, 'SIGKILL');
      last = pid;
    }
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toContain("egress can't come back");
    const [slug = ''] = world.slugs();
    expect(fs.readFileSync(path.join(world.home, 'state', slug, 'workspace', 'marker'), 'utf8')).toBe('work\n');
    expect(leftovers(world)).toEqual([]);
  });
});
