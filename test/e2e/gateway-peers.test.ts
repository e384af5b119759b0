import { spawn, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { findProgram } from '../../src/bundle/host-facts.ts';
import { firstLine, World } from './support/world.ts';

const IS_ROOT = process.getuid?.() === 0;
const curl = findProgram('curl');

/** The status that the gateway itself gives; 000 for a connection that it closes. */
function ask(proxy: string, uid: number | null): string {
  const drop = uid === null ? [] : ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  const [program, ...args] = [...drop, 'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '10'];
  return spawnSync(program, [...args, '-x', proxy, 'http://_egress.local/allowlist'], {
    env: { PATH: '/usr/bin:/bin' },
  })
    .stdout.toString()
    .trim();
}

describe.skipIf(!IS_ROOT || curl === null)('S6 gateway on loopback', () => {
  it('serves the operator and nobody else', async () => {
    using world = new World();
    world.bottle('b', 'supervise: false\negress: {routes: [{host: a.example}]}');
    const gateway = world.spawn(['gateway', '--bottle', 'b']);
    const { proxy } = JSON.parse(await firstLine(gateway)) as { proxy: string };
    // Somebody else is on the machine, as there nearly always is.
    const other = spawn('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'sleep', '60']);
    try {
      expect(ask(proxy, null)).toBe('200');
      await expect.poll(() => ask(proxy, 65_534), { timeout: 10_000 }).toBe('000');
      expect(ask(proxy, 12_345)).toBe('000');
      expect(ask(proxy, null)).toBe('200');
    } finally {
      other.kill();
      const gone = new Promise((resolve) => gateway.once('close', resolve));
      gateway.kill('SIGTERM');
      await gone;
    }
  });

  it('with --auth asks for the password instead', async () => {
    using world = new World();
    world.bottle('b', 'supervise: false\negress: {routes: [{host: a.example}]}');
    const gateway = world.spawn(['gateway', '--bottle', 'b', '--auth']);
    const { proxy } = JSON.parse(await firstLine(gateway)) as { proxy: string };
    try {
      expect(ask(proxy, 65_534)).toBe('200');
      expect(ask(proxy.replace(/\/\/.*@/, '//'), null)).toBe('407');
    } finally {
      const gone = new Promise((resolve) => gateway.once('close', resolve));
      gateway.kill('SIGTERM');
      await gone;
    }
  });
});
