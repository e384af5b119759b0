import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { bubblewrapBackend, type BubblewrapOptions } from '../../../src/backends/bubblewrap/backend.ts';
import { dockerBackend, type DockerOptions } from '../../../src/backends/docker/backend.ts';
import { Scope } from '../../../src/kernel/scope.ts';
import type { AgentExit, ApplyContext, GatedBottle, Proof } from '../../../src/ports/backend.ts';
import { BottlePlanSchema, type BottlePlan } from '../../../src/schema/plan.ts';

/** What both backends' bottles have beside the port: the agent's streams, and who it is on the host. */
interface OpenBottle extends GatedBottle {
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly hostUid: number;
}

/** A real bottle, with a gateway that knows nothing but the probe's nonce. */
export interface TestBottle extends AsyncDisposable {
  readonly bottle: OpenBottle;
  readonly root: string;
  readonly journal: readonly { readonly step: string; readonly detail: Readonly<Record<string, string | number>> }[];
  prove(deadlineMs?: number): Promise<Proof>;
  /** Proves, runs, and collects what the agent wrote. */
  run(argv: readonly string[], env?: Readonly<Record<string, string>>, input?: string): Promise<Finished>;
}
export interface Finished extends AgentExit {
  readonly stdout: string;
  readonly stderr: string;
}

let count = 0;

export function testPlan(change: Partial<BottlePlan> = {}): BottlePlan {
  count += 1;
  const slug = `test-${process.pid}-${count}`;
  return BottlePlanSchema.parse({
    slug,
    agent: 'run',
    label: null,
    provider: 'command',
    backend: 'bubblewrap',
    command: { argv: ['true'], env: {}, forwardedEnv: [], placeholderEnv: [], cwd: '/home/agent/workspace' },
    files: [],
    workspace: { mode: 'none' },
    mounts: [],
    resources: { strict: false },
    debug: false,
    gateway: { slug, generation: 1, routes: [], log: 0, supervise: false, upstream: { extraCa: [], resolve: {} } },
    credentials: [],
    services: ['egress'],
    warnings: [],
    ...change,
  });
}

export interface TestBottleOptions {
  /** For the proof alone: a wall that is left out. */
  readonly withoutWall?: BubblewrapOptions['withoutWall'];
  /** A container of this engine instead of bubblewrap. */
  readonly docker?: Pick<DockerOptions, 'socketPath' | 'image' | 'withoutWall'>;
  readonly plan?: Partial<BottlePlan>;
  /** Fills home and workspace before the bottle is made. */
  readonly fill?: (state: string) => void;
  readonly silentGateway?: boolean;
}

export async function startBottle(options: TestBottleOptions = {}): Promise<TestBottle> {
  const scope = new Scope();
  try {
    return await start(options, scope);
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

async function start(options: TestBottleOptions, scope: Scope): Promise<TestBottle> {
  // The state lies where only its owner can go, the runtime directory where everybody can pass.
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bottle-state-'));
  const runtime = fs.mkdtempSync(path.join(os.tmpdir(), 'bottle-run-'));
  for (const directory of [root, runtime]) {
    scope.defer(directory, () => {
      fs.rmSync(directory, { recursive: true, force: true });
    });
  }
  fs.chmodSync(runtime, 0o711);
  for (const name of ['home', 'workspace', 'ours']) fs.mkdirSync(path.join(root, name));
  for (const name of ['ca.pem', 'ca-bundle.pem', 'truststore.jks'])
    fs.writeFileSync(path.join(root, 'ours', name), name);
  fs.writeFileSync(path.join(root, 'journal.jsonl'), '');
  options.fill?.(root);
  const journal: { step: string; detail: Readonly<Record<string, string | number>> }[] = [];
  const bottle = await apply(options, runtime, {
    stateDirectory: root,
    programDirectory: path.resolve('dist'),
    stdio: ['pipe', 'pipe', 'pipe'],
    terminal: null,
    journal: (entry) => {
      journal.push(entry);
    },
    signal: new AbortController().signal,
  });
  scope.defer('bottle', async () => {
    await bottle[Symbol.asyncDispose]();
  });
  const gateway = fakeGateway(bottle, options.silentGateway === true, scope);
  const prove = (deadlineMs = 10_000): Promise<Proof> =>
    bottle.prove({ nonce: 'nonce-of-the-test', gatewaySaw: gateway, deadlineMs });
  return {
    bottle,
    root,
    journal,
    prove,
    run: async (argv, env = {}, input = '') => {
      const proof = await prove();
      if (!proof.held) throw new Error(`not confined: ${JSON.stringify(proof.checks.filter(({ held }) => !held))}`);
      bottle.stdin?.end(input);
      const output = Promise.all([textOf(bottle.stdout), textOf(bottle.stderr)]);
      const exit = await bottle.run({
        argv,
        env: { PATH: '/usr/bin:/bin', ...env },
        cwd: '/home/agent/workspace',
        ownTerminal: false,
      });
      const [stdout, stderr] = await output;
      return { ...exit, stdout, stderr };
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

async function apply(options: TestBottleOptions, runtime: string, context: ApplyContext): Promise<OpenBottle> {
  const plan = testPlan(options.plan);
  const runtimeDirectory = (): string => runtime;
  if (options.docker !== undefined) {
    const backend = dockerBackend({ ...options.docker, runtimeDirectory });
    return backend.apply(await backend.plan(plan), context);
  }
  const { withoutWall } = options;
  const backend = bubblewrapBackend({ runtimeDirectory, ...(withoutWall === undefined ? {} : { withoutWall }) });
  return backend.apply(await backend.plan(plan), context);
}

function fakeGateway(bottle: OpenBottle, silent: boolean, scope: Scope): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const proxy = bottle.listeners.find(({ role }) => role === 'proxy');
  if (proxy === undefined) throw new Error('no proxy listener');
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => {
      if (silent) return;
      if (chunk.toString().startsWith('GET http://_egress.local/probe?nonce=nonce-of-the-test ')) resolve(undefined);
      socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
    });
    scope.defer('connection', () => {
      socket.destroy();
    });
  });
  server.listen({ fd: proxy.fd });
  scope.defer('gateway', () => {
    server.close();
  });
  return promise;
}

async function textOf(stream: Readable | null): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of stream ?? []) chunks.push(String(chunk));
  return chunks.join('');
}
