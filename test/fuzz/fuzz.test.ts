import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CORPORA, corpusFile, MOST_INPUTS, readCorpus, withCorpus } from './corpora.ts';
import { Coverage } from './coverage.ts';
import { grow } from './grow.ts';
import { SeededRandom } from './random.ts';
import { FuzzFailure, fuzzOnce, type FuzzTarget } from './target.ts';
import { TARGETS } from './targets/index.ts';

/** The same inputs on every machine, then new ones: a failure names the seed that repeats it. */
const FIXED_SEED = 1;
const SPLITS = 4;
const freshSeed = randomInt(2 ** 31);

describe.each(TARGETS.map(withCorpus))('S23 hostile bytes: $name', (target) => {
  it.each([
    { kind: 'fixed', seed: FIXED_SEED },
    { kind: 'fresh', seed: freshSeed },
  ])('$kind seed $seed', async ({ seed }) => {
    for (let index = 0; index < target.iterations; index += 1) await fuzzOnce(target, seed + index);
  });
});

describe('S23 inputs that were kept', () => {
  it.each(TARGETS)('$name: all of them, each split in several ways', async (target) => {
    const inputs = readCorpus(target);
    expect(inputs.length, `there are none: npm run fuzz -- ${target.name} --grow`).toBeGreaterThan(0);
    expect(inputs.length).toBeLessThanOrEqual(MOST_INPUTS);
    for (const input of inputs) {
      for (let seed = 0; seed < SPLITS; seed += 1) await target.check(input, new SeededRandom(seed));
    }
  });

  it('are of targets that there are', () => {
    const files = TARGETS.map((target) => path.basename(corpusFile(target)));
    expect(fs.readdirSync(CORPORA).sort()).toEqual(files.sort());
  });
});

describe('the fuzzer', () => {
  const failing: FuzzTarget = {
    name: 'no-x',
    corpus: ['aaaa'],
    dictionary: ['x'],
    iterations: 1,
    check: (input) => {
      expect(input).not.toContain(120);
    },
  };
  const failureOf = async (seed: number): Promise<FuzzFailure | null> => {
    try {
      await fuzzOnce(failing, seed);
      return null;
    } catch (failure) {
      if (failure instanceof FuzzFailure) return failure;
      throw failure;
    }
  };

  it('keeps few inputs that reach all that any did, and finds what is wrong on the way', async () => {
    const target = TARGETS.find(({ name }) => name === 'grpc-messages');
    if (target === undefined) throw new Error('no such target');
    const { kept, tried, features } = await grow(target, FIXED_SEED, 0.2);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(MOST_INPUTS);
    expect(features).toBeGreaterThan(kept.length);
    expect(tried % 64).toBe(0);
    using coverage = new Coverage();
    const reached = new Set<string>();
    for (const input of kept) {
      coverage.take();
      await target.check(input, new SeededRandom(FIXED_SEED));
      for (const feature of coverage.take()) reached.add(feature.split(':')[0] ?? '');
    }
    expect([...reached]).toContain('protocol/grpc-frames.ts');
    await expect(grow({ ...failing, corpus: ['x'] }, FIXED_SEED, 0.2)).rejects.toThrow(FuzzFailure);
  });

  it('finds what is wrong, and the seed it names finds it again', async () => {
    let seed = 0;
    let failure = await failureOf(seed);
    while (failure === null && seed < 200) failure = await failureOf((seed += 1));
    expect(failure?.message).toContain(`npm run fuzz -- no-x --seed ${String(seed)} --iterations 1`);
    expect((await failureOf(seed))?.message).toBe(failure?.message);
  });
});
