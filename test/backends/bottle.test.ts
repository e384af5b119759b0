import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { bubblewrapBackend } from '../../src/backends/bubblewrap/backend.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { processTree } from '../../src/platform/processes.ts';
import { startBottle, testPlan } from './support/bottle.ts';

const isRoot = process.getuid?.() === 0;

describe('a bottle', () => {
  test('runs a program and passes on its output and exit code', async () => {
    await using started = await startBottle();
    const finished = await started.run(['sh', '-c', 'cat; echo hello; echo oops >&2; exit 7'], {}, 'input\n');
    expect(finished).toEqual({ exitCode: 7, signal: null, reached: [], stdout: 'input\nhello\n', stderr: 'oops\n' });
  });

  test.each([
    { argv: ['sh', '-c', 'kill -TERM $$'], exitCode: 143, signal: 'SIGTERM', why: 'a signal is 128 and its number' },
    { argv: ['sh', '-c', 'yes | true; exit 3'], exitCode: 3, signal: null, why: 'a closed pipe ends its writer' },
    { argv: ['no-such-program'], exitCode: 127, signal: null, why: 'as a shell says not found' },
    { argv: ['/etc/passwd'], exitCode: 126, signal: null, why: 'as a shell says not runnable' },
  ])('ends with $exitCode: $why', async ({ argv, exitCode, signal }) => {
    await using started = await startBottle();
    expect(await started.run(argv)).toMatchObject({ exitCode, signal });
  });

  test('S6b shows of /etc only the named list, and an agent who is not root', async () => {
    await using started = await startBottle();
    const script = 'id -u; id -un; test -e /etc/shadow || echo no-shadow; cat /etc/resolv.conf; cat /proc/self/uid_map';
    const { stdout } = await started.run(['sh', '-c', script]);
    expect(stdout).toContain('1000\nagent\nno-shadow\nnameserver 127.0.0.2\n');
    expect(started.bottle.hostUid === 0).toBe(false);
    expect(fs.statSync(path.join(started.root, 'home')).uid).toBe(started.bottle.hostUid);
  });

  test('S7 loopback belongs to the agent, 127.0.0.2 has our ports', async () => {
    await using started = await startBottle();
    const script = `
      const net = require('node:net');
      const attempt = (port, host) => new Promise((done) => {
        const server = net.createServer();
        server.once('error', (failure) => done(failure.code));
        server.listen(port, host, () => done('bound'));
      });
      (async () => {
        const seen = [];
        for (const [port, host] of [[3000, '127.0.0.1'], [9099, '127.0.0.1'], [9099, '127.0.0.2'], [443, '127.0.0.2']])
          seen.push(await attempt(port, host));
        console.log(seen.join(' '));
        process.exit(0);
      })();`;
    const { stdout } = await started.run(['/opt/bot-bottle/node', '-e', script]);
    expect(stdout.split(' ').slice(0, 3)).toEqual(['bound', 'bound', 'EADDRINUSE']);
    expect(stdout.split(' ')[3]).toMatch(/EADDRINUSE|EACCES/);
  });

  test('G-NET no program inside reaches an address outside, nor a server of the host', async () => {
    const server = net.createServer(() => expect.unreachable('the host was reached'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await using started = await startBottle();
    const attempts = [`192.0.2.1/80`, `198.51.100.7/53`, `127.0.0.1/${port}`].map(
      (target) => `(: > /dev/tcp/${target}) 2>/dev/null && echo reached ${target}`,
    );
    const { stdout } = await started.run(['bash', '-c', `${attempts.join('; ')}; echo tried`]);
    server.close();
    expect(stdout).toBe('tried\n');
  });

  test('G-SECRET values of the environment arrive and are in no command line on the host', async () => {
    await using started = await startBottle();
    expect((await started.prove()).held).toBe(true);
    const value = 'value-that-nobody-may-see-4711';
    const running = started.bottle.run({
      argv: ['sh', '-c', 'read line; test "$TOKEN" = value-that-nobody-may-see-"$line"'],
      env: { TOKEN: new Secret('TOKEN', value), PATH: '/usr/bin:/bin' },
      ownTerminal: false,
      cwd: '/',
    });
    const pid = await started.bottle.hostPid;
    const lines = processTree(process.pid).map((one) => fs.readFileSync(`/proc/${one}/cmdline`, 'utf8'));
    expect(processTree(process.pid)).toContain(pid);
    expect(lines.filter((line) => line.includes(value))).toEqual([]);
    started.bottle.stdin?.end('4711\n');
    expect(await running).toEqual({ exitCode: 0, signal: null, reached: [] });
  });

  test('two bottles have other uids, processes and ports, and leave nothing behind', async () => {
    const first = await startBottle();
    const second = await startBottle();
    if (isRoot) expect(first.bottle.hostUid).not.toBe(second.bottle.hostUid);
    const pids = processTree(await first.bottle.hostPid);
    const listing = await second.run(['sh', '-c', 'ls /proc | grep -c "^[0-9]"']);
    expect(Number(listing.stdout)).toBeLessThan(8);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    expect(pids.filter((pid) => fs.existsSync(`/proc/${pid}`))).toEqual([]);
    expect(fs.existsSync(first.root)).toBe(false);
  });

  test('stop ends the agent by TERM, and whoever ignores it by KILL', async () => {
    for (const [script, exitCode] of [
      ['trap "exit 5" TERM; echo up; while :; do sleep 0.05; done', 5],
      ['trap "" TERM; echo up; while :; do sleep 0.05; done', 137],
    ] as const) {
      await using started = await startBottle();
      expect((await started.prove()).held).toBe(true);
      const up = once(started.bottle.stdout ?? expect.unreachable(), 'data');
      const running = started.bottle.run({
        argv: ['sh', '-c', script],
        env: { PATH: '/usr/bin:/bin' },
        cwd: '/',
        ownTerminal: false,
      });
      await up;
      await started.bottle.stop(exitCode === 5 ? 10_000 : 300);
      expect((await running).exitCode).toBe(exitCode);
    }
  });

  test('a mounted toolchain below a closed directory is usable and read-only', async () => {
    const tools = fs.mkdtempSync(path.join(os.homedir(), 'toolchain-'));
    try {
      fs.mkdirSync(path.join(tools, 'bin'));
      fs.writeFileSync(path.join(tools, 'bin/tool'), '#!/bin/sh\necho tool works\n', { mode: 0o755 });
      fs.chmodSync(tools, 0o755);
      await using started = await startBottle({ plan: { mounts: [{ path: tools, mode: 'ro' }] } });
      const { stdout } = await started.run([
        'sh',
        '-c',
        `${tools}/bin/tool; touch ${tools}/x 2>/dev/null || echo closed`,
      ]);
      expect(stdout).toBe('tool works\nclosed\n');
    } finally {
      fs.rmSync(tools, { recursive: true });
    }
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
