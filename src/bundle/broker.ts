import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS, MiB } from '../kernel/limits.ts';
import { LineReader } from '../platform/line-reader.ts';
import {
  InitOrderSchema,
  type InitDocument,
  type InitEvent,
  type InitOrder,
  type ServiceName,
} from '../schema/bundle.ts';
import { ServiceEventSchema } from '../schema/egress-service.ts';
import { decodeJson } from '../schema/json.ts';

/**
 * The launcher's side of the bundle: starts what init orders, tells init what became of it, and keeps the listeners
 * over a service's restart. It sees what services report, so every line of theirs is bounded and checked.
 */
export interface BundleProcess {
  /** Argv that puts the process into its box. */
  readonly argv: readonly string[];
}
export interface ServicePlan extends BundleProcess {
  readonly name: ServiceName;
  /** Descriptors of the launcher that the service gets as 5, 6, …: the record file first, then its listeners. */
  readonly descriptors: readonly number[];
  /** What goes into the service's secret pipe, as text. */
  readonly document: string;
}
export interface BundleOptions {
  readonly init: BundleProcess;
  readonly services: readonly ServicePlan[];
  /** One line of a process of the bundle, for the log. */
  readonly onLog: (from: string, line: string) => void;
  readonly readyTimeoutMs?: number;
}

export interface BundleExit {
  readonly status: number;
  readonly reason: string;
  readonly requested: boolean;
}
export interface RunningBundle extends AsyncDisposable {
  /** All services are up; fails naming the one that was late, with its last words. */
  readonly ready: Promise<void>;
  /** The gateway has seen the confinement probe's nonce. */
  readonly probeSeen: Promise<void>;
  readonly ended: Promise<BundleExit>;
  /** Drains, terminates, kills after the grace; resolves when nothing of the bundle lives. */
  stop(): Promise<BundleExit>;
  restart(service: ServiceName): void;
  pids(): readonly number[];
}

/** All a process of ours inherits: nothing of the operator's environment (SECURITY S5). */
const FIXED_ENVIRONMENT = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LANG: 'C.UTF-8' } as const;

export function startBundle(options: BundleOptions): RunningBundle {
  return new Broker(options);
}

interface LiveService {
  readonly instance: number;
  readonly process: ChildProcess;
}

class Broker implements RunningBundle {
  readonly ready: Promise<void>;
  readonly probeSeen: Promise<void>;
  readonly ended: Promise<BundleExit>;
  readonly #options: BundleOptions;
  readonly #init: ChildProcess;
  readonly #live = new Map<ServiceName, LiveService>();
  readonly #plans: ReadonlyMap<ServiceName, ServicePlan>;
  readonly #lastWords = new Map<string, string>();
  readonly #everReady = new Set<ServiceName>();
  readonly #resolvers = {
    ready: Promise.withResolvers<undefined>(),
    probeSeen: Promise.withResolvers<undefined>(),
    ended: Promise.withResolvers<BundleExit>(),
  };
  #verdict: { readonly status: number; readonly reason: string } | null = null;
  #initExited = false;
  #requested = false;
  readonly #readyTimer: NodeJS.Timeout;

  constructor(options: BundleOptions) {
    this.#options = options;
    this.#plans = new Map(options.services.map((service) => [service.name, service]));
    this.ready = this.#resolvers.ready.promise;
    this.probeSeen = this.#resolvers.probeSeen.promise;
    this.ended = this.#resolvers.ended.promise;
    for (const promise of [this.ready, this.probeSeen]) promise.catch(ignoreUnlessAwaited);
    const timeoutMs = options.readyTimeoutMs ?? LIMITS.readyTimeoutMs;
    this.#readyTimer = setTimeout(() => {
      this.#failReady(`not ready within ${String(timeoutMs / 1000)} s`);
    }, timeoutMs);
    this.#init = this.#startInit();
  }

  stop(): Promise<BundleExit> {
    this.#requested = true;
    this.#tell({ event: 'stop' });
    return this.ended;
  }

  restart(service: ServiceName): void {
    this.#tell({ event: 'restart', service });
  }

  pids(): readonly number[] {
    return [this.#init, ...[...this.#live.values()].map((service) => service.process)].flatMap(({ pid }) =>
      pid === undefined ? [] : [pid],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #startInit(): ChildProcess {
    const child = launch(this.#options.init.argv, ['pipe', 'ignore', 'pipe', 'pipe', 'pipe']);
    this.#logLines('init', child.stderr);
    this.#readLines(child.stdio[3], (line) => {
      const order = decodeJson(InitOrderSchema, line);
      if (order.ok) this.#perform(order.value);
      else this.#options.onLog('bundle', `init ordered what nobody knows: ${order.error}`);
    });
    const services = this.#options.services.map(({ name, document }) => ({ name, document }));
    sendOnce(child.stdio[4], JSON.stringify({ services } satisfies InitDocument));
    child.stdin?.on('error', ignoreClosedPipe);
    child.once('error', (failure) => {
      this.#verdict = { status: 1, reason: `init can't be started: ${failure.message}` };
      this.#initGone();
    });
    child.once('exit', (code, signal) => {
      this.#verdict ??= { status: 1, reason: `init ended unasked (${signal ?? `exit ${String(code)}`})` };
      this.#initGone();
    });
    return child;
  }

  #perform(order: InitOrder): void {
    switch (order.order) {
      case 'spawn':
        this.#spawn(order.service, order.instance, order.document);
        return;
      case 'signal': {
        const live = this.#live.get(order.service);
        if (live?.instance === order.instance) signalTree(live.process, order.signal);
        return;
      }
      case 'note':
        this.#options.onLog('init', order.text);
        return;
      case 'end':
        this.#verdict = { status: order.status, reason: order.reason };
        return;
    }
  }

  #spawn(name: ServiceName, instance: number, document: string): void {
    const plan = this.#plans.get(name);
    if (plan === undefined || this.#live.has(name)) return;
    const child = launch(plan.argv, ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...plan.descriptors]);
    this.#live.set(name, { instance, process: child });
    this.#logLines(name, child.stdout);
    this.#logLines(name, child.stderr);
    this.#readLines(child.stdio[3], (line) => {
      this.#serviceSaid(name, instance, line);
    });
    sendOnce(child.stdio[4], document);
    child.once('error', (failure) => {
      this.#options.onLog(name, `can't be started: ${failure.message}`);
      this.#serviceGone(name, instance, null, null);
    });
    child.once('exit', (code, signal) => {
      this.#serviceGone(name, instance, code, signal);
    });
  }

  #serviceSaid(name: ServiceName, instance: number, line: string): void {
    const event = decodeJson(ServiceEventSchema, line);
    if (!event.ok) {
      this.#options.onLog(name, 'reported what nobody knows');
      return;
    }
    switch (event.value.event) {
      case 'ready':
        this.#everReady.add(name);
        this.#tell({ event: 'ready', service: name, instance });
        if (this.#options.services.every((service) => this.#everReady.has(service.name))) this.#becameReady();
        return;
      case 'probe-seen':
        this.#resolvers.probeSeen.resolve(undefined);
        return;
      case 'failed':
        this.#lastWords.set(name, event.value.message);
        this.#options.onLog(name, event.value.message);
        return;
    }
  }

  #becameReady(): void {
    clearTimeout(this.#readyTimer);
    this.#resolvers.ready.resolve(undefined);
  }

  #serviceGone(name: ServiceName, instance: number, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#live.get(name)?.instance !== instance) return;
    this.#live.delete(name);
    this.#tell({ event: 'exited', service: name, instance, code, signal });
    this.#finishIfAllGone();
  }

  #initGone(): void {
    if (this.#initExited) return;
    this.#initExited = true;
    for (const { process } of this.#live.values()) signalTree(process, 'SIGKILL');
    this.#finishIfAllGone();
  }

  #finishIfAllGone(): void {
    if (!this.#initExited || this.#live.size > 0) return;
    const verdict = this.#verdict ?? { status: 1, reason: 'ended' };
    this.#failReady(verdict.reason);
    this.#resolvers.probeSeen.reject(
      new BottleError('bundle_ended', { message: `the bundle ended: ${verdict.reason}` }),
    );
    this.#resolvers.ended.resolve({ ...verdict, requested: this.#requested });
  }

  #failReady(why: string): void {
    clearTimeout(this.#readyTimer);
    const late = this.#options.services.map(({ name }) => name).filter((name) => !this.#everReady.has(name));
    const words = late.flatMap((name) => this.#lastWords.get(name) ?? []).join('; ');
    const message = `the bundle's ${late.join(' and ') || 'init'} is ${why}${words === '' ? '' : `: ${words}`}`;
    this.#resolvers.ready.reject(new BottleError('not_ready', { message, hint: 'bot-bottle doctor' }));
  }

  #tell(event: InitEvent): void {
    if (!this.#initExited && this.#init.stdin?.writable === true) this.#init.stdin.write(`${JSON.stringify(event)}\n`);
  }

  #logLines(from: string, stream: Readable | null): void {
    this.#readLines(stream, (line) => {
      this.#lastWords.set(from, line);
      this.#options.onLog(from, line);
    });
  }

  #readLines(stream: Readable | Writable | null | undefined, onLine: (line: string) => void): void {
    if (stream === null || stream === undefined || !('read' in stream)) return;
    const lines = new LineReader(LINE_BYTES);
    stream.on('data', (chunk: Buffer) => {
      const complete = lines.push(chunk);
      if (complete === null) stream.destroy();
      else complete.forEach(onLine);
    });
    stream.on('error', ignoreClosedPipe);
  }
}

/** A spawn order carries a whole service document. */
const LINE_BYTES = 16 * MiB;

function launch(argv: readonly string[], stdio: ('pipe' | 'ignore' | number)[]): ChildProcess {
  const [command = '', ...rest] = argv;
  return spawn(command, rest, { stdio, env: FIXED_ENVIRONMENT, cwd: '/', detached: true });
}

/** The secret pipe: written once, then closed; the reader reads to its end. */
function sendOnce(pipe: Readable | Writable | null | undefined, text: string): void {
  if (pipe === null || pipe === undefined || !('write' in pipe)) return;
  pipe.on('error', ignoreClosedPipe);
  pipe.end(text);
}

/**
 * The box's outer process waits for the service and has no use for TERM itself: the service is its only grandchild.
 * KILL goes to the outer process; with it, its pid namespace ends.
 */
function signalTree(process: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (process.pid === undefined) return;
  const target = signal === 'SIGKILL' ? process.pid : (innermostChild(process.pid) ?? process.pid);
  try {
    globalThis.process.kill(target, signal);
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'ESRCH')) throw failure;
  }
}

/** Follows the only child, and its only child, to the service itself; the kernel's list, not a name. */
function innermostChild(pid: number): number | null {
  let current = pid;
  for (let depth = 0; depth < 8; depth += 1) {
    const [child] = childrenOf(current);
    if (child === undefined) break;
    current = child;
  }
  return current === pid ? null : current;
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = fs.readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return [];
    throw failure;
  }
}

function ignoreClosedPipe(failure: Error): void {
  if (!('code' in failure)) throw failure;
}

function ignoreUnlessAwaited(): void {
  // The same rejection reaches whoever awaits the promise; without anybody waiting it must not end the launcher.
}
