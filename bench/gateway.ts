/**
 * `npm run bench:gateway`: the gateway against its peers, interleaved in one run, because only ratios travel between
 * machines: direct TLS, a tunnel that looks at nothing, this gateway with scanning off and on, mitmproxy with a trivial
 * and with a scanning addon. Prints a table; writes `bench/results/gateway.json` and a chart beside it. With `--quick`
 * it only shows that all of it works; `--only get-32,h2` takes those measures alone and writes nothing; with `--gate` it
 * exits 1 when a bar is missed.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { installPrograms, missingPrograms } from '../scripts/system-packages.ts';
import * as contenders from './gateway/contenders.ts';
import { coldStarts } from './gateway/cold-start.ts';
import { load, startOrigin } from './gateway/runner.ts';
import { CONTENDERS, FULL, measures, QUICK, type ContenderId, type Measure } from './gateway/measures.ts';
import { cpuSeconds, largestMiB, memoryMiB } from './gateway/processes.ts';
import { asChart, asTable, judge, median, type Cell, type Row } from './gateway/report.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    gate: { type: 'boolean' },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
});
const quick = flags.quick ?? false;
/** Ids of the measures that are wanted, with those that they are held against. */
const only = flags.only?.split(',') ?? null;
const wanted = (id: string): boolean => only === null || only.includes(id);
const rounds = Number(flags.rounds ?? (quick ? 1 : 5));

async function main(): Promise<number> {
  const withMitm = hasMitmproxy();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-bench-'));
  fs.chmodSync(directory, 0o755);
  const running = new Map<ContenderId, contenders.Contender>();
  const origin = await startOrigin(ROOT, directory);
  try {
    contenders.writeBottles(origin.world);
    running.set('direct', contenders.direct(origin.world));
    running.set('tunnel', await contenders.blindTunnel(origin.world));
    running.set('plain', await contenders.ours(origin.world, 'plain'));
    running.set('scanned', await contenders.ours(origin.world, 'scanned'));
    if (withMitm) {
      running.set('mitm', await contenders.mitmproxy(origin.world, 'trivial'));
      running.set('mitm-scan', await contenders.mitmproxy(origin.world, 'scanning'));
    }
    const rows = await measureAll(running);
    const cold = wanted('cold-start') ? [await coldStarts(origin.world, { withMitm, rounds })] : [];
    return finish([...rows, ...cold]);
  } finally {
    for (const contender of running.values()) await contender.stop();
    origin.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function hasMitmproxy(): boolean {
  if (missingPrograms(['mitmproxy']).length === 0) return true;
  const outcome = installPrograms(['mitmproxy'], (line) => process.stdout.write(`${line}\n`));
  if (outcome.kind === 'installed' || outcome.kind === 'present') return true;
  process.stdout.write(`mitmproxy is missing (${outcome.why}; ${outcome.fix}): its columns stay empty.\n`);
  return false;
}

async function measureAll(running: ReadonlyMap<ContenderId, contenders.Contender>): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const measure of measures(quick ? QUICK : FULL).filter(({ id }) => wanted(id))) {
    const seen = new Map<ContenderId, number[]>();
    const failed = new Map<ContenderId, string>();
    for (let round = 0; round < rounds; round += 1) {
      for (const [id, contender] of running) {
        if (measure.without?.includes(id) === true || failed.has(id)) continue;
        const outcome = await once(measure, contender);
        if (typeof outcome === 'number') seen.set(id, [...(seen.get(id) ?? []), outcome]);
        else failed.set(id, outcome.failed);
      }
    }
    const cells = CONTENDERS.map((id): readonly [ContenderId, Cell] => {
      const why = failed.get(id);
      const values = seen.get(id);
      return [id, why !== undefined ? { failed: why } : values === undefined ? null : { value: median(values) }];
    });
    rows.push({ measure, cells: new Map(cells) });
    process.stderr.write(`  ${measure.title}\n`);
    for (const [id, why] of failed) process.stderr.write(`    ${id}: ${why}\n`);
  }
  return rows;
}

async function once(measure: Measure, contender: contenders.Contender): Promise<number | { readonly failed: string }> {
  const target = measure.protocol === 'h2' ? contender.h2Target : contender.target;
  const before = cpuSeconds(contender.pids());
  const result = await load(measure.task(target));
  if ('failed' in result) return result;
  const pids = contender.pids();
  return measure.figure(result, {
    cpuSeconds: cpuSeconds(pids) - before,
    largestMiB: largestMiB(pids),
    memoryMiB: memoryMiB(pids),
  });
}

function finish(rows: readonly Row[]): number {
  process.stdout.write(`${asTable(rows)}\n`);
  const verdicts = rows.map((row) => ({ row, verdict: judge(row, rows) }));
  const missed = verdicts.filter(({ verdict }) => verdict?.reached === 'missed');
  if (!quick && only === null) save(rows);
  for (const { row } of missed) process.stdout.write(`missed: ${row.measure.title}\n`);
  return (flags.gate ?? false) && missed.length > 0 ? 1 : 0;
}

function save(rows: readonly Row[]): void {
  const results = path.join(ROOT, 'bench/results');
  fs.mkdirSync(results, { recursive: true });
  const machine = {
    cpus: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
    kernel: os.release(),
    node: process.version,
    loadBefore: os.loadavg()[0],
  };
  const data = rows.map((row) => ({
    id: row.measure.id,
    title: row.measure.title,
    unit: row.measure.unit,
    better: row.measure.better,
    ...Object.fromEntries(row.cells),
    verdict: judge(row, rows),
    bar: row.measure.bar ?? null,
  }));
  fs.writeFileSync(path.join(results, 'gateway.json'), `${JSON.stringify({ machine, rounds, rows: data }, null, 2)}\n`);
  fs.writeFileSync(path.join(results, 'gateway.svg'), asChart(rows));
}

process.exitCode = await main();
