/**
 * What the git gate costs: a push of 1,000 commits through it, beside the same push to a bare repository on this disk,
 * plus the scan at the engine's own speed over the same bytes. Interleaved; only the ratio travels between machines.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtInRules } from '../src/dlp/rules/index.ts';
import { buildRuleSet } from '../src/dlp/rule-set.ts';
import { screenBytes, type Screen } from '../src/dlp/screen.ts';
import { buildKnownValues } from '../src/dlp/known-values.ts';
import { runGit } from '../test/gitgate/support/gate.ts';
import { openGate } from '../test/gitgate/support/gate.ts';

const COMMITS = 1_000;
const ROUNDS = Number(process.argv[2] ?? '3');
const RESULT = fileURLToPath(new URL('results/git.json', import.meta.url));

/** Ordinary text: each commit writes one file of a few kilobytes. */
function history(): string {
  const lines: string[] = [];
  for (let number = 1; number <= COMMITS; number += 1) {
    const content = Array.from(
      { length: 60 },
      (_, line) => `export const value${line} = ${number * line}; // line ${line} of ${number}`,
    ).join('\n');
    const message = `Change ${number}`;
    lines.push(
      `commit refs/heads/work\nmark :${number}\ncommitter A <a@example.com> ${1_700_000_000 + number} +0000\n` +
        `data ${message.length}\n${message}\n${number === 1 ? 'from refs/heads/main^0\n' : ''}` +
        `M 100644 inline src/file-${number % 100}.ts\ndata ${content.length}\n${content}\n`,
    );
  }
  return lines.join('');
}

async function timed(
  work: () => Promise<{ readonly status: number | null; readonly stderr: string }>,
): Promise<number> {
  const begun = performance.now();
  const { status, stderr } = await work();
  if (status !== 0) throw new Error(stderr);
  return performance.now() - begun;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

await using gate = await openGate({ knownValues: [{ name: 'A', value: 'k7Qm2Xw9Lp4Rt8Vz' }] });
const directory = await gate.clone();
await gate.must(['fast-import', '--quiet'], { cwd: directory, input: history() });
const mirror = fs.mkdtempSync(path.join(os.tmpdir(), 'bb-bench-git-'));
const bare = path.join(mirror, 'bare.git');
await gate.must(['clone', '-q', '--bare', gate.upstream, bare]);
await gate.must(['push', '-q', gate.url(), 'work:refs/heads/warm'], { cwd: directory });
await gate.must(['branch', '-D', 'warm'], { cwd: gate.upstream });

const listed = await gate.must(['rev-list', '--objects', '--no-object-names', 'work', '^origin/main'], {
  cwd: directory,
});
const contents = spawnSync('git', ['-c', 'safe.directory=*', 'cat-file', '--batch'], {
  cwd: directory,
  input: listed,
  maxBuffer: 2 ** 30,
}).stdout;
const screen: Screen = {
  known: buildKnownValues([{ name: 'A', value: 'k7Qm2Xw9Lp4Rt8Vz' }]),
  tokens: { rules: buildRuleSet(builtInRules().filter(({ rule }) => rule.kind !== 'personal')), mark: () => 'x' },
};
screenBytes(screen, contents, '');

const plain: number[] = [];
const scans: number[] = [];
const gated: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  plain.push(await timed(() => runGit(['push', '-q', bare, `work:refs/heads/r${round}`], directory)));
  await gate.must(['branch', '-D', `r${round}`], { cwd: bare });
  await gate.must(['-c', 'gc.pruneExpire=now', 'gc', '-q', '--prune=now'], { cwd: bare });
  const begun = performance.now();
  screenBytes(screen, contents, '');
  scans.push(performance.now() - begun);
  gated.push(await timed(() => runGit(['push', '-q', gate.url(), `work:refs/heads/r${round}`], directory)));
  await gate.must(['branch', '-D', `r${round}`], { cwd: gate.upstream });
  await gate.must(['-c', 'gc.pruneExpire=now', 'gc', '-q', '--prune=now'], { cwd: gate.upstream });
}
fs.rmSync(mirror, { recursive: true, force: true });

const result = {
  commits: COMMITS,
  objects: listed.split('\n').length,
  bytes: contents.length,
  rounds: ROUNDS,
  plainMs: Math.round(median(plain)),
  scanMs: Math.round(median(scans)),
  gatedMs: Math.round(median(gated)),
  ratio: Number((median(gated) / (median(plain) + median(scans))).toFixed(2)),
  bar: 1.5,
  machine: { cpus: os.cpus().length, node: process.version },
};
fs.writeFileSync(RESULT, `${JSON.stringify(result, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
