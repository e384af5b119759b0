import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pollUntil } from '../../src/launch/readiness.ts';
import { ControlClient } from '../../src/platform/control-client.ts';
import { CONTROL_SOCKET, GatewayStatusSchema, ReloadedSchema } from '../../src/schema/control.ts';
import { bottlePaths, homePaths } from '../../src/state/paths.ts';
import { answering, startOrigin, upstreamCa } from '../egress/support/origin.ts';
import { innermost } from './support/innermost.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World, type CliResult } from './support/world.ts';

/** A bottle that asks what it is told to, one line of curl arguments each, and says the status. */

const HOST = 'api.example.com';
const OLD = 'tok_live_Hx93QmZ2Lp7Rt5Vw';
const NEW = 'tok_live_Kd84BnY6Sf1Gj0Uc';
const ASKING =
  'echo ready; while read -r line; do eval "curl -sS -m 30 -o /dev/null -w \'%{http_code}\\n\' $line" || echo 0; done';

class Running implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  readonly world: World;
  #said = '';
  #asked = 0;

  constructor(world: World) {
    this.world = world;
    this.child = world.spawn(['run', '--bottle', 'api', '--', 'sh', '-c', ASKING], {
      env: { API_TOKEN: OLD, HOST_KEY: 'rk_live_9XqT2ZwBn4Lk8Vd3' },
    });
    this.ended = collect(this.child);
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
  }

  async ask(curl: string): Promise<string> {
    this.#asked += 1;
    const at = this.#asked;
    this.child.stdin?.write(`${curl}\n`);
    return pollUntil('an answer', 30_000, () => {
      const lines = this.#said.split('\n');
      return lines.length - 1 > at ? (lines[at] ?? null) : null;
    });
  }

  get slug(): string {
    return this.world.slugs()[0] ?? '';
  }

  async killGateway(): Promise<void> {
    const before = await pollUntil('the gateway', 10_000, () => innermost(this.child, 'egress'));
    process.kill(before, 'SIGKILL');
    await pollUntil('its successor', 30_000, () => {
      const now = innermost(this.child, 'egress');
      return now !== null && now !== before ? now : null;
    });
  }

  control(): Promise<ControlClient> {
    const { runtime } = bottlePaths(homePaths({ BOT_BOTTLE_HOME: this.world.home }), this.slug);
    return ControlClient.connect(
      path.join(runtime, CONTROL_SOCKET),
      fs.readFileSync(path.join(runtime, 'control.nonce'), 'utf8'),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin?.end();
    await this.ended;
  }
}

const route = (paths: string, more = ''): string =>
  `egress:\n  routes:\n    - host: ${HOST}\n      auth: {scheme: Bearer, token_ref: API_TOKEN}\n      matches: [{paths: [${paths}]}]\n${more}`;

async function start(port: number): Promise<Running> {
  const world = new World();
  const ca = path.join(world.home, 'upstream.pem');
  fs.writeFileSync(ca, upstreamCa.certificate);
  world.settings(`upstream:\n  extra_ca: [${ca}]\n  resolve:\n    '${HOST}:443': '127.0.0.1:${String(port)}'\n`);
  world.bottle('api', route('{type: exact, value: /a}'));
  const running = new Running(world);
  await firstLine(running.child);
  return running;
}

describe('reload of a running bottle', () => {
  it('H1 takes the manifest as it is now, and a gateway that is killed comes back with it', async () => {
    await using origin = await startOrigin(answering('yes'));
    await using running = await start(origin.port);
    using world = running.world;
    expect(await running.ask(`https://${HOST}/a`)).toBe('200');
    expect(await running.ask(`https://${HOST}/b`)).toBe('403');

    world.bottle('api', route('{type: exact, value: /b}'));
    const reloaded = await world.run(['reload', running.slug]);
    expect(reloaded).toMatchObject({ code: 0, stdout: '' });
    expect(reloaded.stderr).toContain(`${running.slug} follows its manifest as it is now: 1 routes, policy 2\n`);
    expect(await running.ask(`https://${HOST}/a`)).toBe('403');
    expect(await running.ask(`https://${HOST}/b`)).toBe('200');

    await running.killGateway();
    expect(await running.ask(`https://${HOST}/a`)).toBe('403');
    expect(await running.ask(`https://${HOST}/b`)).toBe('200');
    expect(origin.seen.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill(`Bearer ${OLD}`));
  });

  it('a bad policy changes nothing and says why, after a restart too', async () => {
    await using origin = await startOrigin(answering('yes'));
    await using running = await start(origin.port);
    using world = running.world;
    world.bottle('api', route('{type: exact, value: /b, oops: 1}'));
    const broken = await world.run(['reload', running.slug]);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain('bottles/api.md:6:');
    expect(broken.stderr).toContain('unknown key "oops"');

    world.bottle('api', route('{type: exact, value: /b}').replace('API_TOKEN', 'NOT_THERE'));
    const missing = await world.run(['reload', running.slug]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('NOT_THERE is not set');

    const placed = `env: {OTHER_KEY: '\${HOST_KEY}'}\n`;
    world.bottle(
      'api',
      placed + route('{type: exact, value: /b}', '      placeholders: [{env: OTHER_KEY, in: header, name: x-key}]'),
    );
    const standIn = await world.run(['reload', running.slug], { env: { HOST_KEY: 'rk_live_9XqT2ZwBn4Lk8Vd3' } });
    expect(standIn.code).toBe(1);
    expect(standIn.stderr).toContain("OTHER_KEY would need a stand-in in the agent's environment");

    using control = await running.control();
    const { slug } = running;
    for (const config of [
      {},
      { slug, generation: 1, routes: [], log: 1, supervise: false, upstream: { extraCa: [], resolve: {} } },
      { slug: 'other', generation: 9, routes: [], log: 1, supervise: false, upstream: { extraCa: [], resolve: {} } },
    ]) {
      await expect(control.call('reload', ReloadedSchema, { config })).rejects.toThrow('the service refused');
    }
    expect(await control.call('status', GatewayStatusSchema)).toMatchObject({ generation: 1, routes: 1 });
    await running.killGateway();
    expect(await control.call('status', GatewayStatusSchema)).toMatchObject({ generation: 1, routes: 1 });
    expect(await running.ask(`https://${HOST}/a`)).toBe('200');
    expect(await running.ask(`https://${HOST}/b`)).toBe('403');
  });

  it('S8 a changed credential is used from now on, and the old one is still looked for', async () => {
    await using origin = await startOrigin(answering('yes'));
    await using running = await start(origin.port);
    using world = running.world;
    expect(await running.ask(`https://${HOST}/a`)).toBe('200');
    const reloaded = await world.run(['reload', running.slug, '--json'], { env: { API_TOKEN: NEW } });
    expect(reloaded.code, reloaded.stderr).toBe(0);
    expect(ReloadedSchema.parse(JSON.parse(reloaded.stdout))).toMatchObject({ generation: 2, restarted: true });
    expect(await running.ask(`https://${HOST}/a`)).toBe('200');
    for (const value of [OLD, NEW]) expect(await running.ask(`-d note=${value} https://${HOST}/a`)).toBe('403');
    expect(origin.seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${OLD}`, `Bearer ${NEW}`]);
    running.child.stdin?.end();
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(leftovers(world)).toEqual([]);
  });

  it('several reloads at once are one after another, and who follows decisions goes on over a restart', async () => {
    await using origin = await startOrigin(answering('yes'));
    await using running = await start(origin.port);
    using _world = running.world;
    using control = await running.control();
    const decided: string[] = [];
    control.onNotification((_method, record) => {
      decided.push(z.looseObject({ path: z.string() }).parse(record).path);
    });
    await control.call('decisions', z.unknown());
    const empty = { slug: running.slug, routes: [], log: 1, supervise: false, upstream: { extraCa: [], resolve: {} } };
    const outcomes = await Promise.allSettled(
      [2, 3, 3, 4].map((generation) => control.call('reload', ReloadedSchema, { config: { ...empty, generation } })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await running.ask(`https://${HOST}/a`)).not.toBe('200');
    await pollUntil('its record', 10_000, () => decided.length > 0 || null);
    await running.killGateway();
    await control.call('status', GatewayStatusSchema);
    const before = decided.length;
    await pollUntil('a record of the successor', 30_000, async () => {
      await running.ask('http://plain.example/');
      return decided.length > before || null;
    });
  });

  it('a gateway alone takes the bottles that are named', async () => {
    using world = new World();
    world.bottle('one', 'egress: {routes: [{host: a.example}]}');
    world.bottle('two', 'egress: {routes: [{host: a.example}, {host: b.example}]}');
    const gateway = world.spawn(['gateway', '--bottle', 'one']);
    const ended = collect(gateway);
    const { slug } = z.looseObject({ slug: z.string() }).parse(JSON.parse(await firstLine(gateway)));
    try {
      const unnamed = await world.run(['reload', slug]);
      expect(unnamed.code).toBe(2);
      expect(unnamed.stderr).toContain(`bot-bottle reload ${slug} --bottle NAME`);
      const reloaded = await world.run(['reload', slug, '--bottle', 'two']);
      expect(reloaded.stderr).toContain('2 routes, policy 2');
    } finally {
      gateway.kill('SIGTERM');
      await ended;
    }
    expect(await world.run(['reload', slug])).toMatchObject({ code: 1 });
  });
});
