import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createTestCa } from '../../test/stand-ins/test-ca.ts';
import * as contenders from './contenders.ts';
import type { Result, Task } from './load.ts';
import { waitForExit } from './processes.ts';

/** The upstream of every contender, with a certificate of its own. */
export async function startOrigin(
  root: string,
  directory: string,
): Promise<{ world: contenders.World; stop: () => void }> {
  const ca = createTestCa('bench origin root');
  const { cert, key } = ca.issue([contenders.HOST]);
  const file = (name: string, content: string): string => {
    const target = path.join(directory, name);
    fs.writeFileSync(target, content);
    return target;
  };
  const originCa = file('origin-ca.pem', ca.certificate);
  const args = [file('origin.pem', cert), file('origin.key', key)];
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'origin.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const origin = await contenders.firstLine<{ h1: number; h2: number }>(child, 'the origin');
  return {
    world: { root, directory, cli: path.join(root, 'bin/bot-bottle'), origin, originCa },
    stop: () => {
      child.kill('SIGKILL');
    },
  };
}

const TASK_TIMEOUT_MS = 120_000;

/** One measurement in a process of its own, or why there is none. */
export async function load(task: Task): Promise<Result | { readonly failed: string }> {
  const script = path.join(import.meta.dirname, 'load.ts');
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TASK_TIMEOUT_MS,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await waitForExit(child);
  if (child.exitCode === 0) return JSON.parse(stdout) as Result;
  const why = /Error: .*/.exec(stderr)?.[0] ?? `it took over ${String(TASK_TIMEOUT_MS / 1000)} s`;
  return { failed: why };
}
