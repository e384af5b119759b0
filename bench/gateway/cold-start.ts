import { performance } from 'node:perf_hooks';
import { mitmproxy, ours, type Contender, type World } from './contenders.ts';
import { perform } from './load.ts';
import { CONTENDERS, type ContenderId, type Measure } from './measures.ts';
import { median, type Cell, type Row } from './report.ts';

const MEASURE: Measure = {
  id: 'cold-start',
  title: 'from start to the first 200',
  unit: 'ms',
  better: 'less',
  protocol: 'h1',
  task: (target) => ({ ...target, kind: 'first' }),
  figure: () => Number.NaN,
  bar: { ours: 'scanned', peer: 'mitm', must: 0.5, aim: 0.33 },
};

/** Starts each proxy anew, and stops the clock at the first answer through it; the client is this process. */
export async function coldStarts(
  world: World,
  { withMitm, rounds }: { readonly withMitm: boolean; readonly rounds: number },
): Promise<Row> {
  const times = new Map<ContenderId, number[]>();
  for (let round = 0; round < rounds; round += 1) {
    await timed('scanned', () => ours(world, 'scanned'), times);
    if (withMitm) await timed('mitm', () => mitmproxy(world, 'cold', round), times);
  }
  const cells = CONTENDERS.map((id): readonly [ContenderId, Cell] => {
    const values = times.get(id);
    return [id, values === undefined ? null : { value: median(values) }];
  });
  return { measure: MEASURE, cells: new Map(cells) };
}

async function timed(
  id: ContenderId,
  start: () => Promise<Contender>,
  times: Map<ContenderId, number[]>,
): Promise<void> {
  const began = performance.now();
  const contender = await start();
  try {
    await perform(MEASURE.task(contender.target));
    times.set(id, [...(times.get(id) ?? []), performance.now() - began]);
  } finally {
    await contender.stop();
  }
}
