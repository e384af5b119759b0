import { BottleError } from '../../kernel/errors.ts';
import { buildPlan, type BuiltPlan } from '../../launch/plan.ts';
import { reveal } from '../../platform/reveal.ts';
import { GatewayStatusSchema, ReloadedSchema, type Reloaded } from '../../schema/control.ts';
import { findBottle, listBottles, type KnownBottle } from '../../state/bottles.ts';
import { openControl } from '../bottle-control.ts';
import type { CliContext } from '../context.ts';
import { ReloadOptionsSchema } from '../options.ts';
import { chooseBackend } from './backend-choice.ts';
import { gatewayInput, prepare } from './prepare.ts';
import { notRunning } from './running.ts';
import { loadAsStarted } from './resume.ts';

/**
 * The manifest is read anew, and what it allows out from now on is what a running bottle may reach. Only that: its
 * environment, mounts, limits and workspace are what it was started with.
 */
export async function reload(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const options = ReloadOptionsSchema.parse(raw);
  const bottle = findBottle(listBottles(context.paths), id);
  const { slug } = bottle;
  if (bottle.state !== 'live') throw notRunning(bottle);
  const built = await planned(context, bottle, options.bottle);
  using client = await openControl(context.paths, slug);
  const { generation } = await client.call('status', GatewayStatusSchema);
  const { plan } = built;
  const outcome = await client.call('reload', ReloadedSchema, {
    config: { ...plan.gateway, slug, generation: generation + 1 },
    credentials: plan.credentials.map(({ name }) => name),
    values: foundValues(context, built),
  });
  for (const warning of plan.warnings) context.terminal.say(`! ${warning}`);
  if (options.json) context.terminal.result(JSON.stringify(outcome));
  else context.terminal.say(text(outcome));
  return 0;
}

function text({ slug, routes, generation, restarted }: Reloaded): string {
  const how = restarted ? '; its gateway was started anew, for a credential changed' : '';
  return `${slug} follows its manifest as it is now: ${String(routes)} routes, policy ${String(generation)}${how}`;
}

/** A gateway alone has no file that says whose routes it has. */
async function planned(context: CliContext, { file, slug }: KnownBottle, named: readonly string[]): Promise<BuiltPlan> {
  if (file === null) {
    if (named.length > 0) return buildPlan(gatewayInput(context, context.manifests().loadEffective(named), slug));
    throw new BottleError('usage', {
      message: `${slug} is a gateway; whose routes shall it have?`,
      hint: `bot-bottle reload ${slug} --bottle NAME`,
    });
  }
  if (named.length > 0) {
    throw new BottleError('usage', {
      message: `${slug} keeps the bottles it was started with; --bottle is for a gateway`,
      hint: `bot-bottle reload ${slug}`,
    });
  }
  const { origin } = file;
  if (origin === null) {
    throw new BottleError('state_invalid', {
      message: `${slug} was made by an older version`,
      hint: `bot-bottle stop ${slug}`,
    });
  }
  const { agent, bottle } = loadAsStarted(context, file, origin);
  return await prepare(context, {
    agent: file.agent,
    bottle,
    backend: chooseBackend(context, file.backend),
    label: file.label,
    slug,
    workspaceDirectory: null,
    workspaceMode: 'none',
    provider: origin.command === 'run' ? 'command' : (bottle.provider?.template ?? 'claude'),
    prompt: agent.prompt,
    headlessPrompt: null,
    command: origin.argv,
  });
}

/** What this shell has; the gateway goes on with what it has of the rest. Values inside the bottle stay what they are. */
function foundValues(context: CliContext, { plan, secrets }: BuiltPlan): Readonly<Record<string, string>> {
  const placed = new Set(plan.command.placeholderEnv.map((name) => `env:${name}`));
  return Object.fromEntries(
    secrets.flatMap(({ name, from }) => {
      if (from.kind !== 'host' || !(name.startsWith('credential:') || placed.has(name))) return [];
      const value = context.secrets.hostVariable(from.variable);
      return value === null ? [] : [[name, reveal(value, 'pipe')] as const];
    }),
  );
}
