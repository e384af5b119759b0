import { spawnSync } from 'node:child_process';
import http from 'node:http';
import { describe, expect, it } from 'vitest';
import { findProgram } from '../../src/bundle/host-facts.ts';
import { readExposition, valueOf } from '../protocol/support/exposition.ts';
import { collect, firstLine, World } from './support/world.ts';

const CURL = 'curl -s --max-time 5';
const IS_ROOT = process.getuid?.() === 0;

interface Page {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

function get(url: string, options: http.RequestOptions = {}): Promise<Page> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], text });
      });
    });
    request.on('error', reject);
    request.end();
  });
}

describe('metrics', () => {
  it('S6 of a bottle are told to the operator, by command and on loopback, and to nobody inside', async () => {
    using world = new World();
    const listening = world.spawn(['metrics', '--listen', '127.0.0.1:0']);
    const { metrics } = JSON.parse(await firstLine(listening)) as { metrics: string };
    const { port } = new URL(metrics);
    const asked = [
      `${CURL} https://a.example/private`,
      `echo direct; ${CURL} --noproxy '*' ${metrics}; echo code=$?`,
      `echo proxied; ${CURL} --noproxy '' -x http://127.0.0.2:9099 ${metrics}; echo`,
      `echo tunnelled; ${CURL} --noproxy '' -p -x http://127.0.0.2:9099 ${metrics}; echo code=$?`,
      `echo local; ${CURL} http://_egress.local/metrics; echo`,
      'echo sockets; ls /run/bot-bottle "$HOME/.bot-bottle" 2>&1 | grep -c control.sock',
      'echo asked; read go',
    ].join('; ');
    const running = world.spawn(['run', '--', 'sh', '-c', asked]);
    let inside = '';
    await new Promise<void>((resolve) => {
      running.stdout?.on('data', (chunk: Buffer) => {
        inside += chunk.toString();
        if (inside.endsWith('asked\n')) resolve();
      });
      running.once('close', () => {
        resolve();
      });
    });
    expect(inside).toMatch(/direct\ncode=7\n/);
    expect(inside).toMatch(/proxied\nbot-bottle refused GET .*\(no_route\)/);
    expect(inside).toMatch(/tunnelled\ncode=56\n/);
    expect(inside).toMatch(/local\nThere is \/allowlist here, and nothing else\./);
    expect(inside).toMatch(/sockets\n0\n/);
    expect(inside).not.toContain('bot_bottle_');

    const [slug = ''] = world.slugs();
    const printed = await world.run(['metrics', slug.slice(0, 6)]);
    expect(printed.code).toBe(0);
    const families = readExposition(printed.stdout);
    const denied = { bottle: slug, decision: 'deny', reason: 'no_route', protocol: 'http1' };
    expect(valueOf(families, 'bot_bottle_requests_total', denied)).toBe(3);
    expect(valueOf(families, 'bot_bottle_reloads_total', { outcome: 'taken' })).toBe(0);
    expect(printed.stdout).not.toMatch(/a\.example|private/);

    const page = await get(metrics);
    expect([page.status, page.type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(valueOf(readExposition(page.text), 'bot_bottle_requests_total', denied)).toBe(3);
    expect((await get(metrics, { method: 'POST' })).status).toBe(405);
    expect((await get(`http://127.0.0.1:${port}/other`)).status).toBe(404);
    const rebound = await get(metrics, { headers: { host: `metrics.example.com:${port}` } });
    expect([rebound.status, rebound.text]).toEqual([403, 'This answers to its own address only.\n']);

    running.stdin?.end('go\n');
    await collect(running);
    expect((await get(metrics)).text).toBe('');
    const ended = collect(listening);
    listening.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('of a gateway alone are on the port it was asked to tell them on', async () => {
    using world = new World();
    world.bottle('b', 'supervise: false\negress: {routes: [{host: a.example}]}');
    const gateway = world.spawn(['gateway', '--bottle', 'b', '--metrics', '127.0.0.1:0']);
    const ended = collect(gateway);
    const first = JSON.parse(await firstLine(gateway)) as { slug: string; metrics: string; proxy: string };
    const page = await get(first.metrics);
    expect(valueOf(readExposition(page.text), 'bot_bottle_routes', { bottle: first.slug })).toBe(1);
    expect(JSON.parse((await world.run(['metrics', '--json'])).stdout)).toContainEqual(
      expect.objectContaining({ name: 'bot_bottle_routes', type: 'gauge' }),
    );
    if (IS_ROOT && findProgram('curl') !== null) {
      const drop = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
      const other = spawnSync('setpriv', [...drop, 'curl', '-s', '--max-time', '5', first.metrics]);
      expect([other.status, other.stdout.toString()]).not.toEqual([0, expect.anything()]);
      expect(other.stdout.toString()).toBe('');
    }
    gateway.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it.each([
    {
      args: ['metrics', '--listen', '0.0.0.0:0'],
      code: 2,
      says: 'metrics are told on loopback only, and 0.0.0.0 is not',
    },
    { args: ['metrics', 'nobody-00000'], code: 1, says: 'nobody-00000' },
  ])('refuses $args', async ({ args, code, says }) => {
    using world = new World();
    const refused = await world.run(args);
    expect(refused.code).toBe(code);
    expect(refused.stderr).toContain(says);
    expect(refused.stdout).toBe('');
  });

  it('without a bottle that runs are nothing', async () => {
    using world = new World();
    expect(await world.run(['metrics'])).toMatchObject({ code: 0, stdout: '\n' });
  });
});
