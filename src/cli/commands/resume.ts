import { findProgram } from '../../bundle/host-facts.ts';
import { BottleError } from '../../kernel/errors.ts';
import { resolveSecrets } from '../../launch/secrets.ts';
import { BOXED_TREE, runInTree } from '../../launch/tree-box.ts';
import type { Agent, EffectiveBottle } from '../../manifest/index.ts';
import type { BottleFile, BottleOrigin } from '../../state/bottles.ts';
import type { BottlePaths } from '../../state/paths.ts';
import { attach, openControllingTerminal } from '../attach.ts';
import type { CliContext } from '../context.ts';
import { ResumeOptionsSchema } from '../options.ts';
import { labelColour } from '../paint.ts';
import { askSecrets } from '../secret-prompts.ts';
import { chooseBackend } from './backend-choice.ts';
import { prepare } from './prepare.ts';
import { runSession } from './session.ts';
import { launchOnTerminal, type Prepared, type Subject } from './start.ts';
import { jsonResult, limitLines, summary } from './summary.ts';
import { holdWork } from './work-of.ts';

/**
 * A preserved bottle goes on with its workspace and home as the agent left them. The manifest is read anew, so what it
 * allows is what it allows today; values are asked for again, and the certificate is a new one.
 */
export async function resume(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const options = ResumeOptionsSchema.parse(raw);
  context.program();
  const { file, paths, origin } = resumable(context, id);
  if (options.headless && origin.command === 'start' && options.prompt === undefined) {
    throw new BottleError('usage', { message: '--headless needs a task', hint: '--prompt "what to do"' });
  }
  const { agent, bottle } = loadAsStarted(context, file, origin);
  const subject: Subject = { agent, bottle, label: file.label, colour: labelColour(origin.colour ?? undefined) };
  const backend = chooseBackend(context, file.backend);
  const built = await prepare(context, {
    agent: file.agent,
    bottle,
    backend,
    label: file.label,
    slug: file.slug,
    workspaceDirectory: origin.source,
    workspaceMode: file.workspaceMode,
    provider: origin.command === 'run' ? 'command' : (bottle.provider?.template ?? 'claude'),
    prompt: agent.prompt,
    headlessPrompt: options.headless ? (options.prompt ?? null) : null,
    command: origin.argv,
    continues: await hasConversation(paths),
  });
  if (origin.command === 'run' || options.headless) return resumeQuietly(context, { built, subject, origin, options });
  using terminal = openControllingTerminal();
  if (terminal !== null) {
    return await launchOnTerminal(context, { built, subject, backend, options, resumed: true }, terminal);
  }
  throw new BottleError('usage', {
    message: 'there is no terminal here, so nobody could talk to the agent',
    hint: `bot-bottle resume ${file.slug} --headless --prompt "what to do"`,
  });
}

interface Resumable {
  readonly file: BottleFile;
  readonly paths: BottlePaths;
  readonly origin: BottleOrigin;
}

function resumable(context: CliContext, id: string): Resumable {
  using held = holdWork(context, id);
  const { file, paths } = held;
  if (file.origin !== null) return { file, paths, origin: file.origin };
  throw new BottleError('state_invalid', {
    message: `${held.slug} was made by an older version, which did not write down how it was started`,
    hint: `bot-bottle deliver ${held.slug} --to DIR`,
  });
}

/** The manifest of a bottle as its files are now. */
export function loadAsStarted(
  context: CliContext,
  file: BottleFile,
  origin: BottleOrigin,
): { readonly agent: Agent; readonly bottle: EffectiveBottle } {
  const manifests = context.manifests();
  const agent = origin.command === 'start' ? manifests.loadAgent(file.agent) : commandAgent(file);
  return { agent, bottle: manifests.loadForAgent(agent, origin.bottles) };
}

/** `run` has no agent file. */
function commandAgent({ agent }: BottleFile): Agent {
  const overlay = { kind: 'map', entries: new Map(), at: { file: '(run)', line: 1, column: 1 } } as const;
  return { name: agent, from: 'home', file: '(run)', bottle: null, prompt: '', passedThrough: [], overlay };
}

interface Quiet {
  readonly built: Prepared;
  readonly subject: Subject;
  readonly origin: BottleOrigin;
  readonly options: { readonly json: boolean };
}

async function resumeQuietly(context: CliContext, { built, origin, options }: Quiet): Promise<number> {
  const quiet = origin.command === 'start';
  using terminal = !quiet && context.interactive && context.outputIsTerminal ? openControllingTerminal() : null;
  const secrets =
    terminal === null
      ? context.secrets
      : await askSecrets(built.secrets, context.secrets, terminal, context.stopRequested);
  const result = await runSession(context, {
    built,
    values: resolveSecrets(built.secrets, secrets),
    backend: chooseBackend(context, built.plan.backend),
    stdio: quiet ? ['ignore', 'inherit', 'inherit'] : ['inherit', 'inherit', 'inherit'],
    attachment: terminal === null ? null : await attach(terminal),
    origin,
    resumed: true,
  });
  if (options.json) context.terminal.result(JSON.stringify(jsonResult(result)));
  else if (quiet) context.terminal.say(summary(result));
  else for (const line of limitLines(result)) context.terminal.say(`bot-bottle: ${line.trim()}`);
  return result.exit.exitCode;
}

/** Claude Code refuses to continue what was never begun. Looked for in a box: the home is the agent's (SECURITY S1). */
async function hasConversation(paths: BottlePaths): Promise<boolean> {
  const places = `${BOXED_TREE.home}/.claude/projects`;
  const argv = [findProgram('find') ?? 'find', places, '-name', '*.jsonl', '-print', '-quit'];
  const show = [{ source: paths.home, inside: BOXED_TREE.home, access: 'ro' as const }];
  return (await runInTree({ argv, show }, paths)).stdout.length > 0;
}
