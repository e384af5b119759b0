import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { bubblewrapBackend } from '../../src/backends/bubblewrap/backend.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World } from './support/world.ts';

/** Attacks from inside on each limit; what this machine can't hold must be refused by name instead. */
const support = await bubblewrapBackend({ runtimeDirectory: () => '/nonexistent' }).limits();

function limited(resources: string): World {
  const world = new World();
  world.bottle('limited', `resources: ${resources}`);
  return world;
}

const RUN = ['run', '--bottle', 'limited', '--workspace', 'none', '--'];

describe('G-SELF resources of a bottle', () => {
  it('who takes more memory than the limit is killed, and the launcher is not', async () => {
    using world = limited('{memory: 192MiB}');
    const hog = 'import time\nkept = []\nwhile True:\n  kept.append(bytearray(8 << 20))\n  time.sleep(0.005)';
    const result = await world.run([...RUN, 'python3', '-c', hog]);
    expect(result).toMatchObject({ code: 137, signal: null });
    expect(leftovers(world)).toEqual([]);
  });

  it('who makes more processes than the limit gets no more', async () => {
    using world = limited('{pids: 60}');
    const script = 'i=0; while [ $i -lt 90 ]; do sleep 30 & i=$((i+1)); done; echo all';
    const result = await world.run([...RUN, 'sh', '-c', script]);
    expect(result.stdout).not.toContain('all');
    expect(result.code).not.toBe(0);
    expect(leftovers(world)).toEqual([]);
  });

  it('a share of the processors stands in the kernel’s own files, or is refused by name', async () => {
    using world = limited('{cpus: 0.5}');
    const child = world.spawn([...RUN, 'sh', '-c', 'echo ready; read -r _']);
    const ended = collect(child);
    if (support.cpus === 'none') {
      expect(await ended).toMatchObject({ code: 1, stderr: expect.stringContaining('cpus (no cgroup') });
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

  it('a quota of disk can’t be held here, and is refused by name before anything is made', async () => {
    using world = limited('{disk: 1GiB}');
    const result = await world.run([...RUN, 'true']);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('disk (this backend has no quota for the workspace)');
    expect(world.slugs()).toEqual([]);
  });
});
