import { SeededRandom } from './random.ts';

/** Something that takes hostile bytes, and what must be true of it whatever they are. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs to begin from, right and wrong, one byte per character. */
  readonly corpus: readonly string[];
  /** What is put in here and there: the words that the grammar turns on. */
  readonly dictionary: readonly string[];
  /** Iterations under `npm test`. */
  readonly iterations: number;
  /** Throws when something that must hold does not. `random` is for choices such as where to cut. */
  readonly check: (input: Uint8Array, random: SeededRandom) => void | Promise<void>;
}

export class FuzzFailure extends Error {
  constructor(target: FuzzTarget, seed: number, input: Uint8Array, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      `${target.name}: ${why}\ninput (base64): ${Buffer.from(input).toString('base64')}\n` +
        `again: npm run fuzz -- ${target.name} --seed ${seed} --iterations 1`,
      { cause },
    );
    this.name = 'FuzzFailure';
  }
}

/** One iteration; everything in it follows from the seed. */
export async function fuzzOnce(target: FuzzTarget, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const input = mutate(target, random);
  try {
    await target.check(input, random);
  } catch (failure) {
    throw new FuzzFailure(target, seed, input, failure);
  }
}

const LARGEST_INPUT = 4096;

/** An input of the corpus, changed in up to five places. */
export function mutate(target: FuzzTarget, random: SeededRandom): Uint8Array {
  let bytes: Buffer = Buffer.from(random.pick(target.corpus), 'latin1');
  for (let left = random.below(6); left > 0; left -= 1) bytes = change(bytes, target, random);
  return Uint8Array.from(bytes.subarray(0, LARGEST_INPUT));
}

function change(bytes: Buffer, target: FuzzTarget, random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + random.below(8));
  const splice = (...middle: readonly Buffer[]): Buffer =>
    Buffer.concat([bytes.subarray(0, at), ...middle, bytes.subarray(to)]);
  switch (random.below(8)) {
    case 0:
      return splice();
    case 1:
      return splice(bytes.subarray(at, to), bytes.subarray(at, to));
    case 2:
      return splice(Buffer.of(random.below(256)));
    case 3:
      return splice(bytes.subarray(at, to), Buffer.of(random.below(256)));
    case 4:
      return bytes.subarray(0, at);
    case 5: {
      const other = Buffer.from(random.pick(target.corpus), 'latin1');
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
    default:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(random.pick(target.dictionary), 'latin1'),
        bytes.subarray(random.below(2) === 0 ? at : to),
      ]);
  }
}

/** Up to five places to cut `length` bytes at, with both ends. */
export function randomCuts(length: number, random: SeededRandom): readonly number[] {
  const inner = Array.from({ length: random.below(6) }, () => random.below(length + 1));
  return [0, ...inner, length].sort((left, right) => left - right);
}

export function cutInto(input: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  return cuts.slice(1).map((end, index) => input.subarray(cuts[index], end));
}
