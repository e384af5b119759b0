import { BottleError } from '../../kernel/errors.ts';
import { inspectValues } from '../../launch/handover.ts';
import { preflight, preflightJson, type PreflightParts } from '../../launch/preflight.ts';
import { resolveSecrets } from '../../launch/secrets.ts';
import { freshSlug, slugFromLabel } from '../../launch/slug.ts';
import type { Agent, EffectiveBottle, Manifests } from '../../manifest/index.ts';
import { systemRandom } from '../../platform/random.ts';
import type { Backend } from '../../ports/backend.ts';
import { bottleExists } from '../../state/bottles.ts';
import { confirm, askLine, cancelled } from '../ask.ts';
import { attach, openControllingTerminal, type ControllingTerminal } from '../attach.ts';
import type { CliContext } from '../context.ts';
import { StartOptionsSchema, type StartOptions } from '../options.ts';
import { labelColour, paint, type LabelColour } from '../paint.ts';
import { preflightText } from '../preflight-text.ts';
import { Progress } from '../progress.ts';
import { askSecrets } from '../secret-prompts.ts';
import { chooseBackend, otherBackends } from './backend-choice.ts';
import { bottlesOf } from './bottles-of.ts';
import { originOf, prepare, warningsOf } from './prepare.ts';
import { runSession, type SessionResult } from './session.ts';
import { jsonResult, summary } from './summary.ts';

export type Prepared = Awaited<ReturnType<typeof prepare>>;

/** Who and what a start is about, once everything was picked. */
export interface Subject {
  readonly agent: Agent;
  readonly bottle: EffectiveBottle;
  readonly label: string | null;
  readonly colour: LabelColour | null;
}

/**
 * An agent in a bottle. On a terminal: pick what was not named, show what is about to happen, ask, attach. Headless:
 * the agent works on its prompt, and the result is one JSON object. Cancelled anywhere, nothing stays behind.
 */
export async function start(
  context: CliContext,
  agentName: string | null,
  raw: Record<string, unknown>,
): Promise<number> {
  const options = StartOptionsSchema.parse(raw);
  checkOptions(options);
  const dryRun = options.dryRun || context.environment['BOT_BOTTLE_DRY_RUN'] === '1';
  // Questions may take long.
  if (!dryRun) context.program();
  if (options.headless || dryRun) return startHeadless(context, agentName, options, dryRun);
  using terminal = openControllingTerminal();
  if (terminal !== null) return await startOnTerminal(context, agentName, options, terminal);
  throw new BottleError('usage', {
    message: 'there is no terminal here, so nobody could talk to the agent',
    hint: 'bot-bottle start AGENT --headless --prompt "what to do"',
  });
}

function checkOptions(options: StartOptions): void {
  if (options.headless && !options.dryRun && options.prompt === undefined) {
    throw new BottleError('usage', { message: '--headless needs a task', hint: '--prompt "what to do"' });
  }
  if (!options.headless && !options.dryRun && options.prompt !== undefined) {
    throw new BottleError('usage', {
      message: '--prompt is the task of a headless start',
      hint: 'bot-bottle start AGENT --headless --prompt "what to do"',
    });
  }
}

async function startHeadless(
  context: CliContext,
  agentName: string | null,
  options: StartOptions,
  dryRun: boolean,
): Promise<number> {
  if (agentName === null) {
    throw new BottleError('usage', { message: 'which agent?', hint: 'bot-bottle list available' });
  }
  const agent = context.manifests().loadAgent(agentName);
  const bottle = context.manifests().loadForAgent(agent, bottlesOf(agent, options.bottle));
  const subject = { agent, bottle, label: options.label ?? null, colour: labelColour(options.color) };
  const backend = chooseBackend(context, options.backend);
  for (let attempt = 1; ; attempt += 1) {
    const built = await prepared(context, subject, backend, options, headlessSlug(context, subject, attempt));
    if (dryRun) return await showPlan(context, built, subject, backend, options.json);
    const values = resolveSecrets(built.secrets, context.secrets);
    for (const warning of warningsOf(built, bottle)) context.terminal.say(`! ${warning}`);
    try {
      const stdio = ['ignore', 'inherit', 'inherit'] as const;
      const origin = originOf('start', built.plan, bottle.names, subject.colour);
      const result = await runSession(context, { built, values, backend, stdio, attachment: null, origin });
      if (options.json) context.terminal.result(JSON.stringify(jsonResult(result)));
      else context.terminal.say(summary(result));
      return result.exit.exitCode;
    } catch (failure) {
      // Another start took the name between the look and the launch: nobody can be asked, so the next name is tried.
      if (!(failure instanceof BottleError) || failure.code !== 'bottle_busy' || attempt >= NAME_ATTEMPTS)
        throw failure;
    }
  }
}

const NAME_ATTEMPTS = 50;

/** In headless mode a label that is taken is made unique: `fix`, `fix-2`, `fix-3`. */
function headlessSlug(context: CliContext, { agent, label }: Subject, attempt: number): string {
  if (label === null) return freshSlug(agent.name, systemRandom);
  const slug = slugFromLabel(label);
  const taken = (candidate: string): boolean => bottleExists(context.paths, candidate);
  let number = attempt;
  while (taken(numbered(slug, number))) number += 1;
  return numbered(slug, number);
}

function numbered(slug: string, number: number): string {
  const suffix = number === 1 ? '' : `-${String(number)}`;
  return `${slug.slice(0, 63 - suffix.length)}${suffix}`;
}

function prepared(
  context: CliContext,
  { agent, bottle, label }: Subject,
  backend: Backend,
  options: StartOptions,
  slug: string,
): Promise<Prepared> {
  const workspaceDirectory = options.cwd === undefined ? null : options.cwd === true ? context.cwd : options.cwd;
  return prepare(context, {
    agent: agent.name,
    bottle,
    backend,
    label,
    slug,
    workspaceDirectory,
    workspaceMode: options.workspace ?? null,
    provider: bottle.provider?.template ?? 'claude',
    prompt: agent.prompt,
    headlessPrompt: options.headless ? (options.prompt ?? 'dry run') : null,
    command: [],
  });
}

async function preflightParts(
  context: CliContext,
  { plan, providerTitle, unenforced }: Prepared,
  { bottle }: Subject,
  backend: Backend,
  weakValues: readonly string[],
): Promise<PreflightParts> {
  const alsoHere = await otherBackends(context, backend);
  return { plan, bottle, providerTitle, wall: backend.capabilities.wall, weakValues, unenforced, alsoHere };
}

/** Values are not asked for: what would be asked is in the manifest, and nothing is going to be started. */
async function showPlan(
  context: CliContext,
  built: Prepared,
  subject: Subject,
  backend: Backend,
  asJson: boolean,
): Promise<number> {
  const parts = await preflightParts(context, built, subject, backend, []);
  context.terminal.result(
    asJson ? JSON.stringify(preflightJson(parts), null, 2) : preflightText(preflight(parts), false),
  );
  return 0;
}

async function startOnTerminal(
  context: CliContext,
  agentName: string | null,
  options: StartOptions,
  terminal: ControllingTerminal,
): Promise<number> {
  const subject = await pickSubject(context, agentName, options, terminal);
  const backend = chooseBackend(context, options.backend);
  const slug = await freeSlug(context, subject, terminal);
  const built = await prepared(context, subject, backend, options, slug);
  return await launchOnTerminal(context, { built, subject, backend, options }, terminal);
}

export interface TerminalLaunch {
  readonly built: Prepared;
  readonly subject: Subject;
  readonly backend: Backend;
  readonly options: { readonly yes: boolean; readonly json: boolean };
  readonly resumed?: boolean;
}

/** From the plan to the end of the agent: values, preflight, the yes, the agent's terminal, what came of it. */
export async function launchOnTerminal(
  context: CliContext,
  { built, subject, backend, options, resumed = false }: TerminalLaunch,
  terminal: ControllingTerminal,
): Promise<number> {
  const say = (text: string): void => {
    terminal.output.write(`${text}\n`);
  };
  const { colour } = context.terminal;
  const { slug } = built.plan;
  const secrets = await askSecrets(built.secrets, context.secrets, terminal, context.stopRequested);
  const values = resolveSecrets(built.secrets, secrets);
  const { notices } = inspectValues({ plan: built.plan, values, userName: context.userName });
  say('');
  say(preflightText(preflight(await preflightParts(context, built, subject, backend, notices)), colour));
  say('');
  if (!options.yes && !(await confirm('Start?', context.stopRequested, terminal))) throw cancelled();
  await using attachment = await attach(terminal);
  if (attachment === null) throw noPty();
  const progress = new Progress(say);
  const name = paint(built.plan.label ?? slug, subject.colour ?? 'bold', colour);
  const result = await runSession(context, {
    built,
    values,
    backend,
    stdio: ['ignore', 'ignore', 'ignore'],
    attachment,
    resumed,
    origin: originOf('start', built.plan, subject.bottle.names, subject.colour),
    onStep: (step) => {
      progress.step(step);
    },
    onReady: (bottle) => {
      progress.ready(bottle.proof.checks.length);
      if (!context.terminal.plain) terminal.output.write(pushTitle(built.plan.label ?? slug));
    },
  });
  if (!context.terminal.plain) terminal.output.write(POP_TITLE);
  report(context, result, { say, name, asJson: options.json });
  return result.exit.exitCode;
}

function report(
  context: CliContext,
  result: SessionResult,
  { say, name, asJson }: { readonly say: (text: string) => void; readonly name: string; readonly asJson: boolean },
): void {
  if (asJson) context.terminal.result(JSON.stringify(jsonResult(result)));
  else say(summary(result, name));
}

/** The window's own title is kept by the terminal and brought back at the end. */
const pushTitle = (title: string): string => `\u001b[22;0t\u001b]0;${title.replace(/\p{Cc}/gu, '')} · bot-bottle\u0007`;
const POP_TITLE = '\u001b[23;0t';

function noPty(): BottleError {
  return new BottleError('tool_missing', {
    message: 'a terminal for the agent can’t be made: the package for this platform is not installed',
    hint: `npm install @lydell/node-pty-${process.platform}-${process.arch}`,
  });
}

async function pickSubject(
  context: CliContext,
  agentName: string | null,
  options: StartOptions,
  terminal: ControllingTerminal,
): Promise<Subject> {
  const manifests = context.manifests();
  const signal = context.stopRequested;
  const picked = agentName === null;
  const agent = manifests.loadAgent(agentName ?? (await chooseAgent(context, manifests, terminal)));
  const named = options.bottle.length > 0 || agent.bottle !== null;
  const names = named ? bottlesOf(agent, options.bottle) : await chooseBottles(context, manifests, terminal);
  const bottle = manifests.loadForAgent(agent, names);
  const ask = picked && !options.yes;
  const { pickColour, pickLabel } = await pickers(context);
  const label = options.label ?? (ask ? await pickLabel(terminal, signal) : null);
  const colour = labelColour(options.color) ?? (ask && label !== null ? await pickColour(terminal, signal) : null);
  return { agent, bottle, label, colour };
}

type Pickers = Pick<typeof import('../pick.ts'), 'pickAgent' | 'pickBottles' | 'pickColour' | 'pickLabel'>;

/** Loaded when first needed: most commands show none. */
function pickers({ terminal }: CliContext): Promise<Pickers> {
  return terminal.plain ? import('../pick-plain.ts') : import('../pick.ts');
}

async function chooseAgent(context: CliContext, manifests: Manifests, terminal: ControllingTerminal): Promise<string> {
  const agents = manifests.listAgents();
  if (agents.length === 0) {
    throw new BottleError('manifest_not_found', { message: 'there are no agents yet', hint: 'bot-bottle init' });
  }
  const { pickAgent } = await pickers(context);
  return pickAgent(
    agents.map(({ name, file }) => ({ name, hint: file })),
    terminal,
    context.stopRequested,
  );
}

async function chooseBottles(
  context: CliContext,
  manifests: Manifests,
  terminal: ControllingTerminal,
): Promise<readonly string[]> {
  const bottles = manifests.listBottles();
  if (bottles.length === 0) {
    throw new BottleError('manifest_not_found', { message: 'there are no bottles yet', hint: 'bot-bottle init' });
  }
  const { pickBottles } = await pickers(context);
  return pickBottles(
    bottles.map(({ name }) => ({ name, hint: lineageOf(manifests, name) })),
    terminal,
    context.stopRequested,
  );
}

/** A broken file hurts only who picks it: here it shows what is wrong instead of what it is laid over. */
function lineageOf(manifests: Manifests, name: string): string {
  try {
    const { lineage, description } = manifests.loadEffective([name]);
    const over = lineage.slice(1);
    return [over.length === 0 ? '' : `← ${over.join(' ← ')}`, description ?? ''].filter(Boolean).join('   ');
  } catch (failure) {
    if (failure instanceof BottleError) return `broken: ${failure.message.split('\n')[0] ?? ''}`;
    throw failure;
  }
}

/** On a terminal a label that is taken is asked for again. */
async function freeSlug(
  context: CliContext,
  { agent, label }: Subject,
  terminal: ControllingTerminal,
): Promise<string> {
  if (label === null) return freshSlug(agent.name, systemRandom);
  let slug = slugFromLabel(label);
  while (bottleExists(context.paths, slug)) {
    const again = await askLine(`There is a bottle called ${slug}. Another label`, '', context.stopRequested, terminal);
    if (again !== '') slug = slugFromLabel(again);
  }
  return slug;
}
