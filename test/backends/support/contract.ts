import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/kernel/secret.ts';
import { processTree, readTextOrNull } from '../../../src/platform/processes.ts';
import type { TestBottle, TestBottleOptions } from './bottle.ts';

const isRoot = process.getuid?.() === 0;

export interface Contracted {
  readonly name: string;
  /** Why it can't be had here; null when it can. */
  readonly missing: () => string | null;
  /** Our node as it can be started inside. */
  readonly node: readonly string[];
  readonly start: (options?: Pick<TestBottleOptions, 'plan' | 'fill' | 'silentGateway'>) => Promise<TestBottle>;
}

const ENDS = [
  { argv: ['sh', '-c', 'kill -TERM $$'], exitCode: 143, signal: 'SIGTERM', why: 'a signal is 128 and its number' },
  { argv: ['sh', '-c', 'yes | true; exit 3'], exitCode: 3, signal: null, why: 'a closed pipe ends its writer' },
  { argv: ['no-such-program'], exitCode: 127, signal: null, why: 'as a shell says not found' },
  { argv: ['/etc/passwd'], exitCode: 126, signal: null, why: 'as a shell says not runnable' },
];

/** What every backend owes to whoever starts a bottle with it. */
export function describeContract({ name, missing, node, start: startBottle }: Contracted): void {
  const why = missing();
  const it = (title: string, body: () => Promise<void>): void => {
    test(title, async (context) => {
      if (why !== null) context.skip(why);
      await body();
    });
  };
  describe(`a bottle of ${name}`, () => {
    it('runs a program and passes on its output and exit code', async () => {
      await using started = await startBottle();
      const finished = await started.run(['sh', '-c', 'cat; echo hello; echo oops >&2; exit 7'], {}, 'input\n');
      expect(finished).toEqual({ exitCode: 7, signal: null, reached: [], stdout: 'input\nhello\n', stderr: 'oops\n' });
    });

    for (const { argv, exitCode, signal, why: reason } of ENDS) {
      it(`ends with ${String(exitCode)}: ${reason}`, async () => {
        await using started = await startBottle();
        expect(await started.run(argv)).toMatchObject({ exitCode, signal });
      });
    }

    it('S7 loopback belongs to the agent, 127.0.0.2 has our ports', async () => {
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
      const { stdout } = await started.run([...node, '-e', script]);
      expect(stdout.split(' ').slice(0, 3)).toEqual(['bound', 'bound', 'EADDRINUSE']);
      expect(stdout.split(' ')[3]).toMatch(/EADDRINUSE|EACCES/);
    });

    it('G-NET no program inside reaches an address outside, nor a server of the host', async () => {
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

    it('G-SECRET values of the environment arrive and are in no command line on the host', async () => {
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
      const everybody = fs.readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
      const lines = everybody.map((one) => readTextOrNull(`/proc/${one}/cmdline`) ?? '');
      expect(everybody).toContain(String(pid));
      expect(lines.filter((line) => line.includes(value))).toEqual([]);
      started.bottle.stdin?.end('4711\n');
      expect(await running).toEqual({ exitCode: 0, signal: null, reached: [] });
    });

    it('two bottles have other uids, processes and ports, and leave nothing behind', async () => {
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

    it('stop ends the agent by TERM, and whoever ignores it by KILL', async () => {
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

    it('a mounted toolchain below a closed directory is usable and read-only', async () => {
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
  });
}
