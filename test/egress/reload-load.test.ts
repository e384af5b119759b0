import { expect, test } from 'vitest';
import { bottleCa, startHarness } from './support/harness.ts';
import { Ledger, type Judge } from './support/ledger.ts';
import { startLoadOrigin } from './support/load-origin.ts';
import { KINDS, runWorker } from './support/load.ts';

const RELOADS = 1_000;
const ALWAYS = ['h1-always.example', 'h2-always.example'];
const BY_TURNS = ['h1-turns.example', 'h2-turns.example'];
const HOSTS = [...ALWAYS, ...BY_TURNS];
const SECRET = 'correct-horse-battery-staple-42';

/** Odd generations have all hosts, even ones only those that are always there. */
const routesOf = (generation: number) => (generation % 2 === 1 ? HOSTS : ALWAYS).map((host) => ({ host }));

const judge: Judge = (_key, seen, record) => {
  const routed =
    !record.host.endsWith('.refused.example') && (ALWAYS.includes(record.host) || record.generation % 2 === 1);
  const { decision, reason, ended, generation } = record;
  const what = `generation ${String(generation)} of ${record.host}: ${decision} ${reason} ${ended}`;
  if (!routed && (decision !== 'deny' || reason !== 'no_route')) return `${what}, which its policy does not route`;
  if (routed && reason === 'no_route') return `${what}, which its policy routes`;
  if (seen.kind === 'answered' && seen.status !== record.status) {
    return `${what}: recorded ${String(record.status)}, seen ${String(seen.status)}`;
  }
  // Begun under a policy that allowed it, and ended by one that does not.
  if (seen.kind === 'cut' && ended !== 'refused_midway') return `${what}: cut`;
  return null;
};

test('1,000 reloads under load: every request is answered and has one record that fits the policy of its generation', async () => {
  await using origin = await startLoadOrigin(HOSTS);
  await using harness = await startHarness({
    routes: routesOf(1),
    origins: origin.resolve,
    knownValues: { KEY: SECRET },
  });
  const ledger = new Ledger(judge, HOSTS);
  harness.gateway.onEnded((record) => {
    ledger.recorded(record);
  });
  let done = false;
  const gateway = { proxyPort: harness.port('proxy'), ca: bottleCa.certificate };
  const parts = { gateway, ledger, hosts: HOSTS, secret: SECRET, more: () => !done };
  const workers = Promise.all(
    KINDS.filter((kind) => kind !== 'h2-reset').map((kind) => runWorker(kind, kind, parts)),
  ).finally(() => {
    done = true;
  });
  for (let generation = 2; generation <= RELOADS + 1; generation += 1) {
    harness.gateway.reload(harness.config(routesOf(generation), generation));
    // Each policy lives until some requests have ended under it.
    await Promise.race([ledger.reached(ledger.requests + 3), workers]);
  }
  done = true;
  await workers;
  expect(await ledger.close(10_000)).toEqual([]);
  expect(harness.bugs).toEqual([]);

  expect(ledger.counts.answered).toBeGreaterThan(RELOADS);
  expect(harness.gateway.status()).toMatchObject({ generation: RELOADS + 1 });
}, 240_000);
