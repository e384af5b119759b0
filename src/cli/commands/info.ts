import {
  explainJson,
  explainText,
  originOf,
  placeText,
  type Agent,
  type EffectiveBottle,
} from '../../manifest/index.ts';
import type { CliContext } from '../context.ts';
import { InfoOptionsSchema } from '../options.ts';
import { table } from '../terminal.ts';
import { bottlesOf } from './bottles-of.ts';

/** The effective manifest of an agent: every value with the file and line it comes from. */
export function info(context: CliContext, agentName: string, raw: Record<string, unknown>): number {
  const options = InfoOptionsSchema.parse(raw);
  const manifests = context.manifests();
  const agent = manifests.loadAgent(agentName);
  const bottle = manifests.loadForAgent(agent, bottlesOf(agent, options.bottle));
  const warnings = [...manifests.warnings, ...bottle.warnings];
  if (options.json) context.terminal.result(JSON.stringify({ ...asJson(agent, bottle), warnings }));
  else print(context, agent, bottle, warnings);
  return 0;
}

function asJson(agent: Agent, bottle: EffectiveBottle): Record<string, unknown> {
  return {
    agent: {
      name: agent.name,
      file: agent.file,
      from: agent.from,
      promptBytes: Buffer.byteLength(agent.prompt),
      passedThrough: agent.passedThrough.map(({ key, value, origin }) => ({ key, value, source: placeText(origin) })),
    },
    lineage: bottle.lineage,
    gitUser: Object.fromEntries(
      Object.entries(bottle.gitUser).map(([field, value]) => [field, { value, source: identitySource(bottle, field) }]),
    ),
    ...explainJson(bottle),
  };
}

function identitySource(bottle: EffectiveBottle, field: string): string {
  return placeText(originOf(bottle, ['git-gate', 'user', field]));
}

function print(context: CliContext, agent: Agent, bottle: EffectiveBottle, warnings: readonly string[]): void {
  const identity = Object.entries(bottle.gitUser).map(
    ([field, value]) => `${value} (${identitySource(bottle, field)})`,
  );
  const rows = [
    ['agent', `${agent.name}   ${agent.file}`],
    ['bottles', bottle.lineage.length === 0 ? 'none: nothing may be reached' : bottle.lineage.join(' ← ')],
    ['prompt', `${String(Buffer.byteLength(agent.prompt))} bytes`],
    ...(identity.length === 0 ? [] : [['commits by', identity.join(', ')]]),
    ...agent.passedThrough.map(({ key, origin }) => ['passed through', `${key}   ${placeText(origin)}`]),
  ];
  context.terminal.result(table(rows, ''));
  context.terminal.result('');
  context.terminal.result(explainText(bottle));
  for (const line of [...warnings, ...bottle.notices]) context.terminal.say(`! ${line}`);
}
