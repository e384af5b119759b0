import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import * as contenders from '../gateway/contenders.ts';
import { load, startOrigin } from '../gateway/runner.ts';
import { repeated } from './bodies.ts';
import { corpora } from './corpora.ts';
import { median, type Figure } from './report.ts';

const MiB = 1024 * 1024;
/** What a request may be kept waiting by another one. */
const STALL_MS = 20;

interface Upload {
  readonly id: string;
  readonly title: string;
  readonly gzip: boolean;
  readonly body: () => Buffer;
}

const UPLOADS: readonly Upload[] = [
  { id: 'chat', title: 'a conversation of 8 MiB', gzip: false, body: () => conversation(8 * MiB) },
  { id: 'gzip', title: 'the same, compressed', gzip: true, body: () => gzipSync(conversation(8 * MiB)) },
  { id: 'hostile', title: 'a hostile text of 2 MiB', gzip: false, body: () => repeated('xoxb-', 2 * MiB) },
];

function conversation(bytes: number): Buffer {
  const chat = corpora(bytes).find(({ id }) => id === 'chat');
  return Buffer.concat(chat?.documents ?? []);
}

/** Small requests through the gateway while another connection uploads without a pause, with the scan off and on. */
export async function stalls(options: {
  readonly root: string;
  readonly rounds: number;
  readonly quick: boolean;
}): Promise<readonly Figure[]> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-bench-'));
  fs.chmodSync(directory, 0o755);
  const origin = await startOrigin(options.root, directory);
  const running: contenders.Contender[] = [];
  try {
    contenders.writeBottles(origin.world);
    const plain = await contenders.ours(origin.world, 'plain');
    running.push(plain);
    const scanned = await contenders.ours(origin.world, 'scanned');
    running.push(scanned);
    const figures: Figure[] = [];
    for (const upload of UPLOADS) {
      const file = path.join(directory, upload.id);
      fs.writeFileSync(file, upload.body());
      figures.push(await figureOf(upload, { file, plain, scanned, ...options }));
      process.stderr.write(`  requests beside ${upload.title}\n`);
    }
    return figures;
  } finally {
    for (const contender of running) await contender.stop();
    origin.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function figureOf(
  { id, title, gzip }: Upload,
  options: {
    readonly file: string;
    readonly plain: contenders.Contender;
    readonly scanned: contenders.Contender;
    readonly rounds: number;
    readonly quick: boolean;
  },
): Promise<Figure> {
  const seen = { off: [] as number[], on: [] as number[], typical: [] as number[] };
  for (let round = 0; round <= options.rounds; round += 1) {
    const off = await once(options.plain);
    const on = await once(options.scanned);
    // The first round is for the compiler.
    if (round === 0) continue;
    seen.off.push(off.max);
    seen.on.push(on.max);
    seen.typical.push(on.p50);
  }
  // The least disturbed of the rounds: everything else that this machine does only adds to it.
  const [on, off] = [Math.min(...seen.on), Math.min(...seen.off)];
  const ours = Math.max(0, on - off);
  return {
    id: `stall-${id}`,
    title: `the slowest request beside ${title}, more than with the scan off`,
    unit: 'ms',
    better: 'less',
    values: [
      { name: 'more', value: ours },
      { name: 'slowest, scan on', value: on },
      { name: 'slowest, scan off', value: off },
      { name: 'median, scan on', value: median(seen.typical) },
    ],
    ours,
    bar: { must: STALL_MS, aim: STALL_MS / 2 },
  };

  async function once({ target }: contenders.Contender): Promise<{ readonly max: number; readonly p50: number }> {
    const durationMs = options.quick ? 500 : 2_000;
    const result = await load({ ...target, kind: 'stall', file: options.file, gzip, durationMs });
    if ('failed' in result) throw new Error(`${title}: ${result.failed}`);
    return { max: result.max ?? 0, p50: result.p50 ?? 0 };
  }
}
