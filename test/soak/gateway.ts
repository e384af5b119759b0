import { openSync } from 'node:fs';
import { startGateway, type RunningGateway } from '../../src/egress/gateway.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createRecordFile } from '../../src/platform/record-file.ts';
import { createBottleCa } from '../../src/platform/tls-ca.ts';
import type { GatewayConfig } from '../../src/schema/gateway-config.ts';
import { parseAsk, type StartGateway, type State } from './messages.ts';

/** One gateway alone in its process, so that the process's memory is its own. Counterpart: `main.ts`. */
const ca = createBottleCa(systemClock, 'soak');
const bugs: string[] = [];

function configOf(
  { resolve, upstreamCa, routes }: StartGateway,
  hosts: readonly string[],
  generation: number,
): GatewayConfig {
  return {
    slug: 'soak-00000',
    generation,
    routes: routes
      .filter(({ host }) => hosts.includes(host))
      .map((route) => ({
        id: `manifest:${route.host}`,
        origin: 'manifest',
        source: 'bottles/soak.md:1',
        route: route.tls === undefined ? { host: route.host } : { host: route.host, tls: route.tls },
      })),
    log: 1,
    supervise: false,
    upstream: {
      extraCa: [upstreamCa],
      resolve: Object.fromEntries(
        Object.entries(resolve).map(([name, { address, port }]) => [name, `${address}:${String(port)}`]),
      ),
    },
  };
}

function start(parts: StartGateway): Promise<RunningGateway> {
  const hosts = parts.routes.map(({ host }) => host);
  return startGateway({
    config: configOf(parts, hosts, 1),
    secrets: {
      credentials: [],
      knownValues: [{ name: 'KEY', value: parts.secret }],
      fingerprintKey: Buffer.alloc(32, 7).toString('base64'),
      ca,
      probeNonce: 'probe-nonce-of-the-soak',
      controlNonce: 'control-nonce-of-the-soak',
      placeholders: [],
    },
    listeners: [{ role: 'proxy', host: '127.0.0.1', port: 0 }],
    record: createRecordFile(openSync(parts.record, 'w')),
    controlDirectory: null,
    spillDirectory: parts.spill,
    // What hangs until it is idle for too long is told from what hangs for ever.
    timeouts: { idleTimeoutMs: 10_000 },
    onBug: (failure) => bugs.push(failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)),
  });
}

function stateOf(gateway: RunningGateway): State {
  const { openConnections, bufferedBytes } = gateway.counters();
  const active = gateway.metrics().find(({ name }) => name === 'bot_bottle_requests_active');
  return {
    proxyPort: gateway.addresses[0]?.port ?? 0,
    ca: ca.certificate,
    rssBytes: process.memoryUsage.rss(),
    openConnections,
    bufferedBytes,
    requestsActive: active?.samples[0]?.value ?? 0,
    bugs,
  };
}

let running: { readonly gateway: RunningGateway; readonly parts: StartGateway } | null = null;

async function answer(message: unknown): Promise<void> {
  const asked = parseAsk(message);
  if (asked.ask === 'start') running = { gateway: await start(asked.parts), parts: asked.parts };
  if (running === null) return;
  const { gateway, parts } = running;
  if (asked.ask === 'reload') gateway.reload(configOf(parts, asked.hosts, asked.generation));
  if (asked.ask === 'stop') await gateway[Symbol.asyncDispose]();
  process.send?.(stateOf(gateway));
  if (asked.ask === 'stop') process.disconnect?.();
}

process.on('message', (message) => {
  answer(message).catch((failure: unknown) => {
    process.stderr.write(`${String(failure)}\n`);
    process.exitCode = 1;
    process.disconnect?.();
  });
});
