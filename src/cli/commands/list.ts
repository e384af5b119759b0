import { listBottles, type KnownBottle } from '../../state/bottles.ts';
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
    context.terminal.result('no bottles are running');
    return 0;
  }
  const header = ['slug', 'state', 'backend', 'started', 'workspace'];
  const lines = bottles.map((bottle) => [
    bottle.slug,
    String(activeRow(bottle)['state']),
    bottle.file?.backend ?? '-',
    bottle.file?.startedAt ?? '-',
    bottle.file?.workspaceMode ?? '-',
  ]);
  context.terminal.result(table([header, ...lines]));
  return 0;
}

/** Names of agents and bottles that `start` and `--bottle` take; read from file names alone. */
export function listAvailable(context: CliContext, options: { readonly json: boolean }): number {
  const manifests = context.manifests();
  const agents = manifests.listAgents();
  const bottles = manifests.listBottles();
  if (options.json) {
    context.terminal.result(JSON.stringify({ agents, bottles }));
    return 0;
  }
  context.terminal.result(`agents   ${agents.map((agent) => agent.name).join(', ') || '(none)'}`);
  context.terminal.result(`bottles  ${bottles.map((bottle) => bottle.name).join(', ') || '(none)'}`);
  return 0;
}
