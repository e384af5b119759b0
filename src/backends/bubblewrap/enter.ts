import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { ignoreUnlessAwaited } from '../../kernel/promises.ts';
import { Scope } from '../../kernel/scope.ts';
import { MARK, parentOf, processStartTime, processTree, signalProcess } from '../../platform/processes.ts';
import type { EnterContext, EnteredCommand, WallCheck } from '../../ports/backend.ts';
import { INSIDE } from '../../schema/plan.ts';
import { judge, type KernelAccount } from '../common/account.ts';
import { giveTerminal } from './apply.ts';
import { DoorSchema, ENTER_FD, entryOf, holderArgv, type Door, type EnterPids, type EnterTools } from './enter-plan.ts';
import { agentExit } from '../common/exit-code.ts';
import { needProgram } from './facts.ts';
import { readAccount } from '../common/read-account.ts';

/**
 * Puts a command into a bottle that runs, behind the same walls as the agent. Whoever owns the bottle's outer user
 * namespace, the operator, may enter what lies below it; from there bubblewrap does the rest, with the agent's filter
 * and without any capability.
 *
 * The agent must not be able to take over a process that is on its way in and has no filter yet: it could write to its
 * memory. So nothing of ours is ever in the agent's own user namespace. A first chain of programs makes one beside it,
 * while the kernel's settings are still in reach that keep it from making more; the second goes in and joins it.
 */
export async function enterBubblewrap(context: EnterContext): Promise<EnteredCommand> {
  const door = DoorSchema.parse(context.door);
  const scope = new Scope();
  try {
    return await enter(door, context, scope);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

async function enter(door: Door, context: EnterContext, scope: Scope): Promise<EnteredCommand> {
  const pids = locate(door);
  const tools = { setpriv: needProgram('setpriv'), nsenter: needProgram('nsenter'), prlimit: needProgram('prlimit') };
  const holder = await holdNamespace(door, tools, pids, context, scope);
  const child = startEntry(door, tools, pids, holder.userFd, context);
  scope.defer('entered command', () => killTree(child));
  const exited = exitOf(child);
  const words = lastWords(child);
  if (!(await saysLine(pipeIn(child, ENTER_FD.report), exited))) throw notEntered(door, words());
  await holder.letGo();
  const wrong = inspect(door, pids, processTree(child.pid ?? 0).at(-1) ?? 0);
  if (wrong.length > 0) {
    throw new BottleError('not_confined', {
      message: `the command's confinement was not proved, so it was not started:\n  ${wrong
        .map(({ id, expected, seen }) => `${id}: expected ${expected}, seen ${seen}`)
        .join('\n  ')}`,
      hint: 'bot-bottle doctor',
    });
  }
  pipeOut(child, ENTER_FD.gate).end('go\n');
  return {
    exited: exited.then(agentExit),
    stop: async (graceMs) => {
      const inside = processTree(child.pid ?? 0)[FIRST_INSIDE];
      if (inside !== undefined) signalProcess(inside, 'SIGTERM');
      const ended = await Promise.race([exited.then(() => true), sleep(graceMs, false, { ref: false })]);
      if (!ended) await killTree(child);
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

/** In the tree: who waits outside, bubblewrap, and the command itself. */
const FIRST_INSIDE = 2;

function locate(door: Door): EnterPids {
  const outer = parentOf(door.pid);
  if (outer !== null && processStartTime(door.pid) === door.startTime) return { outer, first: door.pid };
  throw gone();
}

const gone = (): BottleError => new BottleError('bundle_ended', { message: 'the bottle has ended' });

function notEntered(door: Door, said: string): BottleError {
  if (processStartTime(door.pid) !== door.startTime) return gone();
  return new BottleError('launch_failed', {
    message: `the bottle can't be entered${said === '' ? '' : `: ${said}`}`,
    hint: 'bot-bottle doctor',
  });
}

interface HeldNamespace {
  readonly userFd: number;
  readonly letGo: () => Promise<void>;
}

/** Until the command has joined it, a process of ours that nobody inside can see keeps the namespace alive. */
async function holdNamespace(
  door: Door,
  tools: EnterTools,
  pids: EnterPids,
  { stateDirectory }: EnterContext,
  scope: Scope,
): Promise<HeldNamespace> {
  const [command = '', ...rest] = holderArgv(door, tools, pids);
  const holder = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { [MARK]: stateDirectory },
    cwd: '/',
    detached: true,
  });
  const words = lastWords(holder);
  const exited = exitOf(holder);
  const letGo = async (): Promise<void> => {
    holder.stdin.end();
    await exited;
  };
  scope.defer('user namespace', () => killTree(holder));
  holder.stdin.on('error', ignoreClosedPipe);
  if (!(await saysLine(holder.stdout, exited))) throw notEntered(door, words());
  const innermost = processTree(holder.pid ?? 0).at(-1) ?? 0;
  const userFd = fs.openSync(`/proc/${String(innermost)}/ns/user`, 'r');
  return { userFd, letGo };
}

function startEntry(
  door: Door,
  tools: EnterTools,
  pids: EnterPids,
  userFd: number,
  { command, stdio, terminal, stateDirectory }: EnterContext,
): ChildProcess {
  const { argv, bwrapArguments } = entryOf(door, tools, pids, { ...command, ownTerminal: terminal !== null });
  if (terminal !== null && door.hostUid !== null) giveTerminal(terminal.slaveFd, door.hostUid);
  const [stdin, stdout, stderr] = terminal === null ? stdio : [terminal.slaveFd, terminal.slaveFd, terminal.slaveFd];
  const [program = '', ...rest] = argv;
  const ownStderr = stderr === 'inherit' ? 2 : stderr;
  const child = spawn(program, rest, {
    stdio: [stdin, stdout, 'pipe', 'pipe', 'pipe', 'pipe', userFd, ownStderr, 'pipe'],
    env: { [MARK]: stateDirectory },
    cwd: '/',
    detached: true,
  });
  fs.closeSync(userFd);
  writeOnce(pipeOut(child, ENTER_FD.args), bwrapArguments.map((argument) => `${argument}\0`).join(''));
  writeOnce(pipeOut(child, ENTER_FD.seccomp), Buffer.from(door.filter, 'base64'));
  pipeOut(child, ENTER_FD.gate).on('error', ignoreClosedPipe);
  return child;
}

/** The kernel's account of the command while it waits at its gate: the agent's walls, and the bottle's own namespaces. */
function inspect(door: Door, pids: EnterPids, pid: number): readonly WallCheck[] {
  const account = readAccount(pid);
  const bottle = readAccount(pids.first);
  // Both looks were at the same bottle if it still is there.
  locate(door);
  const hostGid = door.hostUid ?? process.getgid?.() ?? 0;
  const walls = judge(account, {
    hostUid: door.hostUid ?? process.getuid?.() ?? 0,
    hostGid,
    insideUid: INSIDE.uid,
    insideGid: INSIDE.gid,
    noGroups: door.hostUid !== null,
    ...door.mounts,
  }).filter(({ id }) => id !== 'probe-runs');
  return [...walls, sameBottle(account, bottle), ownUser(account, bottle)].filter(({ held }) => !held);
}

const SHARED = ['pid', 'net', 'ipc', 'uts', 'cgroup'] as const;

function sameBottle(own: KernelAccount, bottle: KernelAccount): WallCheck {
  const wrong = SHARED.filter((kind) => own.namespaces[kind] !== bottle.namespaces[kind]);
  return check('namespaces-of-the-bottle', SHARED.join(', '), wrong);
}

function ownUser(own: KernelAccount, bottle: KernelAccount): WallCheck {
  const same = own.namespaces['user'] === bottle.namespaces['user'];
  return check('user-namespace-beside', "another than the agent's", same ? ["the agent's"] : []);
}

function check(id: string, expected: string, wrong: readonly string[]): WallCheck {
  const held = wrong.length === 0;
  return { id, guarantee: 'G-CONFINED', from: 'outside', expected, seen: held ? expected : wrong.join(', '), held };
}

type Exit = Parameters<typeof agentExit>[0];

function exitOf(child: ChildProcess): Promise<Exit> {
  const { promise, resolve, reject } = Promise.withResolvers<Exit>();
  child.once('exit', (code, signal) => {
    resolve({ code, signal });
  });
  child.once('error', (cause) => {
    reject(new BottleError('launch_failed', { message: `the bottle can't be entered: ${cause.message}`, cause }));
  });
  promise.catch(ignoreUnlessAwaited);
  return promise;
}

/** False when it ended without having said anything. */
async function saysLine(stream: Readable, exited: Promise<Exit>): Promise<boolean> {
  stream.on('error', ignoreClosedPipe);
  const line = once(stream, 'data').then(() => true);
  line.catch(ignoreUnlessAwaited);
  return await Promise.race([line, exited.then(() => false)]);
}

/** What the chain of programs itself has to say; the command's own stream is another. */
function lastWords(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString('utf8')}`.slice(-LIMITS.toolOutputBytes);
  });
  child.stderr?.on('error', ignoreClosedPipe);
  return () => text.trim();
}

async function killTree(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  for (const pid of processTree(child.pid).toReversed()) signalProcess(pid, 'SIGKILL');
  await exited;
}

function pipeOut(child: ChildProcess, fd: number): Writable {
  const stream = child.stdio[fd];
  if (stream && 'write' in stream) return stream;
  throw new BottleError('launch_failed', { message: `descriptor ${String(fd)} of the command is no pipe` });
}

function pipeIn(child: ChildProcess, fd: number): Readable {
  const stream = child.stdio[fd];
  if (stream && 'read' in stream) return stream;
  throw new BottleError('launch_failed', { message: `descriptor ${String(fd)} of the command is no pipe` });
}

function writeOnce(pipe: Writable, content: string | Uint8Array): void {
  pipe.on('error', ignoreClosedPipe);
  pipe.end(content);
}

function ignoreClosedPipe(failure: Error): void {
  if (!('code' in failure)) throw failure;
}
