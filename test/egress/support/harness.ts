import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Timeouts } from '../../../src/egress/core.ts';
import { startGateway, type RunningGateway } from '../../../src/egress/gateway.ts';
import { err, ok, type Result } from '../../../src/kernel/result.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { createBottleCa } from '../../../src/platform/tls-ca.ts';
import type { Resolver } from '../../../src/ports/resolver.ts';
import {
  DecidedLineSchema,
  DecisionRecordSchema,
  type DecidedLine,
  type DecisionRecord,
} from '../../../src/schema/decision.ts';
import type { GatewayConfig, GatewaySecrets } from '../../../src/schema/gateway-config.ts';
import type { ListenerRole } from '../../../src/schema/plan.ts';
import type { Route } from '../../../src/schema/route.ts';
import type { UpstreamProxy } from '../../../src/schema/upstream-proxy.ts';
import { upstreamCa, type Origin } from './origin.ts';

/** The bottle's authority, which the agents of these tests trust. */
export const bottleCa = createBottleCa(systemClock, 'tests');
export const PROBE_NONCE = 'probe-nonce-of-the-tests';
export const CONTROL_NONCE = 'control-nonce-of-the-tests';

export interface HarnessOptions {
  readonly routes?: readonly Route[];
  /** `host:port` → the origin that plays it. */
  readonly origins?: Readonly<Record<string, Pick<Origin, 'address' | 'port'>>>;
  /** Values of the host variables that routes name by `token_ref`. */
  readonly tokens?: Readonly<Record<string, string>>;
  readonly knownValues?: Readonly<Record<string, string>>;
  /** By variable: what the bottle has, and what is behind it. */
  readonly placeholders?: Readonly<Record<string, { readonly standIn: string; readonly value: string }>>;
  readonly proxyAuth?: { readonly user: string; readonly password: string };
  readonly proxy?: UpstreamProxy;
  readonly upstreamLogin?: string;
  readonly extraCa?: readonly string[];
  readonly timeouts?: Partial<Timeouts>;
  readonly resolver?: Resolver;
  readonly control?: boolean;
}

/** A gateway on loopback with its record in memory. */
export interface Harness extends AsyncDisposable {
  readonly gateway: RunningGateway;
  readonly port: (role: ListenerRole) => number;
  readonly decided: () => readonly DecidedLine[];
  /** Resolves when so many requests have ended, with their records in order. */
  readonly ended: (count: number) => Promise<readonly DecisionRecord[]>;
  /** What happened, in order: `decided …` lines and whatever a test adds. */
  readonly events: string[];
  readonly record: { failing: boolean; readonly lines: string[] };
  readonly controlPath: string;
  /** What the gateway holds on disk lies here, without names. */
  readonly directory: string;
  readonly bugs: unknown[];
  probesSeen: number;
  config: (routes: readonly Route[], generation: number) => GatewayConfig;
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'bot-bottle-egress-'));
  const waiters: (() => void)[] = [];
  const record = { failing: false, lines: [] as string[] };
  const events: string[] = [];
  const bugs: unknown[] = [];
  const state = { probesSeen: 0 };
  const append = (line: string): Result<void, string> => {
    if (record.failing) return err('ENOSPC');
    record.lines.push(line);
    const { event, host, decision } = z
      .looseObject({ event: z.string(), host: z.string(), decision: z.string() })
      .parse(JSON.parse(line));
    events.push(`${event} ${decision} ${host}`);
    for (const wake of waiters.splice(0)) wake();
    return ok(undefined);
  };
  const gateway = await startGateway({
    config: configOf(options, options.routes ?? [], 1),
    secrets: secretsOf(options),
    listeners: (['proxy', 'tls', 'http', 'dns-udp', 'dns-tcp'] as const).map((role) => ({
      role,
      host: '127.0.0.1',
      port: 0,
    })),
    record: { append, flush: () => Promise.resolve() },
    controlDirectory: options.control === true ? directory : null,
    spillDirectory: directory,
    onProbeSeen: () => (state.probesSeen += 1),
    onBug: (failure) => bugs.push(failure),
    ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
    ...(options.resolver === undefined ? {} : { resolver: options.resolver }),
  });
  const parsed = <Schema extends z.ZodType>(event: string, schema: Schema): z.output<Schema>[] =>
    record.lines.filter((line) => line.includes(`"event":"${event}"`)).map((line) => schema.parse(JSON.parse(line)));
  return {
    gateway,
    port: (role) => gateway.addresses.find((address) => address.role === role)?.port ?? 0,
    decided: () => parsed('decided', DecidedLineSchema),
    async ended(count) {
      for (;;) {
        const records = parsed('ended', DecisionRecordSchema);
        if (records.length >= count) return records;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
    events,
    record,
    bugs,
    controlPath: join(directory, 'control.sock'),
    directory,
    get probesSeen() {
      return state.probesSeen;
    },
    config: (routes, generation) => configOf(options, routes, generation),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}

/** The port that a route's host carries here: origins listen anywhere, `upstream.resolve` leads there. */
export function configOf(options: HarnessOptions, routes: readonly Route[], generation: number): GatewayConfig {
  const slots = Object.keys(options.tokens ?? {});
  return {
    slug: 'tests-00000',
    generation,
    routes: routes.map((route) => ({
      id: `manifest:${route.host}`,
      origin: 'manifest',
      source: 'bottles/tests.md:1',
      route,
      ...(route.auth === undefined ? {} : { credential: Math.max(slots.indexOf(route.auth.token_ref), 0) }),
    })),
    log: 1,
    supervise: false,
    upstream: {
      ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
      extraCa: [...(options.extraCa ?? [upstreamCa.certificate])],
      resolve: Object.fromEntries(
        Object.entries(options.origins ?? {}).map(([name, origin]) => [
          name,
          `${origin.address}:${String(origin.port)}`,
        ]),
      ),
    },
  };
}

export function secretsOf(options: HarnessOptions): GatewaySecrets {
  const values = (record: Readonly<Record<string, string>> = {}) =>
    Object.entries(record).map(([name, value]) => ({ name, value }));
  return {
    credentials: values(options.tokens),
    knownValues: values(options.knownValues),
    fingerprintKey: Buffer.alloc(32, 7).toString('base64'),
    ca: bottleCa,
    probeNonce: PROBE_NONCE,
    controlNonce: CONTROL_NONCE,
    placeholders: Object.entries(options.placeholders ?? {}).map(([name, entry]) => ({ name, ...entry })),
    ...(options.upstreamLogin === undefined ? {} : { upstreamLogin: options.upstreamLogin }),
    ...(options.proxyAuth === undefined ? {} : { proxyAuth: options.proxyAuth }),
  };
}
