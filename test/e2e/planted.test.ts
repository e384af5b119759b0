import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { shellElf } from './support/shell-elf.ts';
import { Terminal, TMUX } from './support/terminal.ts';
import { runtimePlaces } from './support/leftovers.ts';
import { World } from './support/world.ts';

/** Values that belong to nobody else on the machine, each on its own way in. */
const PROMPTED = `planted-prompted-${randomBytes(16).toString('hex')}`;
const HOST = `planted-host-${randomBytes(16).toString('hex')}`;
const TOKEN = `planted-token-${randomBytes(16).toString('hex')}`;
const ALL = [PROMPTED, HOST, TOKEN];
const MARK = 'agent-of-the-planted-test';

const CLI = `${process.execPath} ${path.resolve('dist/cli.js')}`;

function plantedWorld(): World {
  const world = new World();
  fs.writeFileSync(path.join(world.root, 'claude'), shellElf(), { mode: 0o755 });
  fs.writeFileSync(path.join(world.project, 'agent.sh'), `exec sh -c 'echo ready; read line; : ${MARK}'\n`);
  fs.writeFileSync(path.join(world.root, 'values'), `export HOST_KEY=${HOST} API_TOKEN=${TOKEN}\n`);
  world.bottle(
    'planted',
    `agent_provider: {template: claude, settings: {cli: host}}
env: {ASKED: "?The value", FORWARDED: "\${HOST_KEY}"}
egress: {routes: [{host: api.example, auth: {scheme: Bearer, token_ref: API_TOKEN}}]}`,
  );
  world.agent('keeper', 'bottle: planted');
  return world;
}

describe.skipIf(TMUX === null)('S8 G-SECRET values on their way into a bottle', () => {
  it('are in no argument, environment, file or output of ours, while the bottle runs and after', async () => {
    using world = plantedWorld();
    const command = `. ${world.root}/values; export PATH=${world.root}:/usr/bin:/bin; ${CLI} start keeper --cwd --label kept`;
    using terminal = new Terminal(world, `${command}; echo code=$?; sleep 60`);
    await terminal.sees(/The value:/);
    terminal.enter(PROMPTED);
    await terminal.sees(/Start\? \[y\/N\]/);
    terminal.enter('y');
    await terminal.sees(/ready/);

    expect(processesThatHold(PROMPTED)).toEqual([]);
    expect(processesThatHold(TOKEN)).toEqual([]);
    expect(processesThatHold(HOST)).toEqual([]);
    expect(agentProcesses().map(({ environment }) => holds(environment, [PROMPTED, HOST, TOKEN]))).toContainEqual([
      PROMPTED,
      HOST,
    ]);
    expect(filesThatHold(world)).toEqual([]);
    expect(await outputs(world, true)).toEqual([]);

    terminal.key('Enter');
    await terminal.sees(/code=0/);
    expect(filesThatHold(world)).toEqual([]);
    expect(await outputs(world, false)).toEqual([]);
    expect(holds(terminal.history(), ALL)).toEqual([]);
  });

  it.each([
    { why: 'a value is missing', says: /BOT_BOTTLE_SECRET_ASKED/, env: { API_TOKEN: TOKEN, HOST_KEY: HOST } },
    { why: 'a credential is missing', says: /API_TOKEN/, env: { HOST_KEY: HOST, BOT_BOTTLE_SECRET_ASKED: PROMPTED } },
    {
      why: 'a credential is no header value',
      says: /API_TOKEN/,
      env: { HOST_KEY: HOST, BOT_BOTTLE_SECRET_ASKED: PROMPTED, API_TOKEN: `${TOKEN}\nsecond line` },
    },
  ])('are in no error: $why', async ({ says, env }) => {
    using world = plantedWorld();
    const args = ['start', 'keeper', '--headless', '--prompt', 'work'];
    const refused = await world.run(args, { env: { PATH: `${world.root}:/usr/bin:/bin`, ...env } });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(says);
    expect(holds(refused.stdout + refused.stderr, ALL)).toEqual([]);
    expect(filesThatHold(world)).toEqual([]);
    expect(world.slugs()).toEqual([]);
  });
});

function holds(text: string, values: readonly string[]): readonly string[] {
  return values.filter((value) => text.includes(value));
}

/** What an operator would look at while something runs, and after. */
async function outputs(world: World, live: boolean): Promise<readonly string[]> {
  const env = { PATH: `${world.root}:/usr/bin:/bin`, HOST_KEY: HOST, API_TOKEN: TOKEN };
  const found: string[] = [];
  for (const args of [
    ['list', 'active', '--json'],
    ['info', 'keeper', '--json'],
    ['start', 'keeper', '--dry-run', '--json'],
    ['logs', 'kept'],
  ]) {
    const { code, stdout, stderr } = await world.run(args, { env });
    if (live) expect(code, stderr).toBe(0);
    found.push(...holds(stdout + stderr, ALL).map((value) => `${args.join(' ')} shows ${value}`));
  }
  return found;
}

interface Process {
  readonly pid: string;
  readonly namespace: string;
  readonly command: string;
  readonly environment: string;
}

function processes(): readonly Process[] {
  return fs.readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return [
        {
          pid,
          namespace: fs.readlinkSync(`/proc/${pid}/ns/pid`),
          command: fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' '),
          environment: fs.readFileSync(`/proc/${pid}/environ`, 'latin1'),
        },
      ];
    } catch {
      // It ended meanwhile, or belongs to somebody else.
      return [];
    }
  });
}

/** All in the agent's own PID namespace. */
function agentProcesses(all = processes()): readonly Process[] {
  const own = fs.readlinkSync('/proc/self/ns/pid');
  const agent = all.find(({ command, namespace }) => command.includes(MARK) && namespace !== own);
  return all.filter(({ namespace }) => namespace === agent?.namespace);
}

/** Outside the agent. The operator's shell and the command that they typed there inherit what the operator keeps in it. */
function processesThatHold(value: string): readonly string[] {
  const all = processes();
  const agent = new Set(agentProcesses(all));
  return all
    .filter((process) => !agent.has(process))
    .flatMap(({ pid, command, environment }) => {
      const typed = value !== PROMPTED && command.includes('start keeper --cwd');
      return command.includes(value) || (!typed && environment.includes(value)) ? [`${pid}: ${command}`] : [];
    });
}

/** State, runtime and logs; not the operator's own file of values, which is where they were planted. */
function filesThatHold(world: World): readonly string[] {
  return [world.home, ...runtimePlaces()]
    .filter((place) => fs.existsSync(place))
    .flatMap((place) =>
      fs
        .readdirSync(place, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name)),
    )
    .filter((file) => holds(readText(file), ALL).length > 0);
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    // Another bottle's, gone meanwhile.
    return '';
  }
}
