import { MOST_INPUTS, readCorpus } from './corpora.ts';
import { Coverage } from './coverage.ts';
import { SeededRandom } from './random.ts';
import { FuzzFailure, mutate, type FuzzTarget } from './target.ts';

/** Kept small: a long input that reaches nothing more than a short one is no use. */
const LONGEST_KEPT_BYTES = 1024;

interface Kept {
  readonly input: Uint8Array;
  readonly features: ReadonlySet<string>;
}

export interface Growth {
  readonly tried: number;
  readonly kept: readonly Uint8Array[];
  readonly features: number;
}

/**
 * Tries inputs that are made from those that reached something new, and gives the fewest that reach all of it.
 * Throws `FuzzFailure` for one that finds something.
 */
export async function grow(target: FuzzTarget, seed: number, seconds: number): Promise<Growth> {
  using coverage = new Coverage();
  const begin = [...target.corpus.map((text) => Uint8Array.from(Buffer.from(text, 'latin1'))), ...readCorpus(target)];
  const seen = new Set<string>();
  const kept: Kept[] = [];
  const look = async (input: Uint8Array, at: number): Promise<void> => {
    const features = await featuresOf(coverage, target, input, at);
    const fresh = [...features].some((feature) => !seen.has(feature));
    for (const feature of features) seen.add(feature);
    if (fresh && input.length <= LONGEST_KEPT_BYTES) kept.push({ input, features });
  };
  for (const input of begin) await look(input, seed);
  const end = performance.now() + seconds * 1000;
  let tried = 0;
  while (performance.now() < end) {
    const random = new SeededRandom(seed + tried);
    const pool = kept.map(({ input }) => Buffer.from(input).toString('latin1'));
    const from = { ...target, corpus: pool.length === 0 ? target.corpus : [...pool, ...target.corpus] };
    for (let round = 0; round < ROUND; round += 1) {
      tried += 1;
      await look(mutate(from, random), seed + tried);
    }
  }
  return { tried, kept: fewestOf(kept).map(({ input }) => input), features: seen.size };
}

/** Inputs made from one state of the corpus, before it is looked at again. */
const ROUND = 64;

async function featuresOf(
  coverage: Coverage,
  target: FuzzTarget,
  input: Uint8Array,
  seed: number,
): Promise<ReadonlySet<string>> {
  coverage.take();
  try {
    await target.check(input, new SeededRandom(seed));
  } catch (failure) {
    throw new FuzzFailure(target, seed, input, failure);
  }
  return coverage.take();
}

/** Greedy: the input that adds most, the shorter of two that add the same, until nothing is left to add. */
function fewestOf(kept: readonly Kept[]): readonly Kept[] {
  const candidates = kept.toSorted((left, right) => left.input.length - right.input.length);
  const covered = new Set<string>();
  const chosen: Kept[] = [];
  while (chosen.length < MOST_INPUTS) {
    let best: Kept | null = null;
    let most = 0;
    for (const candidate of candidates) {
      let adds = 0;
      for (const feature of candidate.features) if (!covered.has(feature)) adds += 1;
      if (adds > most) [best, most] = [candidate, adds];
    }
    if (best === null) break;
    for (const feature of best.features) covered.add(feature);
    chosen.push(best);
  }
  return chosen;
}
