/**
 * `npm run soak -- [--minutes N] [--requests N]`: one gateway under mixed traffic, resets and reloads, for at least so
 * long and at least so many requests (10 and 2,000,000 unless told). Ends with 1 if its memory grows beyond noise, if
 * a connection is stuck, a request has no answer, or any request has not exactly one record.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DecisionRecordSchema } from '../src/schema/decision.ts';
import { Ledger, type Judge } from '../test/egress/support/ledger.ts';
import { KINDS, LONG_KINDS, runWorker } from '../test/egress/support/load.ts';
import { OriginSchema, StateSchema, type Ask, type State } from '../test/soak/messages.ts';
import { slopeOf, type Sample, type Slope } from '../test/soak/regression.ts';

const ALWAYS = ['h1-always.example', 'h2-always.example'];
const BY_TURNS = ['h1-turns.example', 'h2-turns.example'];
const HOSTS = [...ALWAYS, ...BY_TURNS];
const PASSTHROUGH = 'h1-passthrough.example';
const SECRET = 'correct-horse-battery-staple-42';
const RELOAD_EVERY_MS = 1_000;
const SAMPLE_EVERY_MS = 1_000;
/** Until caches and heap have found their size. */
const WARM_UP = 0.25;
/** Beyond every time-out that can apply on loopback: who has no answer by then has none. */
const PATIENCE_MS = 30_000;

/** What ends in order is most of it, as everywhere. */
const MIX = [...KINDS, ...LONG_KINDS, ...KINDS.filter((kind) => /^(?:h2-)?(?:get|post)$/.test(kind))];

const { values } = parseArgs({ options: { minutes: { type: 'string' }, requests: { type: 'string' } } });
const minutes = Number(values.minutes ?? 10);
const requests = Number(values.requests ?? 2_000_000);

/** Odd generations have all hosts, even ones only those that are always there. */
const judge: Judge = (_key, seen, record) => {
  const { decision, reason, ended, generation, host } = record;
  const routed = !host.endsWith('.refused.example') && (ALWAYS.includes(host) || generation % 2 === 1);
  const what = `generation ${String(generation)} of ${host}: ${decision} ${reason} ${String(record.status)} ${ended}`;
  if (routed === (reason === 'no_route')) return `${what}, which its policy ${routed ? 'routes' : 'does not route'}`;
  if (seen.kind === 'answered' && seen.status !== record.status) return `${what}, seen ${String(seen.status)}`;
  if (seen.kind === 'answered' && seen.status >= 500) return `${what}, with an upstream that is sound`;
  return seen.kind === 'cut' && ended !== 'refused_midway' ? `${what}, cut` : null;
};

/** A child that answers every message with one. */
class Gateway {
  readonly #child: ChildProcess;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  ask(message: Ask): Promise<State> {
    const answered = this.#turn.then(async () => {
      const answer = once(this.#child, 'message');
      this.#child.send(message);
      return StateSchema.parse((await answer)[0]);
    });
    this.#turn = answered.catch(() => undefined);
    return answered;
  }
}

const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);

function report(ledger: Ledger, elapsedMs: number, slope: Slope, reloads: number): void {
  const { answered, cut, closed, left } = ledger.counts;
  const perSecond = Math.round((ledger.requests / elapsedMs) * 1000);
  console.log(
    [
      `${String(ledger.requests)} requests in ${(elapsedMs / 60_000).toFixed(1)} minutes (${String(perSecond)}/s), ${String(reloads)} reloads`,
      `answered ${String(answered)}, cut by a reload ${String(cut)}, closed unread ${String(closed)}, left by the agent ${String(left)}`,
      `memory: mean ${mebibytes(slope.meanBytes)} MiB, slope ${(slope.bytesPerSecond / 1024).toFixed(2)} KiB/s, ` +
        `growth ${mebibytes(slope.grownBytes)} MiB of ${mebibytes(slope.boundBytes)} MiB that are noise`,
    ].join('\n'),
  );
}

async function soak(directory: string, children: ChildProcess[]): Promise<readonly string[]> {
  const start = (name: string, args: readonly string[]): ChildProcess => {
    const child = fork(join(import.meta.dirname, '../test/soak', name), args);
    children.push(child);
    return child;
  };
  const origin = OriginSchema.parse((await once(start('origin.ts', [...HOSTS, PASSTHROUGH]), 'message'))[0]);
  const record = join(directory, 'record');
  execFileSync('mkfifo', [record]);
  const spill = join(directory, 'spill');
  mkdirSync(spill, { mode: 0o700 });

  const ledger = new Ledger(judge, [...HOSTS, PASSTHROUGH]);
  const lines = createInterface({ input: createReadStream(record) });
  lines.on('line', (line) => {
    if (line.startsWith('{"event":"ended"')) ledger.recorded(DecisionRecordSchema.parse(JSON.parse(line)));
  });
  const gateway = new Gateway(start('gateway.ts', []));
  const routes = [...HOSTS.map((host) => ({ host })), { host: PASSTHROUGH, tls: 'passthrough' as const }];
  const parts = { record, routes, resolve: origin.resolve, upstreamCa: origin.ca, secret: SECRET, spill };
  const { proxyPort, ca } = await gateway.ask({ ask: 'start', parts });

  const samples: Sample[] = [];
  const began = performance.now();
  const elapsed = (): number => performance.now() - began;
  const enough = (): boolean => elapsed() >= minutes * 60_000 && ledger.requests >= requests;
  const run: { done: boolean } = { done: false };
  let generation = 1;
  const workers = Promise.all(
    MIX.map((kind, index) =>
      runWorker(kind, `${kind}-${String(index)}`, {
        gateway: { proxyPort, ca },
        ledger,
        // The upstreams of HTTP/2 have no WebSockets.
        hosts: kind === 'websocket' ? HOSTS.filter((host) => host.startsWith('h1')) : HOSTS,
        secret: SECRET,
        more: () => !run.done,
        passthrough: { host: PASSTHROUGH, ca: origin.ca },
      }),
    ),
  ).then(() => true);
  const stumbled = workers.catch(() => undefined);
  const reloading = (async () => {
    while (!run.done) {
      generation += 1;
      const hosts = [...ALWAYS, PASSTHROUGH, ...(generation % 2 === 1 ? BY_TURNS : [])];
      await gateway.ask({ ask: 'reload', generation, hosts });
      await delay(RELOAD_EVERY_MS);
    }
  })();
  const sampling = (async () => {
    for (let turn = 0; !run.done; turn += 1) {
      const { rssBytes } = await gateway.ask({ ask: 'state' });
      samples.push({ atMs: elapsed(), bytes: rssBytes });
      if (turn % 30 === 0)
        console.log(
          `${String(Math.round(elapsed() / 1000))} s: ${String(ledger.requests)} requests, ${mebibytes(rssBytes)} MiB`,
        );
      await delay(SAMPLE_EVERY_MS);
    }
  })();
  while (!enough() && ledger.problems.length === 0) {
    await Promise.race([delay(200), stumbled]);
  }
  run.done = true;
  const all = await Promise.race([workers, delay(PATIENCE_MS, false, { ref: false })]);
  await Promise.all([reloading, sampling]);
  const tookMs = elapsed();

  const problems = all ? [] : [`a request had no answer ${String(PATIENCE_MS / 1000)} s after the end`];
  problems.push(...(await ledger.close(PATIENCE_MS)));
  problems.push(...(await stuck(gateway)));
  const warm = samples.filter(({ atMs }) => atMs >= WARM_UP * tookMs);
  const slope = slopeOf(warm);
  if (slope.grownBytes > slope.boundBytes) problems.push('memory grows beyond noise');
  report(ledger, tookMs, slope, generation - 1);
  await gateway.ask({ ask: 'stop' });
  return problems;
}

/** With every agent gone nothing may be left that waits for one. */
async function stuck(gateway: Gateway): Promise<readonly string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const { openConnections, requestsActive, bufferedBytes, bugs } = await gateway.ask({ ask: 'state' });
    const left = openConnections + requestsActive + bufferedBytes;
    if (left === 0) return bugs;
    if (performance.now() > deadline) {
      const what = `${String(openConnections)} connections, ${String(requestsActive)} requests, ${String(bufferedBytes)} bytes`;
      return [...bugs, `stuck after all agents have gone: ${what}`];
    }
    await delay(100);
  }
}

const directory = mkdtempSync(join(tmpdir(), 'bot-bottle-soak-'));
const children: ChildProcess[] = [];
try {
  const problems = await soak(directory, children);
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? 'held' : 'did not hold');
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  for (const child of children) child.kill();
  rmSync(directory, { recursive: true });
}
