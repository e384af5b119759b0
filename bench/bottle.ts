/**
 * `npm run bench:bottle`: what a bottle costs. Whole commands, interleaved with bare peers in the same run, because
 * only ratios travel between machines. Prints a table and writes `bench/results/bottle.json`. With `--profile` it says
 * instead when each step of a launch is over.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { profileLaunch } from './launch-profile.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const ROUNDS = 15;
const CLI = path.join(ROOT, 'dist/cli.js');

interface Contender {
  readonly name: string;
  /** Milliseconds of one run. */
  readonly once: () => number;
}

const world = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-bench-'));
process.once('exit', () => {
  fs.rmSync(world, { recursive: true, force: true });
});
const project = path.join(world, 'project');
fs.mkdirSync(project);
const env = { PATH: process.env['PATH'], HOME: world, BOT_BOTTLE_HOME: path.join(world, 'home') };

function timed(command: string, args: readonly string[]): number {
  const start = performance.now();
  const { status } = spawnSync(command, args, { cwd: project, env, stdio: 'ignore' });
  if (status !== 0) throw new Error(`${command} ended with ${String(status)}`);
  return performance.now() - start;
}

const inBottle = ['run', '--workspace', 'none', '--'];

/** The moment the agent's first instruction ran, by the machine's own clock. */
function firstInstruction(): number {
  const start = Date.now();
  const { stdout } = spawnSync(process.execPath, [CLI, ...inBottle, 'date', '+%s%N'], { cwd: project, env });
  return Number(stdout.toString().trim()) / 1e6 - start;
}

const contenders: readonly Contender[] = [
  { name: 'bare bwrap true', once: () => timed('bwrap', ['--ro-bind', '/', '/', 'true']) },
  { name: 'node -e 0', once: () => timed(process.execPath, ['-e', '0']) },
  { name: 'run -- true', once: () => timed(process.execPath, [CLI, ...inBottle, 'true']) },
  { name: 'first instruction', once: firstInstruction },
];

/** Proportional set size of what runs for one bottle outside of it and is not the launcher, in MiB. */
async function bundleMemory(): Promise<number> {
  const child = spawn(process.execPath, [CLI, ...inBottle, 'sh', '-c', 'echo up; sleep 30'], {
    cwd: project,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const services = descendants(child.pid ?? 0).filter((pid) => {
    const command = read(`/proc/${pid}/cmdline`);
    return command.startsWith('/opt/bot-bottle/node') && command.includes('/opt/bot-bottle/service');
  });
  if (services.length !== 2) throw new Error(`init and gateway expected, ${String(services.length)} services found`);
  const kib = services.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  await gone;
  return kib.reduce((sum, value) => sum + value, 0) / 1024;
}

/** Of this bottle's launcher only: other bottles may be up on the machine. */
function descendants(pid: number | string): readonly string[] {
  const children = read(`/proc/${String(pid)}/task/${String(pid)}/children`)
    .split(' ')
    .filter(Boolean);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;

if (process.argv.includes('--profile')) {
  const args = [CLI, 'run', '--verbose', '--workspace', 'none', '--', 'date', '+%s%N'];
  process.stdout.write(await profileLaunch({ program: process.execPath, args, cwd: project, env }, ROUNDS));
  process.exit();
}

for (const { once } of contenders) once();
const samples = new Map(contenders.map(({ name }) => [name, new Array<number>()]));
for (let round = 0; round < ROUNDS; round += 1)
  for (const { name, once } of contenders) samples.get(name)?.push(once());

const rows = [...samples].map(([name, values]) => {
  const sorted = [...values].sort((left, right) => left - right);
  return { name, medianMs: Math.round(quantile(sorted, 0.5)), p90Ms: Math.round(quantile(sorted, 0.9)) };
});
const bundleMiB = Math.round(await bundleMemory());
const peer = rows.find(({ name }) => name === 'node -e 0')?.medianMs ?? 1;
for (const { name, medianMs, p90Ms } of rows) {
  process.stdout.write(
    `${name.padEnd(20)} median ${String(medianMs).padStart(4)} ms   p90 ${String(p90Ms).padStart(4)} ms   ${(medianMs / peer).toFixed(1)} × node -e 0\n`,
  );
}
process.stdout.write(`${'bundle memory'.padEnd(20)} ${String(bundleMiB)} MiB (PSS, init and gateway of one bottle)\n`);

const machine = {
  cpus: os.cpus().length,
  memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
  kernel: os.release(),
  node: process.version,
};
fs.mkdirSync(path.join(ROOT, 'bench/results'), { recursive: true });
fs.writeFileSync(
  path.join(ROOT, 'bench/results/bottle.json'),
  `${JSON.stringify({ machine, rounds: ROUNDS, rows, bundleMiB }, null, 2)}\n`,
);
