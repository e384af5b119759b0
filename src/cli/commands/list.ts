import fs from 'node:fs';
import { listBottles, type KnownBottle } from '../../state/bottles.ts';
import { History, historyFile } from '../../state/history.ts';
import { printable } from '../../kernel/render-error.ts';
import { BottleError } from '../../kernel/errors.ts';
import type { CliContext } from '../context.ts';
import { table } from '../terminal.ts';

/** REFERENCE 4: the shape of `list active --json`. */
function activeRow(bottle: KnownBottle): Record<string, unknown> {
  return {
    slug: bottle.slug,
    agent: bottle.file?.agent ?? null,
    label: bottle.file?.label ?? null,
    backend: bottle.file?.backend ?? null,
    startedAt: bottle.file?.startedAt ?? null,
    state: bottle.state === 'live' ? (bottle.file?.agentStarted === true ? 'running' : 'starting') : bottle.state,
    services: bottle.file?.services ?? [],
  };
}

/** Live bottles and those that can't be read; with `all`, the preserved and the orphaned ones too. */
export function listActive(context: CliContext, options: { readonly json: boolean; readonly all: boolean }): number {
  const bottles = listBottles(context.paths).filter(
    ({ state }) => options.all || state === 'live' || state === 'unreadable',
  );
  for (const { problem } of bottles) if (problem !== null) context.terminal.say(problem.message);
  const rows = bottles.map(activeRow);
  if (options.json) {
    context.terminal.result(JSON.stringify(rows));
    return 0;
  }
  if (rows.length === 0) {
    context.terminal.result(options.all ? 'no bottles' : 'no bottles are running');
    return 0;
  }
  const header = ['slug', 'state', 'backend', 'started', 'workspace'];
  const lines = bottles.map((bottle) => [
    bottle.slug,
    String(activeRow(bottle)['state']),
    bottle.file?.backend ?? '-',
    shownTime(bottle.file?.startedAt),
    bottle.file?.workspaceMode ?? '-',
  ]);
  context.terminal.result(table([header, ...lines]));
  return 0;
}

const ENDED_SHOWN = 100;

/** The latest bottles that there were, newest first, and how each ended; from `bot-bottle.db`. */
export function listEnded(context: CliContext, options: { readonly json: boolean }): number {
  if (!fs.existsSync(historyFile(context.paths.home))) {
    context.terminal.result(options.json ? '[]' : 'none yet');
    return 0;
  }
  using history = History.open(context.paths.home);
  const rows = history.list(ENDED_SHOWN).filter(({ outcome }) => outcome !== 'running');
  const text = (): string =>
    rows.length === 0
      ? 'none yet'
      : table([
          ['slug', 'outcome', 'exit', 'started', 'ended', 'agent'],
          ...rows.map(({ slug, outcome, exitCode, startedAt, endedAt, agent }) =>
            [
              slug,
              outcome,
              exitCode === null ? '-' : String(exitCode),
              shownTime(startedAt),
              shownTime(endedAt),
              agent,
            ].map(printable),
          ),
        ]);
  context.terminal.result(options.json ? JSON.stringify(rows) : text());
  return 0;
}

/** Agents and bottles that `start` and `--bottle` take. A broken file hurts only itself: its row says what is wrong. */
export function listAvailable(context: CliContext, options: { readonly json: boolean }): number {
  const manifests = context.manifests();
  const agents = manifests.listAgents().map((source) => ({
    ...source,
    ...orError(() => ({ bottle: manifests.loadAgent(source.name).bottle?.name ?? null })),
  }));
  const bottles = manifests.listBottles().map((source) => ({
    ...source,
    ...orError(() => {
      const { lineage, description } = manifests.loadEffective([source.name]);
      return { extends: lineage.slice(1), description };
    }),
  }));
  for (const warning of manifests.warnings) context.terminal.say(`! ${warning}`);
  if (options.json) {
    context.terminal.result(JSON.stringify({ agents, bottles }));
    return 0;
  }
  const broken = ({ error }: { readonly error: string }): string => `broken: ${error}`;
  const rows = [
    ...agents.map((agent) => [
      'agent',
      agent.name,
      agent.file,
      'error' in agent ? broken(agent) : (agent.bottle ?? ''),
    ]),
    ...bottles.map((bottle) => [
      'bottle',
      bottle.name,
      bottle.file,
      'error' in bottle ? broken(bottle) : about(bottle),
    ]),
  ];
  context.terminal.result(
    rows.length === 0
      ? 'none yet:  bot-bottle init'
      : table(
          rows.map((row) => row.map(printable)),
          '',
        ),
  );
  return 0;
}

/** To the minute, by the clock on the wall. */
function shownTime(timestamp: string | null | undefined): string {
  if (timestamp === null || timestamp === undefined) return '-';
  return new Date(timestamp).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}

function about(bottle: { readonly extends: readonly string[]; readonly description: string | null }): string {
  const lineage = bottle.extends.length === 0 ? '' : `← ${bottle.extends.join(' ← ')}`;
  return [lineage, bottle.description ?? ''].filter(Boolean).join('   ');
}

/** What loading gives, or one line of why it can't. */
function orError<Facts>(load: () => Facts): Facts | { readonly error: string } {
  try {
    return load();
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    const place = failure.position === undefined ? '' : `${failure.position.file}:${String(failure.position.line)} `;
    return { error: `${place}${failure.message.split('\n')[0] ?? ''}` };
  }
}
