import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';

/** Everything that runs below a process. */
export function descendants(pid: number): readonly number[] {
  const children = read(`/proc/${String(pid)}/task/${String(pid)}/children`)
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time that these processes have used so far, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = read(`/proc/${String(pid)}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return ticks.reduce((sum, value) => sum + value, 0) / TICKS_PER_SECOND;
}

/** Resident set of the largest of these processes, in MiB: of a proxy it is the one that carries the traffic. */
export function largestMiB(pids: readonly number[]): number {
  const kib = pids.map((pid) => Number(/^Rss:\s+(\d+)/m.exec(read(`/proc/${String(pid)}/smaps_rollup`))?.[1] ?? 0));
  return Math.max(0, ...kib) / 1024;
}

/** Proportional set size of these processes together, in MiB: shared pages are counted once. */
export function memoryMiB(pids: readonly number[]): number {
  const kib = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${String(pid)}/smaps_rollup`))?.[1] ?? 0));
  return kib.reduce((sum, value) => sum + value, 0) / 1024;
}

export function waitForExit(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else
      child.once('exit', () => {
        resolve();
      });
  });
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    // The process ended meanwhile.
    return '';
  }
}
