/**
 * Installs what bot-bottle needs from the system: bubblewrap and git. `--tests` adds the small programs that tests use
 * as clients, `--all` also the large ones that only further backends and the benchmarks use. What is only welcome is
 * said when it can't be had, and does not fail the command.
 */
import { parseArgs } from 'node:util';
import { installPrograms, type Program } from './system-packages.ts';

const NEEDED: readonly Program[] = ['bwrap', 'git'];
const TEST_CLIENTS: readonly Program[] = ['curl', 'openssl', 'python3', 'sshd', 'strace', 'tmux'];
/** What the tests of a backend need; where it can't be had, they say so. */
const TEST_BACKENDS: readonly Program[] = ['docker', 'mmdebstrap', 'gvisor'];
const LARGE: readonly Program[] = ['qemu', 'mitmproxy', 'squid', 'h2load'];

export type Extent = 'needed' | 'tests' | 'all';

/** Returns whether everything needed is there now. */
export function setup(extent: Extent): boolean {
  const needed = installPrograms(NEEDED, say);
  if (needed.kind === 'not-installed') {
    process.stderr.write(`missing: ${needed.missing.join(', ')} (${needed.why}). Install it:  ${needed.fix}\n`);
    return false;
  }
  if (extent !== 'needed')
    for (const programs of [TEST_CLIENTS, ...TEST_BACKENDS.map((program) => [program])]) setUpWelcome(programs);
  if (extent === 'all') for (const program of LARGE) setUpWelcome([program]);
  return true;
}

function setUpWelcome(programs: readonly Program[]): void {
  const outcome = installPrograms(programs, say);
  if (outcome.kind === 'not-installed') {
    say(`not installed: ${outcome.missing.join(', ')} (${outcome.why}). By hand:  ${outcome.fix}`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { all: { type: 'boolean', default: false }, tests: { type: 'boolean', default: false } },
  });
  if (!setup(values.all ? 'all' : values.tests ? 'tests' : 'needed')) process.exitCode = 1;
}
