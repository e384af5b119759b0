/**
 * `npm test`: sets up what is missing, builds, runs every check and all tests, and ends with what was skipped and why and
 * one line of counts. With CI=true a skipped test fails the run unless its reason is on the list of what a CI machine
 * can't help.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { closedAncestor, openPlace, planBound } from './reachable.ts';
import { ROOT } from './root.ts';
import { setup } from './setup.ts';
import { judgeRun, readReports } from './test-report.ts';

const CHECKS = ['build', 'typecheck', 'lint', 'deps', 'knip', 'format:check', 'package:check'] as const;

const inCi = process.env['CI'] === 'true';

function main(): number {
  if (!setup('tests')) {
    process.stderr.write('The tests start real bottles, so they need bubblewrap and git.\n');
    return 1;
  }
  const failedChecks = CHECKS.filter((name) => !runs(name, 'npm', ['run', '--silent', name]));
  const reports = path.join(ROOT, '.cache', 'test');
  fs.rmSync(reports, { recursive: true, force: true });
  fs.mkdirSync(reports, { recursive: true });
  const vitestPassed = runs('tests', 'vitest', ['run'], { BOT_BOTTLE_TEST_REPORTS: reports });
  const verdict = judgeRun({ reports: readReports(reports), vitestPassed, failedChecks, inCi });
  process.stdout.write(`\n${verdict.lines.join('\n')}\n`);
  return verdict.ok ? 0 : 1;
}

function runs(
  title: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): boolean {
  process.stdout.write(`\n── ${title}\n`);
  const tools = path.join(ROOT, 'node_modules', '.bin');
  const { status } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env, PATH: `${tools}${path.delimiter}${process.env['PATH'] ?? ''}` },
  });
  return status === 0;
}

/** The same command where every user can reach the clone; null when it can be reached already, or can't be helped. */
function runWhereAllCanReach(): number | null {
  const closed = process.getuid?.() === 0 ? closedAncestor(ROOT) : null;
  if (closed === null) return null;
  using place = openPlace();
  if (place === null) return null;
  process.stdout.write(`Others can't enter ${closed}; the tests run at ${place.directory}, the same files.\n`);
  const node = path.join(place.directory, path.relative(ROOT, process.execPath));
  const inClone = !path.relative(ROOT, process.execPath).startsWith('..');
  const command = [inClone ? node : process.execPath, path.join(place.directory, 'scripts', 'test.ts')];
  const [program = '', ...args] = planBound(ROOT, place.directory, command);
  return spawnSync(program, args, { stdio: 'inherit' }).status ?? 1;
}

process.exitCode = runWhereAllCanReach() ?? main();
