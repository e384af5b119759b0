/**
 * `npm run fuzz -- [target] [--seconds N | --minutes N] [--seed S] [--iterations N]`: hostile bytes for as long as you
 * like. Without a target every one gets the time in turn. Ends with 1 at the first failure, which names the seed that
 * repeats it. With `--grow` inputs that reach something new are kept in `test/fuzz/corpora/`.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { withCorpus, writeCorpus } from '../test/fuzz/corpora.ts';
import { grow } from '../test/fuzz/grow.ts';
import { FuzzFailure, fuzzOnce, type FuzzTarget } from '../test/fuzz/target.ts';
import { TARGETS } from '../test/fuzz/targets/index.ts';

const DEFAULT_SECONDS = 10;
const CLOCK_EVERY = 64;

interface Budget {
  readonly seed: number;
  readonly iterations: number;
  readonly seconds: number;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      iterations: { type: 'string' },
      grow: { type: 'boolean', default: false },
    },
  });
  const targets = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const budget = {
    seed: numberOr(values.seed, randomInt(2 ** 31)),
    iterations: numberOr(values.iterations, Number.POSITIVE_INFINITY),
    seconds: numberOr(values.seconds, 60 * numberOr(values.minutes, DEFAULT_SECONDS / 60)),
  };
  const unknown = positionals.filter((name) => !TARGETS.some((target) => target.name === name));
  if (unknown.length > 0 || Object.values(budget).some((value) => !(value >= 0))) {
    process.stderr.write(`usage: npm run fuzz -- [target] [--seconds N | --minutes N] [--seed S] [--iterations N]\n`);
    process.stderr.write(`targets: ${TARGETS.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  for (const target of targets) {
    const held = values.grow ? await enlarge(target, budget) : await fuzz(withCorpus(target), budget);
    if (!held) return 1;
  }
  return 0;
}

async function enlarge(target: FuzzTarget, { seed, seconds }: Budget): Promise<boolean> {
  process.stdout.write(`${target.name}: seed ${seed} … `);
  try {
    const { tried, kept, features } = await grow(target, seed, seconds);
    writeCorpus(target, kept);
    process.stdout.write(`${tried} inputs, ${kept.length} kept for ${features} features\n`);
    return true;
  } catch (failure) {
    if (!(failure instanceof FuzzFailure)) throw failure;
    process.stdout.write(`failed\n${failure.message}\n`);
    return false;
  }
}

function numberOr(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Number(text);
}

async function fuzz(target: FuzzTarget, { seed, iterations, seconds }: Budget): Promise<boolean> {
  process.stdout.write(`${target.name}: seed ${seed} … `);
  const end = performance.now() + seconds * 1000;
  let done = 0;
  try {
    while (done < iterations && (done % CLOCK_EVERY !== 0 || performance.now() < end)) {
      await fuzzOnce(target, seed + done);
      done += 1;
    }
  } catch (failure) {
    if (!(failure instanceof FuzzFailure)) throw failure;
    process.stdout.write(`failed after ${done}\n${failure.message}\n`);
    return false;
  }
  process.stdout.write(`${done} inputs, nothing found\n`);
  return true;
}

process.exitCode = await main(process.argv.slice(2));
