import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pollUntil } from '../../../src/launch/readiness.ts';
import { childrenOf, processStartTime, processTree, readTextOrNull } from '../../../src/platform/processes.ts';
import { SeededRandom } from '../../fuzz/random.ts';
import { leftovers } from './leftovers.ts';
import { collect, World, type CliResult } from './world.ts';

/**
 * One round of chaos: a real bottle, one of its processes killed with -9 at a step of the launch, at a moment of it, or
 * while the agent works. A seed repeats who and when; what the machine makes of it is its own.
 */
export interface ChaosRound {
  readonly seed: number;
  /** Who was killed, and when. */
  readonly what: string;
  /** Empty: the round held. */
  readonly problems: readonly string[];
}

export const VICTIMS = ['launcher', 'init', 'egress', 'box', 'bottle', 'agent', 'anyone'] as const;
export type Victim = (typeof VICTIMS)[number];
export const MOMENTS = [
  'workspace',
  'home',
  'runtime',
  'bottle',
  'bundle',
  'confinement',
  'agent',
  'at random',
] as const;
export type Moment = (typeof MOMENTS)[number];

/** What comes of a bottle whose round is over: put away, gone on with, or gone on with and killed again. */
export const ENDINGS = ['cleanup', 'resume', 'resume, killed'] as const;
export type Ending = (typeof ENDINGS)[number];

/** Writes its work down for good, or says what is there already; then says so, and ends with its input. */
const AGENT =
  'if test -e marker; then echo "resumed $(cat marker)"; else echo work > marker && sync; fi; echo "started $0"; while read -r line; do :; done';
const LONGEST_DELAY_MS = 900;
const GONE_WITHIN_MS = 20_000;
const ENDED_WITHIN_MS = 60_000;

export interface Chosen {
  readonly victim?: Victim;
  readonly moment?: Moment;
  readonly ending?: Ending;
}

export async function chaosRound(seed: number, { victim, moment, ending }: Chosen = {}): Promise<ChaosRound> {
  const random = new SeededRandom(seed);
  const who = victim ?? random.pick(VICTIMS);
  const when = moment ?? random.pick(MOMENTS);
  const delayMs = random.below(LONGEST_DELAY_MS);
  const then = ending ?? random.pick(ENDINGS);
  using world = new World();
  world.bottle('limited', 'resources: {pids: 300, memory: 1GiB}');
  const limited = random.below(2) === 0 ? ['--bottle', 'limited'] : [];
  const session = new Session(world, ['run', '--verbose', ...limited, '--', 'sh', '-c', AGENT, world.home]);
  await session.reached(when, delayMs);
  const before = session.processes();
  const killed = session.kill(who, random);
  const result = await session.end();
  const problems = [...judgeEnd(result, killed, session.started), ...(await untilGone([...before, ...session.known]))];
  const slugs = world.slugs();
  if (then === 'cleanup') problems.push(...(await cleanedUp(world)));
  else if (session.started) problems.push(...(await goneOn(world, random, then === 'resume, killed')));
  problems.push(...(await judgeRemains(world, slugs, session.started)));
  if (then !== 'cleanup' && session.started) problems.push(...(await delivered(world)));
  const at = when === 'at random' ? `${String(delayMs)} ms in` : when;
  return { seed, what: `${who} (${killed ?? 'not there'}) at ${at}, then ${then}`, problems };
}

/** What a crash left is put away first, as the command itself says; then the agent finds its work. */
async function goneOn(world: World, random: SeededRandom, again: boolean): Promise<readonly string[]> {
  const [slug = ''] = world.slugs();
  const problems: string[] = [];
  const first = await world.run(['resume', slug]);
  if (first.code !== 0) {
    if (!first.stderr.includes('bot-bottle cleanup')) problems.push(`resume: ${String(first.code)}: ${first.stderr}`);
    problems.push(...(await cleanedUp(world)));
  }
  if (again) problems.push(...(await killedAgain(world, slug, random)));
  const resumed = await world.run(['resume', slug]);
  if (resumed.code !== 0) problems.push(`resume: exit ${String(resumed.code)}: ${resumed.stderr}`);
  if (!resumed.stdout.includes('resumed work\n')) problems.push(`the agent did not find its work: ${resumed.stdout}`);
  return problems;
}

async function killedAgain(world: World, slug: string, random: SeededRandom): Promise<readonly string[]> {
  const session = new Session(world, ['resume', slug]);
  await session.reached('at random', random.below(LONGEST_DELAY_MS));
  const before = session.processes();
  const killed = session.kill(random.pick(VICTIMS), random);
  const result = await session.end();
  return [
    ...judgeEnd(result, killed, session.started).map((problem) => `resume: ${problem}`),
    ...(await untilGone([...before, ...session.known])),
    ...(await cleanedUp(world)),
  ];
}

/** Home at last: then there is nothing left of the bottle. */
async function delivered(world: World): Promise<readonly string[]> {
  const [slug = ''] = world.slugs();
  const { code, stderr } = await world.run(['deliver', slug, '--yes']);
  const home = readTextOrNull(path.join(world.project, 'marker'));
  return [
    ...(code === 0 ? [] : [`deliver: exit ${String(code)}: ${stderr}`]),
    ...(home === 'work\n' ? [] : ['the work did not come home']),
    ...world.slugs().map((left) => `the state of ${left} is left`),
  ];
}

async function cleanedUp(world: World): Promise<readonly string[]> {
  const { code, stderr } = await world.run(['cleanup', '--yes']);
  return code === 0 ? [] : [`cleanup: exit ${String(code)}: ${stderr}`];
}

interface Seen {
  readonly pid: number;
  readonly startTime: string;
  readonly command: string;
}

class Session {
  /** Processes that came later, such as a service's next instance. */
  known: readonly Seen[] = [];
  readonly #child: ChildProcess;
  readonly #result: Promise<CliResult>;
  #words = '';

  constructor(world: World, args: readonly string[]) {
    this.#child = world.spawn(args);
    const hear = (chunk: Buffer): void => {
      this.#words += chunk.toString();
    };
    this.#child.stdout?.on('data', hear);
    this.#child.stderr?.on('data', hear);
    this.#child.stdin?.on('error', () => undefined);
    this.#result = collect(this.#child);
  }

  get started(): boolean {
    return this.#words.includes('started ');
  }

  async reached(moment: Moment, delayMs: number): Promise<void> {
    if (moment === 'at random') {
      await sleep(delayMs);
      return;
    }
    const sign = moment === 'agent' ? 'started ' : `✓ ${moment}`;
    await pollUntil(sign, ENDED_WITHIN_MS, () => this.#words.includes(sign) || this.#ended || null);
  }

  processes(): readonly Seen[] {
    return this.#tree().flatMap((pid) => {
      const startTime = processStartTime(pid);
      const command = commandOf(pid);
      return startTime === null ? [] : [{ pid, startTime, command }];
    });
  }

  /** The command of who was killed, or null when nobody of that kind was there. */
  kill(victim: Victim, random: SeededRandom): string | null {
    const candidates = this.#tree().filter((pid) => this.#is(pid, victim));
    if (candidates.length === 0) return null;
    const pid = random.pick(candidates);
    const command = commandOf(pid).slice(0, 60);
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself just now.
      return null;
    }
    return pid === this.#child.pid ? 'launcher' : command;
  }

  /** Lets the agent end, if it still lives, and gives the launcher the time it needs. */
  async end(): Promise<CliResult> {
    const settled = pollUntil('the agent or the end', ENDED_WITHIN_MS, () => this.started || this.#ended || null);
    await settled;
    this.known = this.processes();
    this.#child.stdin?.end();
    const timeout = AbortSignal.timeout(ENDED_WITHIN_MS);
    const late = new Promise<never>((_resolve, reject) => {
      timeout.addEventListener('abort', () => {
        this.#child.kill('SIGKILL');
        reject(new Error(`the launcher did not end; it said:\n${this.#words}`));
      });
    });
    return await Promise.race([this.#result, late]);
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #tree(): readonly number[] {
    return this.#child.pid === undefined || this.#ended ? [] : processTree(this.#child.pid);
  }

  #is(pid: number, victim: Victim): boolean {
    const launcher = pid === this.#child.pid;
    if (victim === 'launcher' || launcher) return launcher && (victim === 'launcher' || victim === 'anyone');
    const part = this.#partOf(pid);
    const leaf = childrenOf(pid).length === 0;
    switch (victim) {
      case 'anyone':
        return true;
      case 'init':
      case 'egress':
        return part === victim && leaf;
      case 'box':
        return (part === 'init' || part === 'egress') && !leaf;
      case 'bottle':
        return part === 'bottle' && !leaf;
      case 'agent':
        return part === 'bottle' && leaf;
    }
  }

  /** By the arguments of the child of the launcher that it belongs to. */
  #partOf(pid: number): 'init' | 'egress' | 'bottle' {
    const roots = childrenOf(this.#child.pid ?? 0);
    const root = roots.find((candidate) => processTree(candidate).includes(pid)) ?? pid;
    const commands = processTree(root).map(commandOf).join('\n');
    if (/stage-init|init\.js/.test(commands)) return 'init';
    return /stage-egress|egress\.js/.test(commands) ? 'egress' : 'bottle';
  }
}

function commandOf(pid: number): string {
  return (readTextOrNull(`/proc/${String(pid)}/cmdline`) ?? '').replaceAll('\0', ' ').trim();
}

/** What the operator is told: silence means that all went well, and nothing else may. */
function judgeEnd({ code, signal, stderr }: CliResult, killed: string | null, started: boolean): readonly string[] {
  if (killed === 'launcher') return signal === 'SIGKILL' ? [] : ['the launcher outlived its own end'];
  if (signal !== null) return [`the launcher died of ${signal}`];
  if (code === 0) return started ? [] : ['exit 0 without an agent'];
  const said = stderr
    .split('\n')
    .filter((line) => !/^\s*(✓|!|$)/.test(line))
    .join('\n');
  if (code === 137 && started) return [];
  if (said === '') return [`exit ${String(code)} and not a word`];
  return /at .*\.js:\d+|bug of ours/.test(said) ? [`a stack instead of a sentence: ${said}`] : [];
}

async function untilGone(seen: readonly Seen[]): Promise<readonly string[]> {
  const alive = (): readonly string[] =>
    seen.filter(({ pid, startTime }) => isAlive(pid, startTime)).map(({ pid, command }) => `${String(pid)} ${command}`);
  return await pollUntil('the end of every process', GONE_WITHIN_MS, () => (alive().length === 0 ? [] : null)).catch(
    () => [`still running: ${alive().join('; ')}`],
  );
}

async function judgeRemains(world: World, slugs: readonly string[], started: boolean): Promise<readonly string[]> {
  const problems: string[] = [...(await cleanedUp(world))];
  problems.push(...leftovers(world), ...groupsOf(slugs), ...holdersOf(world));
  if (started && !markerKept(world)) problems.push('the work is lost');
  const again = await world.run(['cleanup', '--yes']);
  if (again.stdout !== 'nothing to clean up\n') problems.push(`a second cleanup found: ${again.stdout}${again.stderr}`);
  const next = await world.run(['run', '--workspace', 'none', '--', 'true']);
  if (next.code !== 0) problems.push(`the next launch: exit ${String(next.code)}: ${next.stderr}`);
  return problems;
}

/** A zombie has ended; that its parent has not looked yet is no leak. */
function isAlive(pid: number, startTime: string): boolean {
  if (processStartTime(pid) !== startTime) return false;
  const stat = readTextOrNull(`/proc/${String(pid)}/stat`);
  return stat !== null && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
}

function markerKept(world: World): boolean {
  return world
    .slugs()
    .some((slug) => readTextOrNull(path.join(world.home, 'state', slug, 'workspace', 'marker')) === 'work\n');
}

function groupsOf(slugs: readonly string[]): readonly string[] {
  const mount = '/sys/fs/cgroup';
  if (!fs.existsSync(mount)) return [];
  return fs
    .readdirSync(mount)
    .map((name) => path.join(mount, name))
    .filter((place) => fs.statSync(place).isDirectory())
    .flatMap((place) =>
      fs
        .readdirSync(place)
        .filter((name) => slugs.some((slug) => name.startsWith(`bot-bottle-${slug}-`)))
        .map((name) => `control group ${path.join(place, name)}`),
    );
}

/** Processes without our paths in their arguments, which still hold a file of this world open. */
function holdersOf(world: World): readonly string[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const places = ['cwd', ...fs.readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)];
        const held = places
          .map((place) => fs.readlinkSync(`/proc/${pid}/${place}`))
          .find((to) => to.includes(world.root));
        return held === undefined ? [] : [`process ${pid} holds ${held}: ${commandOf(Number(pid))}`];
      } catch {
        // Ended meanwhile, or another user's.
        return [];
      }
    });
}
