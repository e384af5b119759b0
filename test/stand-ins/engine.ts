import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findExecutable } from '../../scripts/system-packages.ts';
import { ROOT } from '../../scripts/root.ts';
import { DockerEngine } from '../../src/platform/docker/engine.ts';

/**
 * A container engine of the tests' own: started by the first test that asks for it, shared by all of one run, ended by
 * the run's tear-down. It has no registry to pull from, so its one image is made of the distribution's packages.
 */
export const BASE_IMAGE = 'bot-bottle-test:base';

/** Short, because a socket's path holds 107 bytes. */
const PLACE = path.join(
  os.tmpdir(),
  `bot-bottle-engine-${createHash('sha256').update(ROOT).digest('hex').slice(0, 8)}`,
);
const SOCKET = path.join(PLACE, 'docker.sock');
const PID_FILE = path.join(PLACE, 'launcher.pid');
const READY = path.join(PLACE, 'ready');
const BASE_ARCHIVE = path.join(ROOT, '.cache', 'base.tar');
const PACKAGES = ['ca-certificates', 'curl', 'git', 'procps'];

export interface TestEngine {
  readonly socketPath: string;
  readonly image: string;
}

/** Why there can be no engine here; null when there can. */
export function noEngine(): string | null {
  if (process.getuid?.() !== 0) return 'only root can start a container engine';
  if (findExecutable('dockerd') === null) return 'no dockerd here (docker.io, moby-engine)';
  if (!fs.existsSync(BASE_ARCHIVE) && findExecutable('mmdebstrap') === null)
    return 'no mmdebstrap here to make an image with';
  return null;
}

const READY_MS = 300_000;

export async function testEngine(): Promise<TestEngine> {
  const why = noEngine();
  if (why !== null) throw new Error(why);
  if (await claim()) await start();
  const deadline = Date.now() + READY_MS;
  while (!fs.existsSync(READY)) {
    if (Date.now() > deadline) throw new Error(`the engine did not come up; see ${PLACE}/log`);
    await sleep(100);
  }
  return { socketPath: SOCKET, image: BASE_IMAGE };
}

/** True for the one who is to start it. */
async function claim(): Promise<boolean> {
  fs.mkdirSync(PLACE, { recursive: true, mode: 0o700 });
  try {
    fs.writeFileSync(PID_FILE, '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

async function start(): Promise<void> {
  const log = fs.openSync(path.join(PLACE, 'log'), 'a');
  const options = {
    '--data-root': path.join(PLACE, 'data'),
    '--exec-root': path.join(PLACE, 'exec'),
    '--pidfile': path.join(PLACE, 'dockerd.pid'),
    '--host': `unix://${SOCKET}`,
  };
  const child = spawn(
    'dockerd',
    [...Object.entries(options).flat(), '--bridge=none', '--iptables=false', '--ip6tables=false', ...runtimes()],
    { detached: true, stdio: ['ignore', log, log] },
  );
  child.unref();
  fs.closeSync(log);
  fs.writeFileSync(PID_FILE, String(child.pid));
  const engine = new DockerEngine(SOCKET);
  const deadline = Date.now() + READY_MS;
  while (!(await answers(engine))) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`dockerd did not start; see ${PLACE}/log`);
    await sleep(100);
  }
  await importBase(engine);
  fs.writeFileSync(READY, '');
}

function runtimes(): readonly string[] {
  const runsc = findExecutable('runsc');
  return runsc === null ? [] : [`--add-runtime=runsc=${runsc}`];
}

async function answers(engine: DockerEngine): Promise<boolean> {
  try {
    await engine.send({ method: 'GET', path: '/info' });
    return true;
  } catch {
    return false;
  }
}

async function importBase(engine: DockerEngine): Promise<void> {
  if (!fs.existsSync(BASE_ARCHIVE)) makeBase();
  const [repo = '', tag = ''] = BASE_IMAGE.split(':');
  const answer = await engine.stream(
    { method: 'POST', path: '/images/create', query: { fromSrc: '-', repo, tag }, timeoutMs: null },
    fs.createReadStream(BASE_ARCHIVE),
  );
  for await (const _ of answer) void _;
}

function makeBase(): void {
  fs.mkdirSync(path.dirname(BASE_ARCHIVE), { recursive: true });
  const partial = `${BASE_ARCHIVE}.${String(process.pid)}.tar`;
  const { status, stderr } = spawnSync(
    'mmdebstrap',
    ['--variant=minbase', `--include=${PACKAGES.join(',')}`, distribution(), partial],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`mmdebstrap: ${stderr.slice(-2_000)}`);
  fs.renameSync(partial, BASE_ARCHIVE);
}

function distribution(): string {
  return /^VERSION_CODENAME=(\w+)/m.exec(fs.readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
}

/** Ends the engine of this run, if any test has asked for one. */
export async function endEngine(): Promise<void> {
  const pid = Number(readOr(PID_FILE, '0'));
  if (pid > 0) {
    signal(pid, 'SIGTERM');
    for (let waited = 0; signal(pid, 0) && waited < 10_000; waited += 50) await sleep(50);
    signal(pid, 'SIGKILL');
  }
  for (const point of mountsBelow(PLACE)) spawnSync('umount', ['--lazy', point]);
  fs.rmSync(PLACE, { recursive: true, force: true, maxRetries: 5 });
}

/** The engine's own network namespace stays mounted when it ends. Innermost first. */
function mountsBelow(directory: string): readonly string[] {
  return readOr('/proc/self/mountinfo', '')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${directory}/`))
    .toReversed();
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function readOr(file: string, otherwise: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : otherwise;
}
