/** When each step of a launch is over, in milliseconds since the command was started: `run --verbose` says them. */
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

export interface ProfiledCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

const MARKS: readonly { readonly line: RegExp; readonly name: (found: RegExpExecArray) => string }[] = [
  { line: /^\s*✓ (\w+)\s+[\d.]+ s$/, name: ([, step = '']) => step },
  { line: /^\s*✓ \d+ walls proved$/, name: () => 'gate opened' },
  { line: /ended \(exit 0\)/, name: () => 'put away' },
];

/** One run. `agent` is the agent's first instruction, and `gone` the command's end. */
export async function profileOnce(command: ProfiledCommand): Promise<ReadonlyMap<string, number>> {
  const started = performance.now();
  const startedWall = Date.now();
  const moments = new Map<string, number>();
  const said: string[] = [];
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    env: command.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    for (const { line: pattern, name } of MARKS) {
      const found = pattern.exec(line);
      if (found !== null) moments.set(name(found), performance.now() - started);
    }
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    moments.set('agent', Number(line) / 1e6 - startedWall);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`the run ended with ${String(code)}:\n${said.join('\n')}`);
  return moments.set('gone', performance.now() - started);
}

/** Medians of several runs, in the order of time, each with what it adds to the one before. */
export async function profileLaunch(command: ProfiledCommand, rounds: number): Promise<string> {
  await profileOnce(command);
  const samples = new Map<string, number[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, at] of await profileOnce(command)) {
      const known = samples.get(name);
      if (known === undefined) samples.set(name, [at]);
      else known.push(at);
    }
  }
  const medians = [...samples].map(([name, values]) => ({ name, at: median(values) }));
  medians.sort((left, right) => left.at - right.at);
  return medians
    .map(({ name, at }, index) => {
      const added = at - (medians[index - 1]?.at ?? 0);
      return `${name.padEnd(14)} ${at.toFixed(0).padStart(5)} ms   + ${added.toFixed(0).padStart(4)} ms\n`;
    })
    .join('');
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
