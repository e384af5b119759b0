import { execFile, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import type { ServerResponse } from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pollUntil } from '../../src/launch/readiness.ts';
import { startOrigin, upstreamCa, type Origin } from '../egress/support/origin.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World, type CliResult } from './support/world.ts';

const HOST = 'api.example.com';

/** Asks for what the upstream holds back, then again and again for something else until nobody listens. */
const AGENT = `
trap "echo term; exit 3" TERM
{ curl -sS -m 60 -o /tmp/answer -w "held %{http_code} " https://${HOST}/held 2> /tmp/why && cat /tmp/answer || echo cut; } &
echo ready
while :; do
  curl -s -m 30 -o /dev/null https://${HOST}/other; code=$?
  [ $code = 7 ] && break
done
echo refused
wait
sleep 1000 & wait`;

class Stopping implements AsyncDisposable {
  readonly world: World;
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  readonly #origin: Origin;
  readonly #held: readonly ServerResponse[];
  #said = '';

  constructor(origin: Origin, held: readonly ServerResponse[], args: readonly string[]) {
    this.#origin = origin;
    this.#held = held;
    this.world = new World();
    const ca = path.join(this.world.home, 'upstream.pem');
    fs.writeFileSync(ca, upstreamCa.certificate);
    const port = String(origin.port);
    this.world.settings(`upstream:\n  extra_ca: [${ca}]\n  resolve:\n    '${HOST}:443': '127.0.0.1:${port}'\n`);
    this.world.bottle('api', `egress:\n  routes:\n    - host: ${HOST}`);
    this.child = this.world.spawn(args);
    this.ended = collect(this.child);
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
  }

  /** When this resolves the request is under way: the upstream has it, and has not answered. */
  async underWay(): Promise<string> {
    await pollUntil('the request at the upstream', 30_000, () => this.#held.length > 0 || null);
    return this.world.slugs()[0] ?? '';
  }

  async says(line: string): Promise<void> {
    await pollUntil(line, 30_000, () => this.#said.split('\n').includes(line) || null);
  }

  answer(): void {
    for (const response of this.#held) response.end('answered\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGINT');
    await this.ended;
    await this.#origin[Symbol.asyncDispose]();
    this.world[Symbol.dispose]();
  }
}

async function start(args: readonly string[]): Promise<Stopping> {
  const held: ServerResponse[] = [];
  const origin = await startOrigin((request, response) => {
    if (request.url === '/held') held.push(response);
    else response.end('other\n');
  });
  return new Stopping(origin, held, args);
}

const RUN = ['run', '--bottle', 'api', '--', 'sh', '-c', AGENT];

describe('stop', () => {
  it('what is under way is answered, what comes after is refused, and then the agent is told to end', async () => {
    await using bottle = await start(RUN);
    const slug = await bottle.underWay();
    const stopped = bottle.world.run(['stop', slug]);
    await bottle.says('refused');
    bottle.answer();
    expect(await stopped).toMatchObject({ code: 0, stderr: `${slug} stopped\n` });
    const { code, stdout } = await bottle.ended;
    expect(stdout).toBe('ready\nrefused\nheld 200 answered\nterm\n');
    expect(code).toBe(3);
    const record = await bottle.world.run(['logs', slug, '--decisions', '--json', '--host', HOST]);
    expect(record.stdout.split('\n').filter((line) => line.includes('/held'))).toHaveLength(1);
    expect(leftovers(bottle.world)).toEqual([]);
  });

  it('H11 what is not answered within its time is cut, and the end is in order all the same', async () => {
    await using bottle = await start(RUN);
    const slug = await bottle.underWay();
    expect(await bottle.world.run(['stop', slug])).toMatchObject({ code: 0 });
    const { code, stdout } = await bottle.ended;
    expect(stdout).toBe('ready\nrefused\nheld 000 cut\nterm\n');
    expect(code).toBe(3);
    expect(leftovers(bottle.world)).toEqual([]);
  });

  it('--now waits for nothing: the agent is killed with its request', async () => {
    await using bottle = await start(RUN);
    const slug = await bottle.underWay();
    expect(await bottle.world.run(['stop', '--now', slug])).toMatchObject({ code: 0 });
    bottle.answer();
    const { code, stdout } = await bottle.ended;
    expect(stdout).toBe('ready\n');
    expect(code).toBe(137);
    expect(leftovers(bottle.world)).toEqual([]);
  });

  it('a gateway alone answers what is under way, refuses what comes after, and ends with 0', async () => {
    await using gateway = await start(['gateway', '--bottle', 'api']);
    const { proxy, ca } = ProxySchema.parse(JSON.parse(await firstLine(gateway.child)));
    const asked = promisify(execFile)('curl', ['-sS', '-m', '60', '-x', proxy, '--cacert', ca, `https://${HOST}/held`]);
    await gateway.underWay();
    gateway.child.kill('SIGTERM');
    const { hostname, port } = new URL(proxy);
    await pollUntil('a refusal', 30_000, async () => ((await listens(hostname, port)) ? null : true));
    gateway.answer();
    expect(await asked).toEqual({ stdout: 'answered\n', stderr: '' });
    expect(await gateway.ended).toMatchObject({ code: 0 });
    expect(leftovers(gateway.world)).toEqual([]);
  });
});

const ProxySchema = z.object({ proxy: z.url(), ca: z.string() });

function listens(host: string, port: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = net.connect({ host, port: Number(port) });
  socket.once('connect', () => {
    socket.destroy();
    resolve(true);
  });
  socket.once('error', () => {
    resolve(false);
  });
  return promise;
}
