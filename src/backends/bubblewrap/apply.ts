import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError, BugError } from '../../kernel/errors.ts';
import { Scope } from '../../kernel/scope.ts';
import { Secret } from '../../kernel/secret.ts';
import {
  childrenOf,
  namespaceMembers,
  processStartTime,
  processTree,
  signalProcess,
} from '../../platform/processes.ts';
import { reveal } from '../../platform/reveal.ts';
import type { AgentCommand, AgentExit, ApplyContext, BottleListener, GatedBottle, Proof } from '../../ports/backend.ts';
import { commandFields, encodeFrame } from '../probe/frames.ts';
import type { BubblewrapOptions, PlannedBottle } from './backend.ts';
import { assembleSeccomp } from '../common/bpf.ts';
import { applyCgroup, reachedIn, removeCgroup, type PlannedCgroup } from './cgroups.ts';
import type { Door } from './enter-plan.ts';
import { agentExit } from '../common/exit-code.ts';
import { expectedMounts } from './expected-mounts.ts';
import { renderInvocation } from './invocation.ts';
import { preparePlaces } from './places.ts';
import { holdUid } from '../common/host-user.ts';
import { startProcess, waitForExit, type BottleProcess } from './process.ts';
import { proveConfinement } from './prove.ts';
import { watchMemory, type MemoryWatch } from './watch.ts';

/** With the agent's own streams, for those of them that are pipes. */
export interface BubblewrapBottle extends GatedBottle {
  readonly stdin: BottleProcess['child']['stdin'];
  readonly stdout: BottleProcess['child']['stdout'];
  readonly stderr: BottleProcess['agentErrors'];
  /** The host uid the bottle runs as. */
  readonly hostUid: number;
}

export async function applyBubblewrap(
  planned: PlannedBottle,
  context: ApplyContext,
  options: BubblewrapOptions,
): Promise<BubblewrapBottle> {
  const scope = new Scope();
  try {
    return await build(planned, context, options, scope);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

async function build(
  planned: PlannedBottle,
  context: ApplyContext,
  options: BubblewrapOptions,
  scope: Scope,
): Promise<BubblewrapBottle> {
  const { plan } = planned;
  const hostUid = plan.ownHostUid ? await holdUid(context, scope) : null;
  const runtime = options.runtimeDirectory(plan.slug);
  context.journal({ step: 'bottle-places', detail: { runtime } });
  for (const cgroup of plan.cgroups) holdCgroup(cgroup, context, scope);
  const terminal = context.terminal === null && context.stdio[0] === 'inherit' && process.stdin.isTTY;
  if (context.terminal !== null && hostUid !== null) giveTerminal(context.terminal.slaveFd, hostUid);
  const joins = joinsOf(planned);
  const { stateDirectory, programDirectory } = context;
  const place = preparePlaces(plan, { stateDirectory, programDirectory, runtime, hostUid, joins, terminal }, scope);
  const { argv, bottleArguments } = renderInvocation(plan, place);
  const filter = plan.seccomp === null ? null : assembleSeccomp(plan.seccomp, plan.architecture);
  const bottle = startProcess(argv, context, terminal, { options: bottleArguments, filter }, plan.listeners);
  scope.defer('bottle process', () => killAll(bottle));
  scope.defer('listeners', () => {
    bottle.closeListeners();
  });
  const { pid } = bottle.child;
  if (pid !== undefined) {
    context.journal({ step: 'bottle-process', detail: { pid, startTime: processStartTime(pid) ?? '' } });
  }
  const listeners = await abortable(bottle.listeners, context.signal);
  return new RunningBottle({ planned, context, bottle, listeners, hostUid, scope });
}

function mountsOf({ intended }: PlannedBottle): Door['mounts'] {
  const { readOnly, writable } = expectedMounts(intended);
  return { readOnly: [...readOnly], writable: [...writable] };
}

function joinsOf({ plan }: PlannedBottle): readonly string[] {
  return plan.cgroups.map(({ directory }) => path.join(directory, 'cgroup.procs'));
}

/** The agent opens its terminal again by name, as whoever it is on the host. */
export function giveTerminal(slaveFd: number, hostUid: number): void {
  fs.fchownSync(slaveFd, hostUid, hostUid);
  fs.fchmodSync(slaveFd, 0o600);
}

const CGROUP_ATTEMPTS = 12;

function holdCgroup(cgroup: PlannedCgroup, context: ApplyContext, scope: Scope): void {
  const { directory } = cgroup;
  context.journal({ step: 'bottle-limits', detail: { cgroup: directory } });
  scope.defer('control group', async () => {
    for (let attempt = 1; !removeCgroup(directory); attempt += 1) {
      if (attempt === CGROUP_ATTEMPTS) {
        throw new BottleError('cleanup_incomplete', { message: `${directory} is still in use` });
      }
      await sleep(2 ** attempt);
    }
  });
  fs.mkdirSync(directory);
  applyCgroup(cgroup);
}

async function abortable<Value>(value: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => {
    reject(new BottleError('launch_failed', { message: 'stopped while the bottle was being made' }));
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([value, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

interface Parts {
  readonly planned: PlannedBottle;
  readonly context: ApplyContext;
  readonly bottle: BottleProcess;
  readonly listeners: readonly BottleListener[];
  readonly hostUid: number | null;
  readonly scope: Scope;
}

class RunningBottle implements BubblewrapBottle {
  readonly listeners: readonly BottleListener[];
  readonly hostPid: Promise<number>;
  readonly hostUid: number;
  readonly #parts: Parts;
  #proved = false;
  #entered = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.listeners = parts.listeners;
    this.hostPid = parts.bottle.firstPid;
    this.hostUid = parts.hostUid ?? process.getuid?.() ?? 0;
  }

  get stdin(): BubblewrapBottle['stdin'] {
    return this.#parts.bottle.child.stdin;
  }

  get stdout(): BubblewrapBottle['stdout'] {
    return this.#parts.bottle.child.stdout;
  }

  get stderr(): BubblewrapBottle['stderr'] {
    return this.#parts.bottle.agentErrors;
  }

  async prove(context: Parameters<GatedBottle['prove']>[0]): Promise<Proof> {
    const { planned, bottle, hostUid } = this.#parts;
    const proof = await proveConfinement({
      intended: planned.intended,
      bottle,
      context,
      stateDirectory: this.#parts.context.stateDirectory,
      hostUid: this.hostUid,
      hostGid: hostUid ?? process.getgid?.() ?? 0,
    });
    this.#proved = proof.held;
    return proof;
  }

  async run(command: AgentCommand): Promise<AgentExit> {
    if (!this.#proved) throw new BugError('the gate opens only after a proof that held');
    const env = Object.fromEntries(
      Object.entries(command.env).map(([name, value]) => [
        name,
        value instanceof Secret ? reveal(value, 'pipe') : value,
      ]),
    );
    const { bottle, planned } = this.#parts;
    using watch = await this.#watchMemory();
    bottle.orders.end(encodeFrame(commandFields({ ...command, env })));
    const exit = agentExit(await bottle.exited);
    return {
      ...exit,
      reached: [...(watch?.reached() ?? []), ...reachedIn(planned.plan.cgroups, planned.plan.resources)],
    };
  }

  async door(): Promise<Door> {
    if (!this.#proved) throw new BugError('nobody else is let in before the walls were proved');
    const { planned, hostUid } = this.#parts;
    const { bwrap, seccomp, architecture, resources, support } = planned.intended;
    const pid = await this.hostPid;
    this.#entered = true;
    return {
      pid,
      startTime: processStartTime(pid) ?? '',
      hostUid,
      bwrap,
      joins: [...joinsOf(planned)],
      nproc: support.pids === 'rlimit' ? (resources.pids ?? null) : null,
      filter: Buffer.from(assembleSeccomp(seccomp ?? [], architecture)).toString('base64'),
      mounts: mountsOf(planned),
    };
  }

  closeListeners(): void {
    this.#parts.bottle.closeListeners();
  }

  async stop(graceMs: number): Promise<void> {
    const { bottle } = this.#parts;
    if (graceMs > 0) {
      const [agent] = childrenOf(await this.hostPid);
      if (agent !== undefined) signalProcess(agent, 'SIGTERM');
      if (await waitForExit(bottle, graceMs)) return;
    }
    await killAll(bottle);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.scope[Symbol.asyncDispose]();
  }

  async #watchMemory(): Promise<MemoryWatch | null> {
    const { resources, support } = this.#parts.planned.plan;
    const limit = resources.memoryBytes;
    if (limit === undefined || support.memory !== 'watchdog') return null;
    const firstPid = await this.hostPid;
    return watchMemory({
      firstPid,
      limitBytes: limit,
      // Whoever was let in by the door is a child of somebody outside.
      processes: () => (this.#entered ? namespaceMembers(firstPid) : processTree(firstPid)),
      onReached: () => {
        this.#parts.context.journal({ step: 'memory-limit', detail: { bytes: limit } });
      },
    });
  }
}

const CHAIN_END_MS = 2_000;

/**
 * The end of a pid namespace's first process ends everything in it, and the chain above it ends by itself, each process
 * seen off by its parent. A chain that doesn't is killed whole.
 */
async function killAll(bottle: BottleProcess): Promise<void> {
  const { child, exited } = bottle;
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const innermost = bottle.knownFirstPid();
  if (innermost !== null) {
    signalProcess(innermost, 'SIGKILL');
    if (await waitForExit(bottle, CHAIN_END_MS)) return;
  }
  for (const pid of processTree(child.pid).toReversed()) signalProcess(pid, 'SIGKILL');
  await exited;
}
