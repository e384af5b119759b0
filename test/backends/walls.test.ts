import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { WALLS, type Wall } from '../../src/backends/bubblewrap/plan.ts';
import { startBottle } from './support/bottle.ts';

/** The check that names the missing wall; others may fail with it. */
const NAMED_BY: Readonly<Record<Wall, string>> = {
  caps: 'caps-empty',
  etc: 'host-files-absent',
  'hosts-home': 'mounts-expected',
  ipcns: 'ipc-namespace-own',
  netns: 'net-namespace-own',
  pidns: 'pid-namespace-own',
  'proc-sys': 'proc-sys-ro',
  'read-only-system': 'mounts-read-only',
  run: 'host-files-absent',
  seccomp: 'seccomp-on',
  uid: 'uid-own',
  utsns: 'uts-namespace-own',
};
const isRoot = process.getuid?.() === 0;

describe('S4 confinement is proved before the agent starts', () => {
  test('G-CONFINED with every wall in place all checks hold, from inside and from outside', async () => {
    await using started = await startBottle();
    const { held, checks } = await started.prove();
    expect(checks.filter((check) => !check.held)).toEqual([]);
    expect(held).toBe(true);
    expect(new Set(checks.map(({ from }) => from))).toEqual(new Set(['inside', 'outside']));
    expect(checks.length).toBeGreaterThan(25);
  });

  for (const wall of WALLS) {
    const reason = wall === 'uid' && !isRoot ? 'only root has another uid to give' : null;
    test(`S4 G-CONFINED without the wall "${wall}" the proof fails and names it`, async (context) => {
      if (reason !== null) context.skip(reason);
      await using started = await startBottle({ withoutWall: wall });
      const proof = await started.prove(3_000);
      expect(proof.held).toBe(false);
      expect(proof.checks.filter((check) => !check.held).map(({ id }) => id)).toContain(NAMED_BY[wall]);
      await expect(started.bottle.run({ argv: ['true'], env: {}, cwd: '/', ownTerminal: false })).rejects.toThrow(
        'proof',
      );
    });
  }

  test('S4 a gateway that never sees the nonce is no proof', async () => {
    await using started = await startBottle({ silentGateway: true });
    const { held, checks } = await started.prove(1_500);
    expect(held).toBe(false);
    expect(checks.find(({ id }) => id === 'gateway-saw-probe')?.held).toBe(false);
  });

  test('S4 a home and a workspace full of lying programs change nothing', async () => {
    await using started = await startBottle({
      fill: (state) => {
        for (const tree of ['home', 'workspace']) {
          for (const name of ['node', 'sh', 'true', '.profile', '.bashrc', 'probe.mjs', 'package.json', 'libc.so.6']) {
            fs.writeFileSync(path.join(state, tree, name), '#!/bin/false\nexit 0\n', { mode: 0o755 });
          }
          fs.mkdirSync(path.join(state, tree, 'node_modules/zod'), { recursive: true });
          fs.writeFileSync(path.join(state, tree, 'node_modules/zod/index.js'), 'process.exit(0)');
        }
      },
    });
    const { checks } = await started.prove();
    expect(checks.filter((check) => !check.held)).toEqual([]);
  });
});
