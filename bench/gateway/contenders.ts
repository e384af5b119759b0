import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { descendants, waitForExit } from './processes.ts';
import type { Target } from './load.ts';

/** What stands between the load and the origin: each is started once and measured in turns. */
export interface Contender {
  readonly name: string;
  readonly target: Target;
  readonly h2Target: Target;
  /** Every process of it, for the account of CPU and memory. */
  readonly pids: () => readonly number[];
  stop(): Promise<void>;
}

export interface World {
  readonly root: string;
  readonly directory: string;
  readonly cli: string;
  readonly origin: { readonly h1: number; readonly h2: number };
  readonly originCa: string;
}

export const HOST = 'origin.bench.example';
const HOME_NAME = 'home';

/** The first line a program prints, as JSON. */
export async function firstLine<Shape>(child: ChildProcess, what: string): Promise<Shape> {
  if (child.stdout === null) throw new Error(`${what} has no stdout`);
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    lines.close();
    return JSON.parse(line) as Shape;
  }
  throw new Error(`${what} ended without a word`);
}

export function direct(world: World): Contender {
  const target = (port: number): Target => ({
    proxyPort: null,
    host: HOST,
    port,
    address: '127.0.0.1',
    ca: world.originCa,
  });
  return {
    name: 'direct TLS',
    target: target(world.origin.h1),
    h2Target: target(world.origin.h2),
    pids: () => [],
    stop: () => Promise.resolve(),
  };
}

export async function blindTunnel(world: World): Promise<Contender> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'tunnel.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { port } = await firstLine<{ port: number }>(child, 'the tunnel');
  const target = (origin: number): Target => ({
    proxyPort: port,
    host: HOST,
    port: origin,
    address: '127.0.0.1',
    ca: world.originCa,
  });
  return ended(child, {
    name: 'blind tunnel',
    target: target(world.origin.h1),
    h2Target: target(world.origin.h2),
  });
}

/** The manifest, the settings and the values of both variants of ours. */
export function writeBottles(world: World): void {
  const home = path.join(world.directory, HOME_NAME);
  fs.mkdirSync(path.join(home, 'bottles'), { recursive: true });
  const { h1, h2 } = world.origin;
  fs.writeFileSync(
    path.join(home, 'settings.yml'),
    `upstream:
  extra_ca: [${world.originCa}]
  resolve:
    '${HOST}:443': '127.0.0.1:${String(h1)}'
    '${HOST}:8443': '127.0.0.1:${String(h2)}'
`,
  );
  const bottle = (dlp: string): string => `---
supervise: false
env:
${KNOWN.map((name) => `  ${name}: \${${name}}`).join('\n')}
egress:
  routes:
    - host: ${HOST}:443
${dlp}    - host: ${HOST}:8443
${dlp}---
`;
  fs.writeFileSync(path.join(home, 'bottles/scanned.md'), bottle(''));
  fs.writeFileSync(path.join(home, 'bottles/plain.md'), bottle('      dlp: {outbound_detectors: false}\n'));
}

const KNOWN = Array.from({ length: 20 }, (_, at) => `BENCH_SECRET_${String(at)}`);

export async function ours(world: World, bottle: 'plain' | 'scanned'): Promise<Contender> {
  const values = KNOWN.map((name, at) => [name, `k${String(at)}-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b`]);
  const child = spawn(world.cli, ['gateway', '--bottle', bottle], {
    env: {
      PATH: process.env['PATH'],
      HOME: world.directory,
      BOT_BOTTLE_HOME: path.join(world.directory, HOME_NAME),
      ...Object.fromEntries(values),
    },
    // Its warnings about these values being forwarded are no news here.
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { proxy, ca } = await firstLine<{ proxy: string; ca: string }>(child, 'the gateway');
  const target = (port: number): Target => ({
    proxyPort: Number(new URL(proxy).port),
    host: HOST,
    port,
    address: '127.0.0.1',
    ca,
  });
  const name = bottle === 'plain' ? 'bot-bottle, scan off' : 'bot-bottle, scan on';
  return ended(child, { name, target: target(443), h2Target: target(8443) });
}

/** Where the origin is, for mitmproxy: it has no table of names. */
const REROUTE = (world: World): string => `
def server_connect(data):
    port = {443: ${String(world.origin.h1)}, 8443: ${String(world.origin.h2)}}[data.server.address[1]]
    data.server.address = ("127.0.0.1", port)

def responseheaders(flow):
    if "event-stream" in flow.response.headers.get("content-type", ""):
        flow.response.stream = True
`;

/** As a scanning addon is usually written: each pattern in turn over the whole body. */
const SCAN = `
import re
PATTERNS = [re.compile(("(?:^|[^A-Za-z0-9])%s[_-]?[A-Za-z0-9]{%d,64}(?![A-Za-z0-9])" % (name, length)).encode())
            for name in ("ghp", "gho", "glpat", "xoxb", "sk-ant", "AKIA", "AIza", "npm", "hf", "dop_v1")
            for length in (16, 20, 24, 32, 40)]

def request(flow):
    body = flow.request.raw_content or b""
    for pattern in PATTERNS:
        if pattern.search(body):
            flow.kill()
`;

const MITM_PORTS = { trivial: 18_081, scanning: 18_082, cold: 18_083 } as const;

/** `cold` is the trivial one again on a port and with a CA of its own, for each round anew. */
export async function mitmproxy(world: World, addon: keyof typeof MITM_PORTS, round = 0): Promise<Contender> {
  const confdir = path.join(world.directory, `mitm-${addon}-${String(round)}`);
  fs.mkdirSync(confdir);
  const script = path.join(confdir, 'addon.py');
  fs.writeFileSync(script, addon === 'scanning' ? REROUTE(world) + SCAN : REROUTE(world));
  const port = MITM_PORTS[addon] + round;
  const options = [
    ['--listen-host', '127.0.0.1', '--listen-port', String(port), '--quiet', '--scripts', script],
    ['--set', `confdir=${confdir}`, '--set', 'connection_strategy=lazy'],
    ['--set', `ssl_verify_upstream_trusted_ca=${world.originCa}`],
    addon === 'scanning' ? [] : ['--set', 'stream_large_bodies=1m'],
  ];
  const child = spawn('mitmdump', options.flat(), { stdio: ['ignore', 'ignore', 'inherit'] });
  const ca = path.join(confdir, 'mitmproxy-ca-cert.pem');
  await waitForPort(port);
  const target = (originPort: number): Target => ({
    proxyPort: port,
    host: HOST,
    port: originPort,
    address: '127.0.0.1',
    ca,
  });
  return ended(child, { name: `mitmproxy, ${addon}`, target: target(443), h2Target: target(8443) });
}

function ended(child: ChildProcess, parts: Pick<Contender, 'name' | 'target' | 'h2Target'>): Contender {
  const pid = child.pid ?? 0;
  return {
    ...parts,
    pids: () => [pid, ...descendants(pid)],
    stop: async () => {
      child.kill('SIGTERM');
      await waitForExit(child);
    },
  };
}

async function waitForPort(port: number): Promise<void> {
  const { connect } = await import('node:net');
  const deadline = performance.now() + 30_000;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    if (open) return;
    if (performance.now() > deadline) throw new Error(`nothing listens on ${String(port)}`);
    await delay(10);
  }
}
