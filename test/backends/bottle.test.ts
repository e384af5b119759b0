import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { bubblewrapBackend } from '../../src/backends/bubblewrap/backend.ts';
import { startBottle, testPlan } from './support/bottle.ts';
import { describeContract } from './support/contract.ts';

const isRoot = process.getuid?.() === 0;

describeContract({
  name: 'bubblewrap',
  missing: () => null,
  node: ['/opt/bot-bottle/node'],
  start: startBottle,
});

describe('a bottle of bubblewrap', () => {
  test('S6b shows of /etc only the named list, and an agent who is not root', async () => {
    await using started = await startBottle();
    const script = 'id -u; id -un; test -e /etc/shadow || echo no-shadow; cat /etc/resolv.conf; cat /proc/self/uid_map';
    const { stdout } = await started.run(['sh', '-c', script]);
    expect(stdout).toContain('1000\nagent\nno-shadow\nnameserver 127.0.0.2\n');
    expect(started.bottle.hostUid === 0).toBe(false);
    expect(fs.statSync(path.join(started.root, 'home')).uid).toBe(started.bottle.hostUid);
  });

  test.each([{ path: '/' }, { path: '/etc' }, { path: '/proc/1' }, { path: '/run/dbus' }, { path: '/home/agent/x' }])(
    'refuses to mount $path',
    async ({ path: mount }) => {
      const backend = bubblewrapBackend({ runtimeDirectory: () => '/nonexistent' });
      await expect(async () => backend.plan(testPlan({ mounts: [{ path: mount, mode: 'ro' }] }))).rejects.toThrow();
    },
  );

  test('what the machine can not hold is refused by name', async () => {
    const backend = bubblewrapBackend({ runtimeDirectory: () => '/nonexistent' });
    const plan = testPlan({ resources: { diskBytes: 1024, strict: false } });
    await expect(async () => backend.plan(plan)).rejects.toThrow('disk');
  });

  test('holds a limit on processes and removes its control group', async () => {
    const started = await startBottle({ plan: { resources: { pids: 40, strict: false } } });
    const script = 'i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; echo all';
    const { stdout } = await started.run(['sh', '-c', script]);
    const groups = started.journal.flatMap(({ detail }) => ('cgroup' in detail ? [String(detail['cgroup'])] : []));
    await started[Symbol.asyncDispose]();
    expect(stdout).not.toContain('all');
    expect(groups.filter((directory) => fs.existsSync(directory))).toEqual([]);
  });
});

test.runIf(isRoot)('the whole proof also holds for an ordinary user', async () => {
  const nobody = 65534;
  const script = path.join(import.meta.dirname, 'support/one-bottle.ts');
  const child = spawn(process.execPath, [script], {
    uid: nobody,
    gid: nobody,
    env: { HOME: '/nonexistent', TMPDIR: '/tmp' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  await once(child, 'close');
  expect(text).toBe('held true, exit 9\n');
});
