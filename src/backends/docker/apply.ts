import path from 'node:path';
import fs from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { BottleError, BugError } from '../../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../../kernel/promises.ts';
import { Scope } from '../../kernel/scope.ts';
import { Secret } from '../../kernel/secret.ts';
import { heldPath } from '../../platform/assets.ts';
import type { DockerEngine } from '../../platform/docker/engine.ts';
import { reveal } from '../../platform/reveal.ts';
import type { AgentCommand, AgentExit, ApplyContext, BottleListener, GatedBottle, Proof } from '../../ports/backend.ts';
import { holdUid } from '../common/host-user.ts';
import { makeFiles, prepareTrees } from '../common/trees.ts';
import { commandFields, encodeLines } from '../probe/frames.ts';
import { openAgentStreams, type AgentStreams } from './agent-streams.ts';
import type { DockerOptions, PlannedContainer } from './backend.ts';
import { containerBody, containerName, expectedMounts, LABEL } from './container.ts';
import type { Door } from './enter.ts';
import { bindInside, type HeldListeners } from './listeners.ts';
import { agentExit } from '../common/exit-code.ts';
import { isBelow, madeFiles, type DockerPlan } from './plan.ts';
import { proveContainer } from './prove.ts';
import { nodeRuntime, stageRuntime } from './runtime-files.ts';
import { joinStreams, letHear, type ContainerStreams } from './streams.ts';

/** With the agent's own streams, for those of them that are pipes. */
export interface DockerBottle extends GatedBottle {
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly containerId: string;
  readonly hostUid: number;
}

const CreatedSchema = z.object({ Id: z.string() });
const StateSchema = z.object({
  State: z.object({ Pid: z.int(), Running: z.boolean(), ExitCode: z.int(), OOMKilled: z.boolean().optional() }),
});
const WaitSchema = z.object({ StatusCode: z.int() });

export async function applyDocker(
  engine: DockerEngine,
  planned: PlannedContainer,
  context: ApplyContext,
  options: DockerOptions,
): Promise<DockerBottle> {
  const scope = new Scope();
  try {
    return await build(engine, planned, context, options, scope);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

async function build(
  engine: DockerEngine,
  planned: PlannedContainer,
  context: ApplyContext,
  options: DockerOptions,
  scope: Scope,
): Promise<DockerBottle> {
  const { plan } = planned;
  const hostUid = plan.ownHostUid ? await holdUid(context, scope) : (process.getuid?.() ?? 0);
  const runtime = options.runtimeDirectory(plan.slug);
  context.journal({ step: 'bottle-places', detail: { runtime } });
  prepareTrees(context.stateDirectory, plan.ownHostUid ? hostUid : null);
  const madeDirectory = path.join(runtime, 'made');
  makeFiles(madeDirectory, madeFiles(plan.hostname, { uid: hostUid, gid: hostUid }), scope);
  const node = nodeRuntime();
  stageRuntime(node, path.join(madeDirectory, 'lib'));
  makeWayThrough(plan, path.join(madeDirectory, 'through'));
  const streams = openAgentStreams(context);
  scope.defer('agent streams', () => {
    streams[Symbol.dispose]();
  });
  const name = containerName(plan.slug);
  context.journal({ step: 'bottle-container', detail: { engine: engine.socketPath, container: name } });
  const body = containerBody(plan, {
    stateDirectory: context.stateDirectory,
    madeDirectory,
    node: fs.realpathSync(process.execPath),
    probe: heldPath(context.programDirectory, 'probe.js'),
    loader: node.loader,
    uid: hostUid,
    gid: hostUid,
    terminal: streams.terminal,
    labels: { [LABEL.state]: context.stateDirectory, [LABEL.slug]: plan.slug },
  });
  scope.defer('container', async () => {
    await removeContainer(engine, name);
    context.journal({ step: 'container-removed', detail: { removed: name } });
  });
  const { Id: id } = await engine.json(CreatedSchema, {
    method: 'POST',
    path: '/containers/create',
    query: { name },
    body,
    signal: context.signal,
  });
  const attached = await attach(engine, id, streams);
  scope.defer('container streams', () => {
    attached.destroy();
  });
  await engine.send({ method: 'POST', path: `/containers/${id}/start`, signal: context.signal });
  const exited = waitFor(engine, id);
  exited.catch(ignoreUnlessAwaited);
  const hostPid = await pidOf(engine, id);
  const held = await bindInside(hostPid, context, plan.listeners);
  scope.defer('listeners', () => {
    held[Symbol.dispose]();
  });
  const parts = { engine, planned, context, streams, attached, exited, hostPid, hostUid, held, id, scope };
  return new RunningContainer(parts, held.listeners);
}

/** A read-only directory has no room for mount points, unless they are there already. */
function makeWayThrough({ mounts, operatorHome }: DockerPlan, directory: string): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const { source, target } of mounts) {
    if (source.from !== 'operator' || !isBelow(target, operatorHome)) continue;
    const point = path.join(directory, path.relative(operatorHome, target));
    const isDirectory = fs.statSync(source.path).isDirectory();
    fs.mkdirSync(isDirectory ? point : path.dirname(point), { recursive: true, mode: 0o755 });
    if (!isDirectory) fs.writeFileSync(point, '', { flag: 'a' });
  }
}

async function attach(engine: DockerEngine, id: string, streams: AgentStreams): Promise<ContainerStreams> {
  const query = { stream: '1', stdin: '1', stdout: '1', stderr: '1' };
  return joinStreams(await engine.hijack({ method: 'POST', path: `/containers/${id}/attach`, query }), streams);
}

async function waitFor(engine: DockerEngine, id: string): Promise<number> {
  const path = `/containers/${id}/wait`;
  return (await engine.json(WaitSchema, { method: 'POST', path, timeoutMs: null })).StatusCode;
}

async function pidOf(engine: DockerEngine, id: string): Promise<number> {
  const { State } = await engine.json(StateSchema, { method: 'GET', path: `/containers/${id}/json` });
  if (State.Running && State.Pid > 0) return State.Pid;
  throw new BottleError('launch_failed', {
    message: `the container ended at once (exit ${String(State.ExitCode)})`,
    hint: 'the image may lack what the engine needs to start it',
  });
}

/** Gone already is as good. */
export async function removeContainer(engine: DockerEngine, name: string): Promise<void> {
  await engine.send({
    method: 'DELETE',
    path: `/containers/${name}`,
    query: { force: '1', v: '1' },
    accept: [404, 409],
  });
}

interface Parts {
  readonly engine: DockerEngine;
  readonly planned: PlannedContainer;
  readonly context: ApplyContext;
  readonly streams: AgentStreams;
  readonly attached: ContainerStreams;
  readonly exited: Promise<number>;
  readonly hostPid: number;
  readonly hostUid: number;
  readonly held: HeldListeners;
  readonly id: string;
  readonly scope: Scope;
}

/** What was said last is on its way through the engine when the end is known already. */
const LAST_WORDS_MS = 2_000;

class RunningContainer implements DockerBottle {
  readonly listeners: readonly BottleListener[];
  readonly hostPid: Promise<number>;
  readonly hostUid: number;
  readonly containerId: string;
  readonly #parts: Parts;
  #proved = false;

  constructor(parts: Parts, listeners: readonly BottleListener[]) {
    this.#parts = parts;
    this.listeners = listeners;
    this.hostPid = Promise.resolve(parts.hostPid);
    this.hostUid = parts.hostUid;
    this.containerId = parts.id;
  }

  get stdin(): Writable | null {
    return this.#parts.streams.stdin;
  }

  get stdout(): Readable | null {
    return this.#parts.streams.stdout;
  }

  get stderr(): Readable | null {
    return this.#parts.streams.stderr;
  }

  async prove(context: Parameters<GatedBottle['prove']>[0]): Promise<Proof> {
    const { planned, attached, hostPid, hostUid } = this.#parts;
    const { stateDirectory } = this.#parts.context;
    const { intended } = planned;
    const proof = await proveContainer({ intended, attached, context, stateDirectory, hostPid, hostUid });
    this.#proved = proof.held;
    return proof;
  }

  async run(command: AgentCommand): Promise<AgentExit> {
    if (!this.#proved) throw new BugError('the gate opens only after a proof that held');
    const { attached, streams, exited, engine, id } = this.#parts;
    const env = Object.fromEntries(
      Object.entries(command.env).map(([name, value]) => [
        name,
        value instanceof Secret ? reveal(value, 'pipe') : value,
      ]),
    );
    // The engine has made the container's terminal its session's already.
    attached.write(encodeLines(commandFields({ ...command, env, ownTerminal: false })));
    await attached.begun;
    letHear(streams, attached, (rows, columns) => {
      this.#resize(rows, columns).catch(ignoreUnlessAwaited);
    });
    const exitCode = await exited;
    await Promise.race([attached.ended, after(LAST_WORDS_MS)]);
    await streams.flushed();
    streams[Symbol.dispose]();
    return { ...agentExit({ code: exitCode, signal: null }), reached: await this.#reached(engine, id) };
  }

  closeListeners(): void {
    this.#parts.held[Symbol.dispose]();
  }

  door(): Promise<unknown> {
    if (!this.#proved) throw new BugError('nobody else is let in before the walls were proved');
    const { planned, hostUid, id } = this.#parts;
    const { readOnly, writable } = expectedMounts(planned.intended);
    const door: Door = {
      container: id,
      hostUid,
      ownHostUid: planned.intended.ownHostUid,
      loader: nodeRuntime().loader,
      variables: [...planned.plan.imageVariables],
      mounts: { readOnly: [...readOnly], writable: [...writable] },
    };
    return Promise.resolve(door);
  }

  async stop(graceMs: number): Promise<void> {
    const { exited } = this.#parts;
    if (graceMs > 0) {
      await this.#signal('SIGTERM');
      const ended = await Promise.race([exited.then(() => true), after(graceMs).then(() => false)]);
      if (ended) return;
    }
    await this.#signal('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.scope[Symbol.asyncDispose]();
  }

  /** 404 and 409: it has ended meanwhile. */
  async #signal(signal: NodeJS.Signals): Promise<void> {
    const { engine, id } = this.#parts;
    await engine.send({ method: 'POST', path: `/containers/${id}/kill`, query: { signal }, accept: [404, 409] });
  }

  async #resize(rows: number, columns: number): Promise<void> {
    const { engine, id } = this.#parts;
    const query = { h: String(rows), w: String(columns) };
    await engine.send({ method: 'POST', path: `/containers/${id}/resize`, query, accept: [404, 409, 500] });
  }

  async #reached(engine: DockerEngine, id: string): Promise<AgentExit['reached']> {
    const { memoryBytes } = this.#parts.planned.plan.resources;
    if (memoryBytes === undefined) return [];
    const { State } = await engine.json(StateSchema, { method: 'GET', path: `/containers/${id}/json` });
    return State.OOMKilled === true ? [{ resource: 'memory', limit: memoryBytes }] : [];
  }
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs).unref();
  });
}
