import { builtInRules, BUILT_IN_RULES } from '../../src/dlp/rules/index.ts';
import { buildRuleSet } from '../../src/dlp/rule-set.ts';
import { createScanner } from '../../src/dlp/screen.ts';
import { scanTokens } from '../../src/dlp/token-scanner.ts';
import { cook } from '../../test/dlp/support/recipe.ts';
import { SeededRandom } from '../../test/fuzz/random.ts';
import { corpora } from './corpora.ts';
import { median, type Figure } from './report.ts';
import { ALL, FORMATS, scan, secretlint } from './scanners.ts';

const SMALL_BYTES = 10_000;

/** A body of ordinary size, of which a part is escaped as forms escape and a part is encoded. */
export function smallBodies(rounds: number): readonly Figure[] {
  const [, chat] = corpora(SMALL_BYTES);
  const text = chat?.documents[0]?.toString('utf8') ?? '';
  const body = Buffer.from(
    [
      text.slice(0, 4_000),
      encodeURIComponent(encodeURIComponent(text.slice(0, 1_500))),
      Buffer.from(text.slice(0, 1_500)).toString('base64'),
      JSON.stringify(JSON.stringify(text)),
    ]
      .join('\n')
      .slice(0, SMALL_BYTES),
  );
  const times = Array.from({ length: rounds * 40 }, () => timed(() => scan(ALL, body)));
  const ours = median(times);
  return [
    {
      id: 'small-body',
      title: 'a body of 10 KB with escaped and encoded parts',
      unit: 'ms',
      better: 'less',
      values: [{ name: 'formats and known values', value: ours }],
      ours,
      bar: { must: 1, aim: 0.3 },
    },
  ];
}

function timed(task: () => void): number {
  const started = performance.now();
  task();
  return performance.now() - started;
}

/** This thread's own time: what else the machine does is no matter of the scanner's. */
function cpuOf(task: () => void): number {
  const started = process.threadCpuUsage();
  task();
  const { user, system } = process.threadCpuUsage(started);
  return (user + system) / 1_000;
}

const SLICE_BYTES = 16 * 1024;

/** How long the scan of one slice holds the event loop: of every slice the best of some rounds, and of those the worst. */
export function longestSlices(rounds: number): readonly Figure[] {
  const chat = corpora(2_000_000).find(({ id }) => id === 'chat');
  const bodies = [
    { name: 'a conversation', body: Buffer.concat(chat?.documents ?? []) },
    { name: 'a hostile text', body: repeated('xoxb-', 1_000_000) },
  ];
  const values = bodies.map(({ name, body }) => {
    const best = new Float64Array(Math.ceil(body.length / SLICE_BYTES)).fill(Infinity);
    for (let round = 0; round <= rounds; round += 1) {
      const scanner = createScanner(ALL, 'body');
      for (let slice = 0; slice < best.length; slice += 1) {
        const ms = timed(() => scanner.push(body.subarray(slice * SLICE_BYTES, (slice + 1) * SLICE_BYTES)));
        best[slice] = Math.min(best[slice] ?? Infinity, ms);
      }
    }
    return { name, value: Math.max(...best) };
  });
  const ours = Math.max(...values.map(({ value }) => value));
  return [
    {
      id: 'slice',
      title: 'how long one slice of a body keeps others waiting',
      unit: 'ms',
      better: 'less',
      values,
      ours,
      bar: { must: 20, aim: 10 },
    },
  ];
}

const ADVERSARIAL_BYTES = 100_000;

/** Texts that make a scanner work: one keyword of a rule over and over, in six shapes. */
export function adversarialShapes(): readonly string[] {
  const keywords = new Set(BUILT_IN_RULES.flatMap((rule) => rule.keywords));
  return [...keywords].flatMap((word) => [word, `${word} `, `${word}=`, `${word}: "`, `${word}a`, `"${word}_`]);
}

export const repeated = (shape: string, bytes: number): Buffer =>
  Buffer.from(shape.repeat(Math.ceil(bytes / shape.length)).slice(0, bytes));

export function adversarial(options: { readonly rounds: number; readonly every: number }): readonly Figure[] {
  const shapes = adversarialShapes().filter((_, at) => at % options.every === 0);
  const best = shapes.map((shape) => {
    const document = repeated(shape, ADVERSARIAL_BYTES);
    return {
      shape,
      ms: Math.min(...Array.from({ length: options.rounds }, () => cpuOf(() => scan(FORMATS, document)))),
    };
  });
  const worst = best.reduce((most, next) => (next.ms > most.ms ? next : most));
  process.stderr.write(
    `  the worst of ${String(shapes.length)} hostile texts repeats ${JSON.stringify(worst.shape)}\n`,
  );
  return [
    {
      id: 'adversarial',
      title: `the worst of ${String(shapes.length)} hostile texts of 100 KB`,
      unit: 'ms',
      better: 'less',
      values: [
        { name: 'worst', value: worst.ms },
        { name: 'median', value: median(best.map(({ ms }) => ms)) },
      ],
      ours: worst.ms,
      bar: { must: 50, aim: 20 },
    },
  ];
}

/** Generated credentials of every rule: how many are found. Secretlint has fewer formats, so its number is no bar. */
export async function recall(): Promise<readonly Figure[]> {
  const rules = buildRuleSet(builtInRules());
  const positives = BUILT_IN_RULES.flatMap(({ id, examples }) =>
    examples.match.flatMap((recipe) => [1, 2, 3].map((seed) => ({ id, text: cook(recipe, new SeededRandom(seed)) }))),
  );
  const parts = { rules, mark: (): string => '' };
  const found = positives.filter(({ id, text }) =>
    scanTokens(parts, Buffer.from(text)).some(({ rule }) => rule === id),
  );
  let foundByOther = 0;
  for (const { text } of positives) if ((await secretlint(text)) > 0) foundByOther += 1;
  const share = (count: number): number => (100 * count) / positives.length;
  return [
    {
      id: 'recall',
      title: `generated credentials of ${String(BUILT_IN_RULES.length)} formats that are found`,
      unit: '%',
      better: 'more',
      values: [
        { name: 'all formats', value: share(found.length) },
        { name: 'secretlint', value: share(foundByOther) },
      ],
      ours: share(found.length),
      bar: { must: 100, aim: 100 },
    },
  ];
}
