import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { Scope } from '../kernel/scope.ts';
import type { Secret } from '../kernel/secret.ts';
import type { RunningBundle } from '../bundle/broker.ts';
import type { AgentExit, ApplyContext, Backend, GatedBottle, Proof } from '../ports/backend.ts';
import type { Random } from '../ports/random.ts';
import type { HeldProgram } from '../platform/assets.ts';
import { setPlainUmask } from '../platform/processes.ts';
import { noteInHistory } from '../state/history.ts';
import type { Journal } from '../state/journal.ts';
import { removeBottle, writeBottleFile, type BottleFile } from '../state/bottles.ts';
import { bottlePaths, ensurePrivateDirectory, type BottlePaths } from '../state/paths.ts';
import { makeRuntime, refreshHome, writeHome, writeNssDatabase, writeTrust } from './bottle-files.ts';
import { startBottleBundle, type BottleBundle } from './bundle.ts';
import { openDoor } from './door.ts';
import { checkDisk, limitDisk } from './disk-watch.ts';
import { prepareHandover, type Handover } from './handover.ts';
import { openState, RESUME_FAILED, type OpenState, type StateOptions } from './open-state.ts';
import { unlessStopped } from './readiness.ts';
import { runSteps, type Step } from './steps.ts';
import { writeBase } from './work.ts';
import { cloneWorkspace, copyWorkspace, ignoredIn } from './workspace.ts';

/** Who a service may run as when root starts us; null for an ordinary user, whose services share the user's uid. */
export type AllocateUid = () => Promise<{ readonly uid: number; readonly release: () => void | Promise<void> }>;

export interface LaunchOptions extends StateOptions {
  readonly backend: Backend;
  readonly program: HeldProgram;
  /** Resolved once, before any backend was called (HOTSPOTS H4). */
  readonly values: ReadonlyMap<string, Secret>;
  readonly userName: string;
  /** `user:password` for the upstream proxy of the settings. */
  readonly upstreamLogin?: Secret | null;
  readonly stdio: ApplyContext['stdio'];
  readonly terminal: ApplyContext['terminal'];
  /** What the agent is told of the terminal it is shown on; empty without one. The manifest's `env` wins. */
  readonly terminalEnvironment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly random: Random;
  readonly allocateUid: AllocateUid | null;
  /** Called after each step; for progress, and for tests that end the process there. */
  readonly onStep?: (step: string) => void;
}

/** A bottle whose walls have been proved; the agent still waits. */
export interface LaunchedBottle extends AsyncDisposable {
  readonly slug: string;
  readonly paths: BottlePaths;
  readonly proof: Proof;
  readonly notices: readonly string[];
  /** Lets the agent in and waits for its end. A bundle that ends unasked ends the agent too, and is the error. */
  run(): Promise<AgentExit>;
  /**
   * What the agent has under way with the gateway may end within `LIMITS.drainMs`, and nothing new begins; then TERM, and
   * KILL after the grace. Without a grace it is killed at once.
   */
  stop(graceMs: number): Promise<void>;
  /** Ends everything that runs; the state stays for `settle`. */
  end(): Promise<void>;
  /** Kept: `cleanup` leaves it alone. */
  preserve(reason: string, exitCode: number | null): void;
  /** Nothing of it stays on the host. */
  discard(exitCode: number): void;
}

interface Context {
  readonly options: LaunchOptions;
  readonly paths: BottlePaths;
  readonly journal: Journal;
  readonly handover: Handover;
  gated: GatedBottle | null;
  bundle: RunningBundle | null;
  drain: BottleBundle['drain'] | null;
  proof: Proof | null;
}

export async function launchBottle(options: LaunchOptions): Promise<LaunchedBottle> {
  setPlainUmask();
  const { plan } = options;
  const paths = bottlePaths(options.paths, plan.slug);
  const handover = prepareHandover(options);
  const backendPlan = await options.backend.plan(plan);
  const state = openState(options, paths);
  const scope = new Scope();
  const nothingYet = { gated: null, bundle: null, drain: null, proof: null };
  const context: Context = { options, paths, journal: state.journal, handover, ...nothingYet };
  try {
    const observer = {
      journal: (entry: Parameters<Journal['append']>[0]): void => {
        state.journal.append(entry);
      },
      onDone: (step: string): void => {
        options.onStep?.(step);
      },
    };
    await runSteps(steps(backendPlan), context, scope, observer, options.signal);
    return launched(context, scope, state);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    // What was there before this start is not this start's to remove.
    if (options.resumed)
      writeBottleFile(options.paths, { ...state.file, agentStarted: true, preserved: RESUME_FAILED });
    else {
      removeBottle(options.paths, plan.slug);
      noteEnd(options, 'discarded', null);
    }
    state.close();
    throw failure;
  }
}

function steps(backendPlan: unknown): readonly Step<Context>[] {
  return [
    {
      name: 'workspace',
      announce: ({ paths }) => ({ directory: paths.workspace }),
      run: ({ options, paths }) => makeWorkspace(options, paths),
    },
    {
      name: 'home',
      announce: ({ paths }) => ({ directory: paths.home }),
      run: async ({ options, paths, handover }) => {
        writeTrust(handover.caCertificate, paths);
        if (options.resumed) {
          await refreshHome(options.plan, paths);
        } else {
          fs.mkdirSync(path.join(paths.home, 'workspace'), { recursive: true, mode: 0o700 });
          writeHome(options.plan, paths);
          await writeNssDatabase(paths);
        }
        await checkDisk(paths, options.plan.resources.diskBytes);
      },
    },
    {
      name: 'runtime',
      announce: ({ paths }) => ({ directory: paths.runtime }),
      run: ({ options, paths, handover }, scope) => {
        ensurePrivateDirectory(options.paths.runtimeRoot);
        scope.defer('runtime directory', () => {
          fs.rmSync(paths.runtime, { recursive: true, force: true });
        });
        makeRuntime(paths, handover.callersNonce);
        scope.defer('program', options.program.layOut(paths.program));
        return Promise.resolve();
      },
    },
    {
      name: 'bottle',
      announce: ({ options }) => ({ backend: options.plan.backend }),
      run: async (context, scope) => {
        const { options, paths, journal } = context;
        const gated = await options.backend.apply(backendPlan, {
          stateDirectory: paths.root,
          programDirectory: paths.program,
          stdio: options.stdio,
          terminal: options.terminal,
          journal: (entry) => {
            journal.append(entry);
          },
          signal: options.signal,
        });
        context.gated = gated;
        scope.defer('bottle', async () => {
          await gated[Symbol.asyncDispose]();
        });
      },
    },
    {
      name: 'bundle',
      announce: ({ paths }) => ({ control: paths.control, log: paths.log }),
      run: async (context, scope) => {
        const gated = need(context.gated, 'bottle');
        const { bundle, drain, serveControl } = await startBottleBundle({
          options: context.options,
          paths: context.paths,
          handover: context.handover,
          listeners: gated.listeners,
          closeListeners: () => {
            gated.closeListeners();
          },
          scope,
        });
        context.bundle = bundle;
        context.drain = drain;
        await unlessStopped(bundle.ready, context.options.signal);
        await serveControl();
      },
    },
    {
      name: 'confinement',
      announce: () => ({}),
      run: async (context) => {
        const proving = need(context.gated, 'bottle').prove({
          nonce: context.handover.probeNonce,
          gatewaySaw: need(context.bundle, 'bundle').probeSeen,
          deadlineMs: LIMITS.readyTimeoutMs,
        });
        const proof = await unlessStopped(proving, context.options.signal);
        if (!proof.held) throw notConfined(proof);
        context.proof = proof;
      },
    },
  ];
}

async function makeWorkspace({ plan, paths: home, resumed, signal }: LaunchOptions, paths: BottlePaths): Promise<void> {
  if (resumed) return;
  const { workspace } = plan;
  switch (workspace.mode) {
    case 'copy': {
      const without = workspace.withoutIgnored ? ignoredIn(workspace.source) : new Set<string>();
      const bounds = { exclude: home.home, without };
      writeBase(paths, await copyWorkspace(workspace.source, paths.workspace, bounds, signal));
      return;
    }
    case 'clone':
      writeBase(paths, cloneWorkspace(workspace.source, paths.workspace));
      return;
    case 'bind':
    case 'none':
      fs.mkdirSync(paths.workspace, { mode: 0o700 });
  }
}

function notConfined(proof: Proof): BottleError {
  const open = proof.checks.filter(({ held }) => !held);
  const walls = open.map(({ id, expected, seen }) => `${id}: expected ${expected}, seen ${seen}`).join('\n  ');
  return new BottleError('not_confined', {
    message: `confinement was not proved, so the agent was not started:\n  ${walls || 'the probe gave no answer'}`,
    hint: 'bot-bottle doctor',
  });
}

function need<Value>(value: Value | null, step: string): Value {
  if (value === null) throw new BottleError('launch_failed', { message: `step "${step}" gave nothing` });
  return value;
}

function launched(context: Context, scope: Scope, state: OpenState): LaunchedBottle {
  const { options, paths } = context;
  const gated = need(context.gated, 'bottle');
  const bundle = need(context.bundle, 'bundle');
  const drain = need(context.drain, 'bundle');
  const agentEnded = Promise.withResolvers<undefined>();
  let stopping = false;
  const update = (change: Partial<BottleFile>): void => {
    writeBottleFile(options.paths, { ...state.file, agentStarted: true, ...change });
  };
  const end = async (): Promise<void> => {
    await scope[Symbol.asyncDispose]();
  };
  return {
    slug: options.plan.slug,
    paths,
    proof: need(context.proof, 'confinement'),
    notices: context.handover.notices,
    run: async () => {
      update({});
      state.journal.append({ step: 'agent', detail: {} });
      const { argv, env, cwd, forwardedEnv } = options.plan.command;
      const forwarded = forwardedEnv.map(
        (name) => [name, need(options.values.get(`env:${name}`) ?? null, 'secrets')] as const,
      );
      const everything = {
        ...options.terminalEnvironment,
        ...env,
        ...Object.fromEntries(forwarded),
        ...context.handover.standIns,
      };
      await using disk = limitDisk({
        paths,
        journal: state.journal,
        gated,
        limitBytes: options.plan.resources.diskBytes,
      });
      await using _door = await openDoor({ paths, gated, env: everything, cwd, random: options.random });
      const agent = gated.run({ argv, cwd, env: everything, ownTerminal: options.terminal !== null });
      const agentEnd = agent
        .then((exit) => ({ agent: exit }))
        .finally(() => {
          agentEnded.resolve(undefined);
        });
      const bundleEnd = bundle.ended.then(async (exit) => (stopping ? await agentEnd : { bundle: exit }));
      const first = await Promise.race([agentEnd, bundleEnd]);
      if ('agent' in first) return { ...first.agent, reached: [...first.agent.reached, ...disk.reached()] };
      await gated.stop(0);
      await agent;
      throw new BottleError('bundle_ended', {
        message: `the bundle ended, and the bottle with it: ${first.bundle.reason}`,
      });
    },
    stop: async (graceMs) => {
      stopping = true;
      if (graceMs > 0) await Promise.race([drain(), agentEnded.promise]);
      await gated.stop(graceMs);
    },
    end,
    preserve: (reason, exitCode) => {
      update({ preserved: { reason, exitCode } });
      noteEnd(options, 'preserved', exitCode);
      state.close();
    },
    discard: (exitCode) => {
      removeBottle(options.paths, options.plan.slug);
      noteEnd(options, 'discarded', exitCode);
      state.close();
    },
    [Symbol.asyncDispose]: end,
  };
}

function noteEnd(
  { paths, plan, clock }: LaunchOptions,
  outcome: 'preserved' | 'discarded',
  exitCode: number | null,
): void {
  noteInHistory(paths.home, (history) => {
    history.end({ slug: plan.slug, outcome, exitCode, endedAt: clock.timestamp() });
  });
}
