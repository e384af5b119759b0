/**
 * `npm run bench:dlp`: what scanning costs, next to a loop that only looks at each byte and to secretlint, interleaved in
 * one run, because only ratios travel between machines; what the worst text costs; whether every generated credential is
 * found; and how long one request keeps the others waiting. Prints a table; writes `bench/results/dlp.json` and a chart.
 * With `--quick` it only shows that all of it works and writes nothing; with `--gate` it exits 1 when a bar is missed.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { adversarial, longestSlices, recall, smallBodies } from './dlp/bodies.ts';
import { corpora } from './dlp/corpora.ts';
import { asChart, asTable, isMissed, median, type Figure } from './dlp/report.ts';
import { run, SCANNER_NAMES, SCANNERS, type ScannerId } from './dlp/scanners.ts';
import { stalls } from './dlp/stall.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const MB = 1_000_000;
const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean' }, gate: { type: 'boolean' }, rounds: { type: 'string' } },
});
const quick = flags.quick ?? false;
const rounds = Number(flags.rounds ?? (quick ? 1 : 5));

async function main(): Promise<number> {
  const figures = [
    ...(await throughput(quick ? MB / 2 : 4 * MB)),
    ...smallBodies(rounds),
    ...longestSlices(rounds),
    ...adversarial({ rounds: Math.min(rounds, 3), every: quick ? 40 : 1 }),
    ...(await recall()),
    ...(await stalls({ root: ROOT, rounds, quick })),
  ];
  process.stdout.write(`${asTable(figures)}\n`);
  if (!quick) save(figures);
  const missed = figures.filter(isMissed);
  for (const { title } of missed) process.stdout.write(`missed: ${title}\n`);
  return (flags.gate ?? false) && missed.length > 0 ? 1 : 0;
}

async function throughput(bytes: number): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const corpus of corpora(bytes)) {
    const speeds = new Map<ScannerId, number[]>();
    for (let round = 0; round <= rounds; round += 1) {
      for (const id of SCANNERS) {
        const started = process.threadCpuUsage();
        for (const document of corpus.documents) await run(id, document);
        const { user, system } = process.threadCpuUsage(started);
        // Of this thread's own time: what else the machine does is no matter of the scanner's.
        const speed = corpus.bytes / (user + system);
        // The first round is for the compiler.
        if (round > 0) speeds.set(id, [...(speeds.get(id) ?? []), speed]);
      }
    }
    const of = (id: ScannerId): number => median(speeds.get(id) ?? []);
    const share = of('all') / of('loop');
    figures.push({
      id: `scan-${corpus.id}`,
      title: `scan ${corpus.title}`,
      unit: 'MB/s',
      better: 'more',
      values: SCANNERS.map((id) => ({ name: SCANNER_NAMES[id], value: of(id) })),
      ours: of('all'),
      bar: { must: 60, aim: 120 },
    });
    figures.push({
      id: `share-${corpus.id}`,
      title: `the same, of the byte loop's speed`,
      unit: '×',
      better: 'more',
      values: [
        { name: SCANNER_NAMES.all, value: share },
        { name: SCANNER_NAMES.secretlint, value: of('secretlint') / of('loop') },
      ],
      ours: share,
      bar: { must: 0.08, aim: 0.15 },
    });
    process.stderr.write(`  ${corpus.title}\n`);
  }
  return figures;
}

function save(figures: readonly Figure[]): void {
  const results = path.join(ROOT, 'bench/results');
  fs.mkdirSync(results, { recursive: true });
  const machine = {
    cpus: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
    kernel: os.release(),
    node: process.version,
    load: os.loadavg()[0],
  };
  fs.writeFileSync(path.join(results, 'dlp.json'), `${JSON.stringify({ machine, rounds, figures }, null, 2)}\n`);
  fs.writeFileSync(path.join(results, 'dlp.svg'), asChart(figures));
}

process.exitCode = await main();
