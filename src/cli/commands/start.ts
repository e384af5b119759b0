import { BottleError } from '../../kernel/errors.ts';
import type { BuiltPlan } from '../../launch/plan.ts';
import type { CliContext } from '../context.ts';
import { StartOptionsSchema, type StartOptions } from '../options.ts';
import { chooseBackend } from './backend-choice.ts';
import { prepare } from './prepare.ts';
import { runSession, type SessionResult } from './session.ts';

/** `start`, the headless path: the agent works on its prompt, and the result is one JSON object. */
export async function start(
  context: CliContext,
  agentName: string | null,
  raw: Record<string, unknown>,
): Promise<number> {
  const options = StartOptionsSchema.parse(raw);
  const task = checkOptions(options);
  if (agentName === null)
    throw new BottleError('usage', { message: 'which agent?', hint: 'bot-bottle list available' });
  const manifests = context.manifests();
  const agent = manifests.loadAgent(agentName);
  const bottleNames = options.bottle.length > 0 ? options.bottle : agent.bottle === null ? [] : [agent.bottle.name];
  if (bottleNames.length === 0) {
    throw new BottleError('usage', {
      message: `agent ${agentName} names no bottle`,
      hint: `bot-bottle start ${agentName} --bottle NAME`,
    });
  }
  const bottle = manifests.loadForAgent(agent, bottleNames);
  const backend = chooseBackend(context, options.backend);
  const workspaceDirectory = options.cwd === undefined ? null : options.cwd === true ? context.cwd : options.cwd;
  const built = await prepare(context, {
    agent: agentName,
    bottle,
    backend: backend.capabilities.name,
    label: options.label ?? null,
    workspaceDirectory,
    workspaceMode: options.workspace ?? null,
    provider: bottle.provider?.template ?? 'claude',
    prompt: agent.prompt,
    headlessPrompt: task,
    command: [],
  });
  for (const warning of built.plan.warnings) context.terminal.say(`! ${warning}`);
  if (options.dryRun || context.environment['BOT_BOTTLE_DRY_RUN'] === '1') return showPlan(context, built);
  const result = await runSession(context, {
    built,
    backend,
    stdio: ['ignore', 'inherit', 'inherit'],
    attachment: null,
  });
  report(context, result, options.json);
  return result.exit.exitCode;
}

function checkOptions(options: StartOptions): string | null {
  if (options.dryRun) return options.prompt ?? 'dry run';
  if (!options.headless) {
    throw new BottleError('feature_missing', {
      message: 'starting with a terminal is not built yet',
      hint: 'bot-bottle start AGENT --headless --prompt "…"   or   bot-bottle run --bottle NAME -- COMMAND',
    });
  }
  if (options.prompt === undefined) {
    throw new BottleError('usage', { message: '--headless needs a task', hint: '--prompt "what to do"' });
  }
  return options.prompt;
}

function showPlan(context: CliContext, built: BuiltPlan): number {
  context.terminal.result(JSON.stringify(built.plan, null, 2));
  return 0;
}

/** REFERENCE 4: `{slug, exitCode, preserved, branches, decisions, proposals}`, the last line of stdout. */
function report(context: CliContext, result: SessionResult, asJson: boolean): void {
  const preserved = result.settlement.kind === 'kept';
  if (asJson) {
    context.terminal.result(
      JSON.stringify({
        slug: result.slug,
        exitCode: result.exit.exitCode,
        preserved,
        branches: [],
        decisions: result.decisions,
        proposals: [],
        stateDirectory: preserved ? result.stateDirectory : null,
      }),
    );
    return;
  }
  const { allow, deny } = result.decisions;
  context.terminal.say(
    `${result.slug} ended (exit ${String(result.exit.exitCode)}) · ${String(allow)} requests allowed, ${String(deny)} refused`,
  );
  if (preserved)
    context.terminal.say(`  its work is kept in ${result.stateDirectory}/workspace; treat it as somebody else's`);
}
