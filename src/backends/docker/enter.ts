import { z } from 'zod';
import { BottleError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { ignoreUnlessAwaited } from '../../kernel/promises.ts';
import { Scope } from '../../kernel/scope.ts';
import type { DockerEngine } from '../../platform/docker/engine.ts';
import { signalProcess } from '../../platform/processes.ts';
import type { AgentExit, EnterContext, EnteredCommand } from '../../ports/backend.ts';
import { judge } from '../common/account.ts';
import { agentExit } from '../common/exit-code.ts';
import { readAccount } from '../common/read-account.ts';
import { commandFields, encodeLines } from '../probe/frames.ts';
import { openAgentStreams, type AgentStreams } from './agent-streams.ts';
import { probeCommand } from './container.ts';
import { OURS } from './plan.ts';
import { joinStreams, letHear, type ContainerStreams } from './streams.ts';

/** What the launcher tells another process of the operator's. */
const DoorSchema = z.strictObject({
  container: z.string(),
  hostUid: z.int(),
  ownHostUid: z.boolean(),
  loader: z.string().nullable(),
  variables: z.array(z.string()),
  mounts: z.strictObject({ readOnly: z.array(z.string()), writable: z.array(z.string()) }),
});
export type Door = z.infer<typeof DoorSchema>;

const CreatedSchema = z.object({ Id: z.string() });
const ExecSchema = z.object({ Running: z.boolean(), Pid: z.int(), ExitCode: z.int().nullish() });

/**
 * A further command, by the engine's own way in: it gives it the container's namespaces, filter and user. Its words and
 * its environment go by its standard input, for what the engine is told it keeps for others to read.
 */
export async function enterDocker(engine: DockerEngine, context: EnterContext): Promise<EnteredCommand> {
  const door = DoorSchema.parse(context.door);
  const scope = new Scope();
  try {
    return await enter(engine, door, context, scope);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

async function enter(engine: DockerEngine, door: Door, context: EnterContext, scope: Scope): Promise<EnteredCommand> {
  const streams = openAgentStreams(context);
  scope.defer('command streams', () => {
    streams[Symbol.dispose]();
  });
  const { Id: id } = await engine.json(CreatedSchema, {
    method: 'POST',
    path: `/containers/${door.container}/exec`,
    body: {
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: streams.terminal,
      User: `${String(door.hostUid)}:${String(door.hostUid)}`,
      Env: door.variables.map((name) => `${name}=`),
      Cmd: probeCommand(door.loader, 'entry'),
    },
  });
  const socket = await engine.hijack({
    method: 'POST',
    path: `/exec/${id}/start`,
    body: { Detach: false, Tty: streams.terminal },
  });
  const attached = joinStreams(socket, streams);
  scope.defer('command', () => {
    attached.destroy();
  });
  const pid = await pidOf(engine, id);
  refuseUnlessConfined(door, pid);
  attached.write(encodeLines(commandFields({ ...context.command, ownTerminal: false })));
  await attached.begun;
  letHear(streams, attached, (rows, columns) => {
    const query = { h: String(rows), w: String(columns) };
    engine
      .send({ method: 'POST', path: `/exec/${id}/resize`, query, accept: [404, 409, 500] })
      .catch(ignoreUnlessAwaited);
  });
  const exited = exitOf(engine, id, attached, streams);
  exited.catch(ignoreUnlessAwaited);
  return {
    exited,
    stop: async (graceMs) => {
      signalProcess(pid, 'SIGTERM');
      const ended = await Promise.race([exited.then(() => true), after(graceMs).then(() => false)]);
      if (!ended) signalProcess(pid, 'SIGKILL');
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

/** The engine tells of the process a moment after it has begun. */
async function pidOf(engine: DockerEngine, id: string): Promise<number> {
  for (let waitMs = 5; waitMs < LIMITS.readyTimeoutMs; waitMs *= 2) {
    const { Pid, Running } = await engine.json(ExecSchema, { method: 'GET', path: `/exec/${id}/json` });
    if (Running && Pid > 0) return Pid;
    await after(waitMs);
  }
  throw new BottleError('launch_failed', { message: "the bottle can't be entered: the command did not begin" });
}

function refuseUnlessConfined(door: Door, pid: number): void {
  const wrong = judge(readAccount(pid), {
    hostUid: door.hostUid,
    hostGid: door.hostUid,
    insideUid: door.hostUid,
    insideGid: door.hostUid,
    noGroups: door.ownHostUid,
    sharedUserNamespace: true,
    executable: [`${OURS.lib}/`, OURS.node],
    ...door.mounts,
  }).filter(({ held }) => !held);
  if (wrong.length === 0) return;
  throw new BottleError('not_confined', {
    message: `the command's confinement was not proved, so it was not started:\n  ${wrong
      .map(({ id, expected, seen }) => `${id}: expected ${expected}, seen ${seen}`)
      .join('\n  ')}`,
    hint: 'bot-bottle doctor',
  });
}

/** Its streams end with it, and the engine knows its code. */
async function exitOf(
  engine: DockerEngine,
  id: string,
  attached: ContainerStreams,
  streams: AgentStreams,
): Promise<Omit<AgentExit, 'reached'>> {
  await attached.ended;
  await streams.flushed();
  streams[Symbol.dispose]();
  const { ExitCode } = await engine.json(ExecSchema, { method: 'GET', path: `/exec/${id}/json` });
  return agentExit({ code: ExitCode ?? null, signal: null });
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs).unref();
  });
}
