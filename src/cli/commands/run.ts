import { attach, openControllingTerminal } from '../attach.ts';
import type { CliContext } from '../context.ts';
import { RunOptionsSchema } from '../options.ts';
import { freshSlug } from '../../launch/slug.ts';
import { systemRandom } from '../../platform/random.ts';
import { resolveSecrets } from '../../launch/secrets.ts';
import { askSecrets } from '../secret-prompts.ts';
import { chooseBackend } from './backend-choice.ts';
import { originOf, prepare, warningsOf } from './prepare.ts';
import { runSession } from './session.ts';
import { limitLines } from './summary.ts';
import { table } from '../terminal.ts';

/** Any command as the agent. The streams and the exit code are the command's own; ours is silence unless we fail. */
export async function run(
  context: CliContext,
  command: readonly string[],
  raw: Record<string, unknown>,
): Promise<number> {
  const options = RunOptionsSchema.parse(raw);
  context.program();
  const backend = chooseBackend(context, options.backend);
  const bottle = context.manifests().loadEffective(options.bottle);
  const built = await prepare(context, {
    agent: 'run',
    bottle,
    backend,
    label: null,
    slug: freshSlug('run', systemRandom),
    workspaceDirectory: context.cwd,
    workspaceMode: options.workspace ?? null,
    provider: 'command',
    prompt: '',
    headlessPrompt: null,
    command,
  });
  const say = options.verbose ? context.terminal.say : null;
  const startedAt = performance.now();
  const elapsed = (): string => `${((performance.now() - startedAt) / 1000).toFixed(2)} s`;
  if (say !== null) for (const warning of warningsOf(built, bottle)) say(`! ${warning}`);
  using terminal = context.interactive && context.outputIsTerminal ? openControllingTerminal() : null;
  const secrets =
    terminal === null
      ? context.secrets
      : await askSecrets(built.secrets, context.secrets, terminal, context.stopRequested);
  const attachment = terminal === null ? null : await attach(terminal);
  const result = await runSession(context, {
    built,
    values: resolveSecrets(built.secrets, secrets),
    backend,
    stdio: ['inherit', 'inherit', 'inherit'],
    attachment,
    origin: originOf('run', built.plan, options.bottle, null),
    ...(say === null
      ? {}
      : {
          onStep: (step): void => {
            say(`  ✓ ${step.padEnd(12)} ${elapsed()}`);
          },
          onReady: (ready): void => {
            for (const notice of ready.notices) say(`! ${notice}`);
            say(`  ✓ ${String(ready.proof.checks.length)} walls proved`);
          },
        }),
  });
  for (const line of limitLines(result)) context.terminal.say(`bot-bottle: ${line.trim()}`);
  if (say !== null) say(ended(result, elapsed()));
  return result.exit.exitCode;
}

function ended(result: Awaited<ReturnType<typeof runSession>>, elapsed: string): string {
  const kept = result.settlement.kind === 'kept' ? `kept in ${result.stateDirectory}` : 'nothing changed, nothing kept';
  return table([[`${result.slug} ended (exit ${String(result.exit.exitCode)})`, elapsed, kept]], '');
}
