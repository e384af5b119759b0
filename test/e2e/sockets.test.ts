import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { collect, firstLine, World } from './support/world.ts';

const sh = (script: string): readonly string[] => ['run', '--workspace', 'none', '--', 'sh', '-c', script];

describe('S6 what a bottle can reach of what serves it', () => {
  it('S6 no unix socket is there: by path, by abstract name or in /proc', async () => {
    using world = new World();
    const script =
      'find / -path /proc -prune -o -type s -print 2>/dev/null; find /proc/[0-9]*/root/ -type s 2>/dev/null; tail -n +2 /proc/net/unix';
    expect((await world.run(sh(script))).stdout).toBe('');
  });

  it('S6 G-SELF no process but the agent’s own is visible, signalled or looked into', async () => {
    using world = new World();
    const script = [
      'n=1; while [ $n -lt 5000 ]; do kill -0 $n 2>/dev/null && echo "signal $n"; n=$((n+1)); done',
      'for p in /proc/[0-9]*; do echo "see ${p#/proc/} $(tr "\\0" " " < $p/cmdline | cut -c1-20)"; done',
      `for p in /proc/[0-9]*; do test -e $p/root${world.root} && echo "host through $p"; done`,
      `echo "self $$"`,
    ].join('; ');
    const { stdout } = await world.run(sh(script));
    const lines = stdout.trim().split('\n');
    const self = /^self (\d+)$/m.exec(stdout)?.[1] ?? '';
    const foreign = lines.filter((line) => /^(?:see|signal) /.test(line)).filter((line) => !line.includes('sh -c'));
    expect(lines.filter((line) => line.startsWith('signal '))).toContain(`signal ${self}`);
    expect(foreign.join('\n')).not.toMatch(/egress|init\.js|service|cli\.js/);
    expect(stdout).not.toContain('host through');
    expect(lines.filter((line) => line.startsWith('see ')).length).toBeLessThan(6);
  });

  it('G-SELF two bottles at once don’t see each other', async () => {
    using world = new World();
    const first = world.spawn(sh('echo first-mark > /tmp/mark; echo up; exec sleep 4711'));
    const ended = collect(first);
    try {
      expect(await firstLine(first)).toBe('up');
      const look = 'cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls /tmp; tail -n +2 /proc/net/unix';
      const { stdout, code } = await world.run(sh(look));
      expect(code).toBe(0);
      expect(stdout).not.toMatch(/4711|mark/);
    } finally {
      first.kill('SIGTERM');
      await ended;
    }
  });

  it('G-SELF S5 a request made while the gateway is dead is answered by the next one', async () => {
    using world = new World();
    const child = world.spawn(
      sh('echo up; read go; curl -sS -o /dev/null -w "%{http_code}" http://_egress.local/allowlist'),
    );
    const ended = collect(child);
    expect(await firstLine(child)).toBe('up');
    const [gateway] = gateways(child.pid ?? 0);
    expect(gateway).toBeDefined();
    process.kill(gateway ?? 0, 'SIGKILL');
    child.stdin?.end('go\n');
    const next = await pollUntil('another gateway', 15_000, () => {
      return gateways(child.pid ?? 0).find((pid) => pid !== gateway) ?? null;
    });
    expect(next).not.toBe(gateway);
    expect((await ended).stdout).toBe('up\n200');
  });
});

/** The launcher's own descendants that are a service with the host's network: the gateway, and not init. */
function gateways(launcher: number): readonly number[] {
  const host = fs.readlinkSync('/proc/self/ns/net');
  return descendants(launcher).filter((pid) => {
    const command = reading(() => fs.readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8'));
    const service = command.startsWith('/opt/bot-bottle/node') && command.includes('/opt/bot-bottle/service');
    return service && reading(() => fs.readlinkSync(`/proc/${String(pid)}/ns/net`)) === host;
  });
}

function descendants(pid: number): readonly number[] {
  const text = reading(() => fs.readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8'));
  const children = text.split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function reading(read: () => string): string {
  try {
    return read();
  } catch {
    // It ended meanwhile.
    return '';
  }
}
