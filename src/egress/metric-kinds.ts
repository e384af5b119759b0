import type { MetricFamily, MetricSample } from '../schema/metrics.ts';

/** Sets of label values that one family may have; what comes beyond is counted as one more, named `other`. */
const MOST_SERIES = 256;
const OTHER = 'other';
/** Between the values of one set: in none of them. */
const SEPARATOR = '\n';

interface Named {
  readonly name: string;
  readonly help: string;
}

/** Counts by labels. What is counted by is from closed sets of ours; the bound is for what should never happen. */
export class LabelledCounter<Label extends string> {
  readonly #labels: readonly Label[];
  readonly #values = new Map<string, number>();

  constructor(labels: readonly Label[]) {
    this.#labels = labels;
  }

  /** Values in the order of the labels. */
  add(values: readonly string[], amount = 1): void {
    const key = values.join(SEPARATOR);
    const known = this.#values.get(key);
    if (known !== undefined || this.#values.size < MOST_SERIES) this.#values.set(key, (known ?? 0) + amount);
    else this.#overflow(amount);
  }

  family(named: Named): MetricFamily {
    const samples = [...this.#values].map(([key, value]) => {
      const values = key.split(SEPARATOR);
      return sample(Object.fromEntries(this.#labels.map((label, index) => [label, values[index] ?? ''])), value);
    });
    return { ...named, type: 'counter', samples };
  }

  #overflow(amount: number): void {
    const key = this.#labels.map(() => OTHER).join(SEPARATOR);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }
}

/** Upper bounds in seconds: from what a decision takes to what the longest time-out of a phase lets pass. */
const BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

/** How long something took. */
export class Histogram {
  readonly #counts = new Array<number>(BOUNDS_S.length + 1).fill(0);
  #sumMs = 0;

  observeMs(durationMs: number): void {
    const seconds = durationMs / 1000;
    let bucket = 0;
    while (bucket < BOUNDS_S.length && seconds > (BOUNDS_S[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += durationMs;
  }

  samples(labels: Readonly<Record<string, string>>): MetricSample[] {
    let total = 0;
    const buckets = this.#counts.map((count, index): MetricSample => {
      total += count;
      const bound = BOUNDS_S[index];
      return {
        suffix: '_bucket',
        labels: { ...labels, le: bound === undefined ? '+Inf' : String(bound) },
        value: total,
      };
    });
    return [
      ...buckets,
      { suffix: '_sum', labels: { ...labels }, value: this.#sumMs / 1000 },
      { suffix: '_count', labels: { ...labels }, value: total },
    ];
  }
}

export function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [sample({}, value)] };
}

export function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [sample({}, value)] };
}

/** One counter by one label, its values known from the start. */
export function counterBy(
  { name, help }: Named,
  label: string,
  values: Readonly<Record<string, number>>,
): MetricFamily {
  return {
    name,
    help,
    type: 'counter',
    samples: Object.entries(values).map(([key, value]) => sample({ [label]: key }, value)),
  };
}

function sample(labels: Readonly<Record<string, string>>, value: number): MetricSample {
  return { suffix: '', labels: { ...labels }, value };
}
