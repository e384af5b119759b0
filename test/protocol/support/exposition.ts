/**
 * A strict reader of the Prometheus text format 0.0.4, written from its specification and nothing of ours. It throws
 * where a scraper might: a family in two places, a sample without a type, a histogram that does not add up.
 */
export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ReadSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

export function readExposition(text: string): ReadonlyMap<string, ReadFamily> {
  if (text === '') return new Map();
  assert(text.endsWith('\n'), 'the last line has no end');
  const families = new Map<string, { type: string; help: string; samples: ReadSample[] }>();
  let current = '';
  let help: { readonly name: string; readonly text: string } | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment;
      assert(NAME.exec(name)?.[0] === name, `a name: ${line}`);
      if (kind === 'HELP') {
        help = { name, text: unescape(rest, false) };
        continue;
      }
      assert(!families.has(name), `${name} has two types, or lies in two places`);
      assert(['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest), `a type: ${line}`);
      assert(help?.name === name, `${name} has its help before its type`);
      families.set(name, { type: rest, help: help.text, samples: [] });
      current = name;
      continue;
    }
    assert(!line.startsWith('#') && line !== '', `neither a comment nor a sample: ${line}`);
    const sample = readSample(line);
    const family = families.get(current);
    assert(
      family !== undefined && belongs(sample.name, current, family.type),
      `${sample.name} stands below ${current}`,
    );
    family.samples.push(sample);
  }
  for (const [name, family] of families) check(name, family);
  return families;
}

function readSample(line: string): ReadSample {
  const name = NAME.exec(line)?.[0];
  assert(name !== undefined, `no name: ${line}`);
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const label = LABEL_NAME.exec(rest)?.[0];
      assert(label !== undefined, `no label: ${line}`);
      const quoted = /^="((?:[^"\\]|\\.)*)"/.exec(rest.slice(label.length));
      assert(quoted !== null, `no value of ${label}: ${line}`);
      assert(!Object.hasOwn(labels, label), `${label} stands twice: ${line}`);
      labels[label] = unescape(quoted[1] ?? '', true);
      rest = rest.slice(label.length + quoted[0].length);
      if (rest.startsWith(',')) rest = rest.slice(1);
      else assert(rest.startsWith('}'), `after ${label}: ${line}`);
    }
    rest = rest.slice(1);
  }
  assert(rest.startsWith(' '), `no value: ${line}`);
  const value = rest.slice(1);
  assert(VALUE.test(value), `a number: ${line}`);
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function unescape(text: string, quotes: boolean): string {
  return text.replace(/\\(.?)/g, (_, escaped: string) => {
    if (escaped === 'n') return '\n';
    assert(escaped === '\\' || (quotes && escaped === '"'), `an escape that is none: \\${escaped}`);
    return escaped;
  });
}

function belongs(sample: string, family: string, type: string): boolean {
  if (type !== 'histogram') return sample === family;
  return ['_bucket', '_sum', '_count'].some((suffix) => sample === family + suffix);
}

function check(name: string, { type, samples }: ReadFamily): void {
  const seen = samples.map((sample) => `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`);
  assert(new Set(seen).size === seen.length, `${name} has one series twice`);
  if (type === 'counter') {
    assert(name.endsWith('_total'), `${name} is a counter and not named so`);
    for (const { value } of samples) assert(value >= 0, `${name} is below nothing`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly ReadSample[]): void {
  const series = new Map<string, ReadSample[]>();
  for (const sample of samples) {
    const labels = Object.entries(sample.labels).filter(([label]) => label !== 'le');
    const key = JSON.stringify(labels.sort());
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, members] of series) {
    const buckets = members.filter((sample) => sample.name === `${name}_bucket`);
    const counts = members.filter((sample) => sample.name === `${name}_count`);
    const sums = members.filter((sample) => sample.name === `${name}_sum`);
    assert(counts.length === 1 && sums.length === 1, `${name} ${key} has one sum and one count`);
    const bounds = buckets.map(({ labels }) => Number((labels['le'] ?? '').replace('Inf', 'Infinity')));
    assert(bounds.at(-1) === Infinity, `${name} ${key} ends with +Inf`);
    bounds.forEach((bound, index) => {
      assert(index === 0 || bound > (bounds[index - 1] ?? bound), `${name} ${key}: bounds rise`);
      const below = buckets[index - 1]?.value ?? 0;
      assert((buckets[index]?.value ?? -1) >= below, `${name} ${key}: a bucket holds those below it`);
    });
    assert(buckets.at(-1)?.value === counts[0]?.value, `${name} ${key}: the last bucket is the count`);
  }
}

function assert(held: boolean, what: string): asserts held {
  if (!held) throw new Error(what);
}

/** The value of the one series with these labels; undefined where there is none. */
export function valueOf(
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  return family?.samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;
}
