import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';
import { processTree } from '../platform/processes.ts';
import {
  describeExit,
  InitOrderSchema,
  type InitDocument,
  type InitEvent,
  type InitOrder,
  type ServiceName,
} from '../schema/bundle.ts';
import { ServiceEventSchema } from '../schema/egress-service.ts';
import { decodeJson } from '../schema/json.ts';
import {
  giveSecrets,
  ignoreClosedPipe,
  launch,
  LAUNCHED_FD,
  readLog,
  readMessages,
  signalLaunched,
  streamAt,
  unboxedLines,
  type BundleProcess,
  type Launched,
} from './process.ts';

/**
 * The launcher's side of the bundle: starts what init orders, tells init what became of it, and keeps the listeners
 * over a service's restart. It sees what services report, so every line of theirs is bounded and checked.
 */
export interface ServicePlan extends BundleProcess {
  readonly name: ServiceName;
  /** Descriptors of the launcher that the service gets as 5, 6, …: the record file first, then its listeners. */
  readonly descriptors: readonly number[];
  /** What goes into the service's secret pipe, as text. Init keeps it for restarts; the broker does not. */
  readonly document: string;
  /** The bundle is ready without it: what calls it meanwhile waits at its listener. */
  readonly late?: true;
  /** Makes good what an instance that was killed may have left; called before each start. */
  readonly beforeStart?: () => void;
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
  /** Drains, terminates, kills after the grace; resolves when everything that the launcher started has ended. */
  stop(): Promise<BundleExit>;
  restart(service: ServiceName): void;
  /** What later instances of the service get; the present one goes on. */
  replaceDocument(service: ServiceName, document: string): void;
  /** Every process of the bundle that lives now, the boxes' own included. */
  pids(): readonly number[];
}

export function startBundle(options: BundleOptions): RunningBundle {
  return new Broker(options);
}

/** Lines that a failure to become ready repeats. */
const LAST_WORDS = 5;

class Broker implements RunningBundle {
  readonly ready: Promise<void>;
  readonly probeSeen: Promise<void>;
  readonly ended: Promise<BundleExit>;
  readonly #services: ReadonlyMap<ServiceName, Omit<ServicePlan, 'document'>>;
  readonly #onLog: BundleOptions['onLog'];
  readonly #init: Launched;
  readonly #live = new Map<ServiceName, Launched & { readonly instance: number }>();
  /**
   * Services that load while init does, and wait for the secrets that init's first order brings: the two take as long as
   * one.
   */
  readonly #waiting = new Map<ServiceName, Launched>();
  readonly #lastWords = new Map<string, string[]>();
  readonly #everReady = new Set<ServiceName>();
  readonly #resolvers = {
    ready: Promise.withResolvers<undefined>(),
    probeSeen: Promise.withResolvers<undefined>(),
    ended: Promise.withResolvers<BundleExit>(),
  };
  #verdict: { readonly status: number; readonly reason: string } | null = null;
  #initGone = false;
  #requested = false;
  readonly #readyTimer: NodeJS.Timeout;
  #forceTimer: NodeJS.Timeout | undefined;

  constructor({ init, services, onLog, readyTimeoutMs = LIMITS.readyTimeoutMs }: BundleOptions) {
    this.#onLog = onLog;
    this.#services = new Map(services.map(({ document: _, ...plan }) => [plan.name, plan]));
    this.ready = this.#resolvers.ready.promise;
    this.probeSeen = this.#resolvers.probeSeen.promise;
    this.ended = this.#resolvers.ended.promise;
    for (const promise of [this.ready, this.probeSeen]) promise.catch(ignoreUnlessAwaited);
    this.#readyTimer = setTimeout(() => {
      this.#failReady(`${this.#late().join(' and ')} was not ready within ${readyTimeoutMs / 1000} s`, this.#late());
    }, readyTimeoutMs);
    for (const line of unboxedLines(init, services)) this.#onLog('bundle', line);
    this.#init = this.#startInit(init, { services: services.map(({ name, document }) => ({ name, document })) });
    for (const plan of this.#services.values()) if (plan.late !== true) this.#startEarly(plan);
  }

  stop(): Promise<BundleExit> {
    this.#requested = true;
    this.#tell({ event: 'stop' });
    if (!this.#initGone)
      this.#forceTimer ??= setTimeout(() => {
        this.#force('init did not stop in time');
      }, LIMITS.serviceStopGraceMs + LIMITS.bundleStopMarginMs).unref();
    return this.ended;
  }

  restart(service: ServiceName): void {
    this.#tell({ event: 'restart', service });
  }

  replaceDocument(service: ServiceName, document: string): void {
    this.#tell({ event: 'document', service, document });
  }

  pids(): readonly number[] {
    return [this.#init, ...this.#live.values(), ...this.#waiting.values()].flatMap(
      ({ child: { pid, exitCode, signalCode } }) =>
        pid === undefined || exitCode !== null || signalCode !== null ? [] : processTree(pid),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #startInit(plan: BundleProcess, document: InitDocument): Launched {
    const init = launch(plan, { input: true, descriptors: [] });
    giveSecrets(init, JSON.stringify(document));
    const { child } = init;
    for (const stream of [child.stdout, child.stderr]) this.#log('init', stream);
    readMessages(
      streamAt(child.stdio, LAUNCHED_FD.messages),
      LIMITS.bundleMessageBytes,
      (line) => {
        const order = decodeJson(InitOrderSchema, line);
        if (order.ok) this.#perform(order.value);
        else this.#force(`init ordered what nobody knows: ${order.error}`);
      },
      () => {
        this.#force('an order of init is too long');
      },
    );
    child.stdin?.on('error', ignoreClosedPipe);
    child.once('error', (failure) => {
      this.#initEnded(`init can't be started: ${failure.message}`);
    });
    // Not `exit`: its last order may still be in the pipe.
    child.once('close', (code, signal) => {
      this.#initEnded(`init ended unasked (${describeExit(code, signal)})`);
    });
    return init;
  }

  #perform(order: InitOrder): void {
    switch (order.order) {
      case 'spawn':
        this.#spawn(order.service, order.instance, order.document);
        return;
      case 'signal': {
        const live = this.#live.get(order.service);
        if (live?.instance === order.instance) signalLaunched(live, order.signal);
        return;
      }
      case 'note':
        this.#onLog('init', order.text);
        return;
      case 'end':
        this.#verdict ??= { status: order.status, reason: order.reason };
        return;
    }
  }

  #startEarly(plan: Omit<ServicePlan, 'document'>): void {
    const launched = launch(plan, { input: false, descriptors: plan.descriptors });
    this.#waiting.set(plan.name, launched);
    launched.child.on('error', ignoreClosedPipe);
    launched.child.once('close', () => {
      if (this.#waiting.get(plan.name) !== launched) return;
      this.#waiting.delete(plan.name);
      this.#finishIfAllGone();
    });
  }

  /** Null when there is none, or it has ended: then init's order starts one, which tells why it can't live. */
  #takeWaiting(name: ServiceName): Launched | null {
    const launched = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (launched === undefined) return null;
    const { pid, exitCode, signalCode } = launched.child;
    return pid === undefined || exitCode !== null || signalCode !== null ? null : launched;
  }

  #spawn(name: ServiceName, instance: number, document: string): void {
    const plan = this.#services.get(name);
    if (plan === undefined || this.#live.has(name)) {
      this.#force(`init ordered a ${name} that can't be: ${plan === undefined ? 'it has no plan' : 'one lives'}`);
      return;
    }
    if (this.#initGone) return;
    const waiting = this.#takeWaiting(name);
    if (this.#requested && waiting === null) {
      // Ordered before init heard of the stop; the listeners may be closed by now.
      this.#tell({ event: 'exited', service: name, instance, code: null, signal: 'SIGTERM' });
      return;
    }
    plan.beforeStart?.();
    const launched = waiting ?? launch(plan, { input: false, descriptors: plan.descriptors });
    giveSecrets(launched, document);
    const { child } = launched;
    this.#live.set(name, { ...launched, instance });
    for (const stream of [child.stdout, child.stderr]) this.#log(name, stream);
    readMessages(
      streamAt(child.stdio, LAUNCHED_FD.messages),
      LIMITS.serviceLineBytes,
      (line) => {
        this.#serviceSaid(name, instance, line);
      },
      () => {
        this.#onLog('bundle', `${name} is ended: it reported a line that is too long`);
        signalLaunched(launched, 'SIGKILL');
      },
    );
    child.once('error', (failure) => {
      this.#words(name, `can't be started: ${failure.message}`);
      this.#serviceGone(name, instance, null, null);
    });
    child.once('close', (code, signal) => {
      this.#serviceGone(name, instance, code, signal);
    });
  }

  #serviceSaid(name: ServiceName, instance: number, line: string): void {
    const event = decodeJson(ServiceEventSchema, line);
    if (!event.ok) {
      this.#onLog('bundle', `${name} reported what nobody knows`);
      return;
    }
    switch (event.value.event) {
      case 'ready':
        this.#everReady.add(name);
        this.#tell({ event: 'ready', service: name, instance });
        if (this.#late().length === 0) this.#becameReady();
        return;
      case 'probe-seen':
        this.#resolvers.probeSeen.resolve(undefined);
        return;
      case 'failed':
        this.#words(name, event.value.message);
        return;
    }
  }

  #late(): readonly ServiceName[] {
    const awaited = [...this.#services.values()].filter(({ late }) => late !== true);
    return awaited.map(({ name }) => name).filter((name) => !this.#everReady.has(name));
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

  /** Without init nobody decides any more: the services get their time to drain, and then the end. */
  #initEnded(why: string): void {
    if (this.#initGone) return;
    this.#initGone = true;
    this.#verdict ??= { status: 1, reason: why };
    for (const waiting of this.#waiting.values()) signalLaunched(waiting, 'SIGKILL');
    this.#signalServices('SIGTERM');
    clearTimeout(this.#forceTimer);
    this.#forceTimer = setTimeout(() => {
      this.#signalServices('SIGKILL');
    }, LIMITS.serviceStopGraceMs);
    this.#finishIfAllGone();
  }

  #force(why: string): void {
    this.#onLog('bundle', why);
    this.#verdict ??= { status: 1, reason: why };
    this.#signalServices('SIGKILL');
    signalLaunched(this.#init, 'SIGKILL');
  }

  #signalServices(signal: 'SIGTERM' | 'SIGKILL'): void {
    for (const live of this.#live.values()) signalLaunched(live, signal);
  }

  #finishIfAllGone(): void {
    if (!this.#initGone || this.#live.size > 0 || this.#waiting.size > 0) return;
    const verdict = this.#verdict ?? { status: 1, reason: 'init ended' };
    clearTimeout(this.#forceTimer);
    this.#failReady(`the bundle ended before it was ready: ${verdict.reason}`, ['init', ...this.#services.keys()]);
    this.#resolvers.probeSeen.reject(
      new BottleError('bundle_ended', { message: `the bundle ended: ${verdict.reason}` }),
    );
    this.#resolvers.ended.resolve({ ...verdict, requested: this.#requested });
  }

  #failReady(why: string, whose: readonly string[]): void {
    clearTimeout(this.#readyTimer);
    const words = whose.flatMap((name) => (this.#lastWords.get(name) ?? []).map((line) => `\n  ${name}: ${line}`));
    const message = `${why}${words.length === 0 ? '' : `; last words:${words.join('')}`}`;
    this.#resolvers.ready.reject(new BottleError('not_ready', { message, hint: 'bot-bottle doctor' }));
  }

  #tell(event: InitEvent): void {
    const { stdin } = this.#init.child;
    if (!this.#initGone && stdin?.writable === true) stdin.write(`${JSON.stringify(event)}\n`);
  }

  #log(from: string, stream: Launched['child']['stdout']): void {
    readLog(stream, (line) => {
      this.#words(from, line);
    });
  }

  #words(from: string, line: string): void {
    this.#lastWords.set(from, [...(this.#lastWords.get(from) ?? []), line].slice(-LAST_WORDS));
    this.#onLog(from, line);
  }
}
