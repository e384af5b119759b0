/**
 * Installs what the tests and the demo need from the system: bubblewrap and git. With `--all` also what only some tests
 * and the benchmarks use; those are welcome but not needed, so a missing one is said and does not fail the command.
 */
import { parseArgs } from 'node:util';
import { installPrograms, type Program } from './system-packages.ts';

const NEEDED: readonly Program[] = ['bwrap', 'git'];
const OPTIONAL: readonly Program[] = ['docker', 'qemu', 'mitmproxy', 'squid', 'h2load', 'strace', 'tmux'];

/** Returns whether everything needed is there now. */
export function setup(options: { readonly all: boolean }): boolean {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const needed = installPrograms(NEEDED, say);
  if (needed.kind === 'not-installed') {
    process.stderr.write(`missing: ${needed.missing.join(', ')} (${needed.why}). Install it:  ${needed.fix}\n`);
    return false;
  }
  if (options.all) for (const program of OPTIONAL) setUpOptional(program, say);
  return true;
}

function setUpOptional(program: Program, say: (line: string) => void): void {
  const outcome = installPrograms([program], say);
  if (outcome.kind === 'not-installed') say(`not installed: ${program} (${outcome.why}). By hand:  ${outcome.fix}`);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { all: { type: 'boolean', default: false } } });
  if (!setup(values)) process.exitCode = 1;
}
