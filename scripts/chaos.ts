/**
 * `npm run chaos -- [--rounds N] [--seed S]`: kills processes of real bottles with -9, one a round, and looks at what is
 * left. Ends with 1 if a round did not hold; its seed repeats who was killed and when.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { chaosRound } from '../test/e2e/support/chaos.ts';

const DEFAULT_ROUNDS = 200;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { rounds: { type: 'string' }, seed: { type: 'string' } } });
  const rounds = Number(values.rounds ?? DEFAULT_ROUNDS);
  const first = Number(values.seed ?? randomInt(2 ** 31));
  if (!Number.isSafeInteger(rounds) || !Number.isSafeInteger(first) || rounds < 1) {
    process.stderr.write('usage: npm run chaos -- [--rounds N] [--seed S]\n');
    return 2;
  }
  let failed = 0;
  for (let seed = first; seed < first + rounds; seed += 1) {
    const { what, problems } = await chaosRound(seed).catch(unfinished);
    process.stdout.write(`${problems.length === 0 ? '✓' : '✗'} ${String(seed)} ${what}\n`);
    for (const problem of problems) process.stdout.write(`    ${problem}\n`);
    failed += problems.length === 0 ? 0 : 1;
  }
  process.stdout.write(`${String(rounds)} rounds, ${String(failed)} did not hold\n`);
  return failed === 0 ? 0 : 1;
}

function unfinished(failure: unknown): Awaited<ReturnType<typeof chaosRound>> {
  return { seed: 0, what: 'did not finish', problems: [failure instanceof Error ? failure.message : String(failure)] };
}

process.exitCode = await main(process.argv.slice(2));
