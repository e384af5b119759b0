import type { AgentExit, ApplyContext, Backend } from '../../ports/backend.ts';
import { BottleError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import { launchBottle, type LaunchedBottle } from '../../launch/bottle.ts';
import type { BuiltPlan } from '../../launch/plan.ts';
import { settle, type Settlement } from '../../launch/settle.ts';
import { stampWorkspace } from '../../launch/work.ts';
import type { BottleOrigin } from '../../state/bottles.ts';
import { systemClock } from '../../platform/clock.ts';
import { systemRandom } from '../../platform/random.ts';
import { orCancelled } from '../ask.ts';
import type { Attachment } from '../attach.ts';
import type { CliContext } from '../context.ts';
import { terminalEnvironment } from '../terminal-environment.ts';
import { countDecisions, type DecisionCounts } from './decisions.ts';

/** One bottle's life as `run` and `start` share it: launch, let the agent work, settle, take down. */
export interface SessionOptions {
  readonly built: BuiltPlan;
  readonly values: ReadonlyMap<string, Secret>;
  readonly backend: Backend;
  readonly stdio: ApplyContext['stdio'];
  /** Joins the operator's terminal to the agent's. */
  readonly attachment: Attachment | null;
  readonly origin: BottleOrigin;
  /** Goes on with a preserved bottle of this name. */
  readonly resumed?: boolean;
  readonly onStep?: (step: string) => void;
  readonly onReady?: (bottle: LaunchedBottle) => void;
}

export interface SessionResult {
  readonly slug: string;
  readonly exit: AgentExit;
  readonly settlement: Settlement;
  readonly stateDirectory: string;
  readonly decisions: DecisionCounts;
  /** From the agent's first instruction to its end. */
  readonly elapsedMs: number;
}

/** Given to the agent between TERM and KILL when the operator stops the bottle. */
const STOP_GRACE_MS = 8_000;

export async function runSession(context: CliContext, options: SessionOptions): Promise<SessionResult> {
  const { plan } = options.built;
  const probe = await options.backend.probe();
  if (!probe.available) {
    throw new BottleError('backend_unavailable', { message: `${plan.backend}: ${probe.why}`, hint: probe.fix });
  }
  const bottle = await orCancelled(context, 'the agent was not started', () =>
    launchBottle({
      plan,
      backend: options.backend,
      program: context.program(),
      paths: context.paths,
      values: options.values,
      userName: context.userName,
      upstreamLogin: context.settings().upstream.proxy?.login ?? null,
      stdio: options.stdio,
      terminal: options.attachment,
      terminalEnvironment: isOnTerminal(context, options) ? terminalEnvironment(context.environment) : {},
      signal: context.stopRequested,
      clock: systemClock,
      random: systemRandom,
      allocateUid: context.allocateUid,
      origin: options.origin,
      resumed: options.resumed ?? false,
      ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
    }),
  );
  return finish(context, bottle, options);
}

/** With a terminal of its own, or, where none can be made for it, with the operator's. */
function isOnTerminal({ interactive }: CliContext, { attachment, stdio }: SessionOptions): boolean {
  return attachment !== null || (interactive && stdio[0] === 'inherit');
}

async function finish(context: CliContext, bottle: LaunchedBottle, options: SessionOptions): Promise<SessionResult> {
  const stop = (): void => {
    void bottle.stop(context.hurryRequested.aborted ? 0 : STOP_GRACE_MS);
  };
  const hurry = (): void => {
    void bottle.stop(0);
  };
  try {
    options.onReady?.(bottle);
    // A resumed bottle's changes are counted from its first start.
    if (options.resumed !== true) stampWorkspace(bottle.paths);
    context.stopRequested.addEventListener('abort', stop, { once: true });
    context.hurryRequested.addEventListener('abort', hurry, { once: true });
    if (context.stopRequested.aborted) stop();
    options.attachment?.begin();
    const begunAt = performance.now();
    const exit = interrupted(await bottle.run(), context.stopRequested);
    const elapsedMs = performance.now() - begunAt;
    await options.attachment?.[Symbol.asyncDispose]();
    const settlement = await settle(exit, options.built.plan, bottle.paths);
    await bottle.end();
    const decisions = countDecisions(bottle.paths.record);
    if (settlement.kind === 'kept') bottle.preserve(settlement.reason, exit.exitCode);
    else bottle.discard(exit.exitCode);
    return {
      slug: bottle.slug,
      exit,
      settlement,
      stateDirectory: bottle.paths.root,
      decisions,
      elapsedMs,
    };
  } catch (failure) {
    await bottle.end();
    bottle.preserve('error', null);
    throw failure;
  } finally {
    await options.attachment?.[Symbol.asyncDispose]();
    context.stopRequested.removeEventListener('abort', stop);
    context.hurryRequested.removeEventListener('abort', hurry);
  }
}

/** By Ctrl-C the agent is told to end like by any stop; whoever pressed it expects to read that it was interrupted. */
function interrupted(exit: AgentExit, stopRequested: AbortSignal): AgentExit {
  const pressed = stopRequested.aborted && stopRequested.reason === 'SIGINT';
  return pressed && exit.signal === 'SIGTERM' ? { ...exit, exitCode: 130, signal: 'SIGINT' } : exit;
}
