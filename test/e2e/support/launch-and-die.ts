import { bubblewrapBackend } from '../../../src/backends/bubblewrap/backend.ts';
import { launchBottle } from '../../../src/launch/bottle.ts';
import { buildPlan } from '../../../src/launch/plan.ts';
import { holdProgram } from '../../../src/platform/assets.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { systemRandom } from '../../../src/platform/random.ts';
import { allocateUid } from '../../../src/platform/uid-lock.ts';
import { bottlePaths, homePaths } from '../../../src/state/paths.ts';

/** A launcher that kills itself, as hard as it can be done, right after the step that it is told. */
const [home = '', dieAfter = ''] = process.argv.slice(2);
const die = (): void => {
  process.kill(process.pid, 'SIGKILL');
};
const { plan } = buildPlan({
  slug: 'victim-00000',
  agent: 'victim',
  label: null,
  backend: 'bubblewrap',
  provider: 'command',
  provision: {
    title: 'victim',
    argv: ['sh', '-c', 'echo work > work; echo started; exec sleep 1000'],
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
const held = holdProgram();
if (held === null) throw new Error('the build is not whole');
const bottle = await launchBottle({
  plan,
  program: held,
  backend: bubblewrapBackend({
    runtimeDirectory: (slug) => bottlePaths(homePaths({ BOT_BOTTLE_HOME: home }), slug).runtime,
  }),
  paths: homePaths({ BOT_BOTTLE_HOME: home }),
  values: new Map(),
  userName: 'tester',
  stdio: ['ignore', 'inherit', 'inherit'],
  terminal: null,
  terminalEnvironment: {},
  origin: null,
  resumed: false,
  signal: new AbortController().signal,
  clock: systemClock,
  random: systemRandom,
  allocateUid: process.getuid?.() === 0 ? () => Promise.resolve(allocateUid()) : null,
  onStep: (step) => {
    if (step === dieAfter) die();
  },
});
process.stdout.write('launched\n');
await bottle.run();
