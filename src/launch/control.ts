import path from 'node:path';
import { z } from 'zod';
import type { RunningBundle } from '../bundle/broker.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Scope } from '../kernel/scope.ts';
import { compilePolicy } from '../policy/compile.ts';
import { ControlClient } from '../platform/control-client.ts';
import { ControlServer, type ControlFailure, type ControlPeer } from '../platform/control-socket.ts';
import {
  CONTROL_ERROR,
  CONTROL_SOCKET,
  GatewayStatusSchema,
  ReloadParamsSchema,
  type GatewayStatus,
  type Reloaded,
} from '../schema/control.ts';
import { withGrants, type Grant } from '../policy/grants.ts';
import type { GatewayConfig, GatewaySecrets } from '../schema/gateway-config.ts';
import { MetricsSchema, type MetricFamily } from '../schema/metrics.ts';
import type { BottlePaths } from '../state/paths.ts';
import { Approvals, type ApprovalParts } from './approvals.ts';
import { pollUntil } from './readiness.ts';
import { renewSecrets, type Renewal } from './renew.ts';

/**
 * The control socket of a bottle or of a gateway alone, held by the launcher. It speaks for the gateway, which has a
 * socket of its own that only the launcher knows the nonce of: so a new policy reaches init too, and a gateway that
 * crashes comes back with the newest one that was accepted, never with an older.
 */
export interface ControlParts {
  readonly paths: BottlePaths;
  /** What callers of this socket must know; in the file `control.nonce` beside it. */
  readonly nonce: string;
  /** What the gateway knows the launcher by. */
  readonly gatewayNonce: string;
  readonly bundle: RunningBundle;
  /** As the manifest has it; `grants` come on top. */
  readonly config: GatewayConfig;
  readonly grants: readonly Grant[];
  /** Null for a bottle that may not ask. */
  readonly approvals: ApprovalParts | null;
  readonly secrets: GatewaySecrets;
  readonly userName: string;
  /** What the gateway's next instance is to be given. */
  readonly documentOf: (config: GatewayConfig, secrets: GatewaySecrets) => string;
  readonly scope: Scope;
}

export interface BundleControl {
  readonly path: string;
  /** Ended requests, from now on and across restarts of the gateway. */
  onDecision(listener: (record: unknown) => void): Promise<void>;
}

/** Longer than a gateway takes to drain, to be killed and to come back. */
const GATEWAY_DEADLINE_MS = LIMITS.serviceStopGraceMs + LIMITS.readyTimeoutMs;

export async function serveControl(parts: ControlParts): Promise<BundleControl> {
  const control = new Control(parts);
  const approvals = parts.approvals === null ? null : new Approvals(parts.approvals, parts.grants, control);
  const file = path.join(parts.paths.runtime, CONTROL_SOCKET);
  const server = await ControlServer.start({
    path: file,
    nonce: parts.nonce,
    methods: {
      status: () => control.ask('status'),
      counters: () => control.ask('counters'),
      metrics: () => control.metrics(),
      reload: async (params) => {
        const outcome = await control.reload(params);
        approvals?.tellRoutes();
        return outcome;
      },
      ...(approvals === null
        ? {}
        : {
            inbox: () => approvals.inbox(),
            answer: (params) => approvals.answer(params),
            undo: (params) => approvals.undo(params),
          }),
      decisions: (_params, peer) => control.subscribe(peer),
    },
  });
  parts.scope.defer('control socket', async () => {
    control.stop();
    approvals?.[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });
  return {
    path: file,
    onDecision: (listener) => control.follow(listener).begun,
  };
}

class Control {
  readonly #parts: ControlParts;
  readonly #ended = new AbortController();
  /** The manifest's policy, and what was granted on top of it; `#config` is both. */
  #base: GatewayConfig;
  #grants: readonly Grant[];
  #config: GatewayConfig;
  #secrets: GatewaySecrets;
  readonly #reloads = { taken: 0, refused: 0 };
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#base = parts.config;
    this.#grants = parts.grants;
    this.#config = granted(parts.config, parts.grants);
    this.#secrets = parts.secrets;
    parts.bundle.ended.then(
      () => {
        this.stop();
      },
      () => undefined,
    );
  }

  stop(): void {
    this.#ended.abort();
  }

  /** What the gateway answers; if it is just coming back, it is waited for. */
  async ask(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<Result<unknown, ControlFailure>> {
    try {
      using asked = await this.#reach((client) => client.call(method, z.unknown(), params));
      return ok(asked.answer);
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      const code = isUnreachable(failure) ? CONTROL_ERROR.internal : CONTROL_ERROR.refused;
      return err({ code, message: failure.message });
    }
  }

  /** The gateway's, which begin anew when it does, and what only the launcher knows. */
  async metrics(): Promise<Result<readonly MetricFamily[], ControlFailure>> {
    const asked = await this.ask('metrics');
    if (!asked.ok) return asked;
    const families = MetricsSchema.safeParse(asked.value);
    if (!families.success) return err({ code: CONTROL_ERROR.internal, message: z.prettifyError(families.error) });
    const reloads = Object.entries(this.#reloads).map(([outcome, value]) => ({
      suffix: '' as const,
      labels: { outcome },
      value,
    }));
    const name = 'bot_bottle_reloads_total';
    return ok([...families.data, { name, help: 'New policies, by outcome.', type: 'counter', samples: reloads }]);
  }

  /** One after the other: each is judged against the one before it. */
  reload(params: unknown): Promise<Result<Reloaded, ControlFailure>> {
    const mine = this.#turn.then(async () => {
      const outcome = await this.#reload(params);
      this.#reloads[outcome.ok ? 'taken' : 'refused'] += 1;
      return outcome;
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /**
   * What is wrong with a policy is found here, by the function that the gateway compiles it with, before anybody has it.
   * Init gets it before the gateway is asked: an instance that starts meanwhile starts with it. If the gateway refuses
   * all the same, init gets the old one back.
   */
  async #reload(params: unknown): Promise<Result<Reloaded, ControlFailure>> {
    const parsed = ReloadParamsSchema.safeParse(params);
    if (!parsed.success) return err({ code: CONTROL_ERROR.invalidParams, message: z.prettifyError(parsed.error) });
    const { config, credentials = null, values = {} } = parsed.data;
    // Whether there is somebody to ask was settled at the start.
    const base = { ...config, supervise: this.#base.supervise };
    return this.#take({ base, grants: this.#grants, credentials, values });
  }

  /** Exactly these grants; the manifest's own part stays. */
  apply(grants: readonly Grant[]): Promise<Result<GatewayConfig, ControlFailure>> {
    const mine = this.#turn.then(async () => {
      const base = { ...this.#base, generation: this.#config.generation + 1 };
      const taken = await this.#take({ base, grants, credentials: null, values: {} });
      return taken.ok ? ok(this.#config) : taken;
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  live(): GatewayConfig {
    return this.#config;
  }

  secrets(): GatewaySecrets {
    return this.#secrets;
  }

  async #take({
    base,
    grants,
    credentials,
    values,
  }: Omit<Renewal, 'config'> & { readonly base: GatewayConfig; readonly grants: readonly Grant[] }): Promise<
    Result<Reloaded, ControlFailure>
  > {
    const whole = withGrants(base, grants);
    if (!whole.ok) return err({ code: CONTROL_ERROR.refused, message: whole.error });
    const config = whole.value;
    const next = this.#judge({ config, credentials, values });
    if (!next.ok) return err({ code: CONTROL_ERROR.refused, message: next.error });
    const { bundle, documentOf } = this.#parts;
    const restarted = JSON.stringify(next.value) !== JSON.stringify(this.#secrets);
    bundle.replaceDocument('egress', documentOf(config, next.value));
    if (restarted) bundle.restart('egress');
    const outcome = await this.#untilTaken(config, { offer: !restarted });
    if (!outcome.ok) {
      bundle.replaceDocument('egress', documentOf(this.#config, this.#secrets));
      return outcome;
    }
    this.#base = base;
    this.#grants = grants;
    this.#config = config;
    this.#secrets = next.value;
    return ok({ ...outcome.value, restarted });
  }

  #judge(renewal: Renewal): Result<GatewaySecrets, string> {
    const { slug, generation } = this.#config;
    const { config } = renewal;
    if (config.slug !== slug || config.generation <= generation)
      return err(
        `generation ${String(config.generation)} of ${config.slug} can't follow ${String(generation)} of ${slug}`,
      );
    const policy = compilePolicy(config);
    if (!policy.ok) return err(policy.error.join('\n'));
    try {
      return ok(renewSecrets(this.#secrets, renewal, this.#parts.userName));
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      return err(failure.hint === undefined ? failure.message : `${failure.message}\n${failure.hint}`);
    }
  }

  /** Until an instance has it: the one that is asked may end before it answers, and the next has it from its start. */
  async #untilTaken(
    next: GatewayConfig,
    { offer }: { readonly offer: boolean },
  ): Promise<Result<GatewayStatus, ControlFailure>> {
    try {
      return await pollUntil('the gateway', GATEWAY_DEADLINE_MS, async () => {
        if (this.#ended.signal.aborted) return err({ code: CONTROL_ERROR.refused, message: 'the bundle has ended' });
        const asked = offer ? await this.ask('reload', { config: next }) : null;
        const status = GatewayStatusSchema.safeParse(asked?.ok === true ? asked.value : await this.#status());
        if (status.success && status.data.generation === next.generation) return ok(status.data);
        // It lives, has another one, and so has refused this one.
        const refused = asked?.ok === false && asked.error.code === CONTROL_ERROR.refused;
        return status.success && refused ? asked : null;
      });
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      return err({ code: CONTROL_ERROR.refused, message: failure.message });
    }
  }

  async #status(): Promise<unknown> {
    const status = await this.ask('status');
    return status.ok ? status.value : null;
  }

  async subscribe(peer: ControlPeer): Promise<Result<unknown, ControlFailure>> {
    const following = this.follow((record) => {
      peer.notify('decision', record);
    });
    peer.onClose(() => {
      following[Symbol.dispose]();
    });
    await following.begun;
    return ok({ subscribed: true });
  }

  /** Goes on with the next instance when one ends. What ended with it is in the record file, and is not told again. */
  follow(listener: (record: unknown) => void): Disposable & { readonly begun: Promise<void> } {
    const own = new AbortController();
    const over = AbortSignal.any([this.#ended.signal, own.signal]);
    const begun = Promise.withResolvers<undefined>();
    const listen = async (): Promise<void> => {
      while (!over.aborted) {
        using reached = await this.#reach((client) => {
          client.onNotification((method, record) => {
            if (method === 'decision' && !over.aborted) listener(record);
          });
          return client.call('decisions', z.unknown());
        });
        const { client } = reached;
        over.addEventListener('abort', () => {
          client[Symbol.dispose]();
        });
        begun.resolve(undefined);
        await client.closed;
      }
    };
    listen().catch((failure: unknown) => {
      begun.reject(failure);
    });
    return {
      begun: begun.promise,
      [Symbol.dispose]: () => {
        own.abort();
      },
    };
  }

  /** A gateway that dies may take a connection with it before it has answered; its successor is asked again. */
  #reach<Answer>(
    act: (client: ControlClient) => Promise<Answer>,
  ): Promise<Disposable & { readonly client: ControlClient; readonly answer: Answer }> {
    const { paths, gatewayNonce } = this.#parts;
    const file = path.join(paths.control, CONTROL_SOCKET);
    return pollUntil('the gateway', GATEWAY_DEADLINE_MS, async () => {
      if (this.#ended.signal.aborted) throw new BottleError('not_ready', { message: 'the bundle has ended' });
      const client = await ControlClient.connect(file, gatewayNonce).catch(nullIfUnreachable);
      if (client === null) return null;
      try {
        const answer = await act(client);
        return {
          client,
          answer,
          [Symbol.dispose]: () => {
            client[Symbol.dispose]();
          },
        };
      } catch (failure) {
        client[Symbol.dispose]();
        return nullIfUnreachable(failure);
      }
    });
  }
}

/** What was in force when the bottle ended, and is no more possible, is left out: the manifest has the word. */
export function granted(config: GatewayConfig, grants: readonly Grant[]): GatewayConfig {
  const whole = withGrants(config, grants);
  return whole.ok ? whole.value : config;
}

function isUnreachable(failure: unknown): boolean {
  return failure instanceof BottleError && failure.code !== 'config_invalid';
}

function nullIfUnreachable(failure: unknown): null {
  if (failure instanceof BottleError && failure.code === 'bundle_ended') return null;
  throw failure;
}
