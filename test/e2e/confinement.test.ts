import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bubblewrapBackend } from '../../src/backends/bubblewrap/backend.ts';
import { WALLS } from '../../src/backends/bubblewrap/plan.ts';
import { launchBottle } from '../../src/launch/bottle.ts';
import { buildPlan } from '../../src/launch/plan.ts';
import { holdProgram } from '../../src/platform/assets.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { allocateUid } from '../../src/platform/uid-lock.ts';
import { bottlePaths, homePaths } from '../../src/state/paths.ts';
import { World } from './support/world.ts';

/** An ordinary user has no other uid to give, so that wall is root's alone. */
const OURS = WALLS.filter((wall) => wall !== 'uid' || process.getuid?.() === 0);

/** A launch with one wall taken away must fail before the agent's first instruction, and leave nothing. */
describe('H6 S4 G-CONFINED a wall that is missing stops the launch', () => {
  it.each(OURS)('without "%s" the agent is never started and the bottle is gone', async (wall) => {
    using world = new World();
    const paths = homePaths({ BOT_BOTTLE_HOME: world.home });
    const slug = `open-${wall}`;
    const started = `${world.root}/started`;
    const { plan } = buildPlan({
      slug,
      agent: 'run',
      label: null,
      backend: 'bubblewrap',
      provider: 'command',
      provision: {
        title: 'command',
        argv: ['touch', started],
        env: {},
        files: [],
        routes: [],
        mounts: [],
        verify: [],
        warnings: [],
      },
      env: [],
      plainHostValues: new Map(),
      routes: [],
      log: 1,
      gitUser: {},
      workspace: { mode: 'none' },
      mounts: [],
      resources: { strict: false },
      debug: false,
      upstream: { extraCa: [], resolve: {} },
      warnings: [],
    });
    const done: string[] = [];
    const held = holdProgram();
    if (held === null) throw new Error('the build is not whole');
    const launch = launchBottle({
      plan,
      program: held,
      backend: bubblewrapBackend({ runtimeDirectory: (name) => bottlePaths(paths, name).runtime, withoutWall: wall }),
      paths,
      values: new Map(),
      userName: 'tester',
      stdio: ['ignore', 'ignore', 'ignore'],
      terminal: null,
      terminalEnvironment: {},
      origin: null,
      resumed: false,
      signal: new AbortController().signal,
      clock: systemClock,
      random: systemRandom,
      allocateUid: process.getuid?.() === 0 ? allocateUid : null,
      onStep: (step) => done.push(step),
    });
    const failure: unknown = await launch.then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'not_confined' });
    // The wall itself is what was found open, not merely an answer that never came.
    expect(String(failure)).not.toMatch(/probe-answers|kernel-account/);
    expect(done).not.toContain('confinement');
    expect(fs.existsSync(started)).toBe(false);
    expect(fs.existsSync(bottlePaths(paths, slug).root)).toBe(false);
    expect(fs.existsSync(bottlePaths(paths, slug).runtime)).toBe(false);
  });
});
