import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LIMITS } from '../../src/kernel/limits.ts';
import { ControlClient } from '../../src/platform/control-client.ts';
import { GatewayStatusSchema } from '../../src/schema/control.ts';
import { DecisionRecordSchema } from '../../src/schema/decision.ts';
import { exchangeRaw, openTcp, openTls, openTunnel, readUntil, reasonOf, send, statusOf } from './support/agent.ts';
import { CONTROL_NONCE, startHarness, type HarnessOptions } from './support/harness.ts';
import { answering, startOrigin, startRawOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';

describe('G-RECORD', () => {
  it('the decision is in the record before the upstream sees a byte, and one more line follows at the end', async () => {
    const events: string[] = [];
    await using origin = await startOrigin(answering('ok'), { onBytes: () => events.push('upstream saw bytes') });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    harness.gateway.onEnded(() => events.push('ended'));
    const push = harness.events.push.bind(harness.events);
    harness.events.push = (...added: string[]) => {
      events.push(...added.filter((event) => event.startsWith('decided')));
      return push(...added);
    };
    await send(harness, `https://${HOST}/x?y`, { method: 'POST', body: 'abc' });
    await harness.ended(1);
    expect(events).toEqual([`decided allow ${HOST}`, 'upstream saw bytes', 'ended']);
    const [decided] = harness.decided();
    const [ended] = await harness.ended(1);
    expect(ended).toMatchObject({
      slug: 'tests-00000',
      generation: 1,
      entry: 'connect',
      method: 'POST',
      host: HOST,
      port: 443,
      path: '/x?y',
      decision: 'allow',
      reason: 'allowed',
      route: `manifest:${HOST}`,
      status: 200,
      bytes: { sent: 3, received: 2 },
      ended: 'complete',
      findings: [],
    });
    expect(decided?.id).toBe(ended?.id);
    const { decidedMs, connectedMs, firstByteMs, endedMs } = ended?.timings ?? {
      decidedMs: 9,
      connectedMs: 0,
      firstByteMs: 0,
      endedMs: 0,
    };
    expect([decidedMs, connectedMs, firstByteMs, endedMs]).toEqual(
      [decidedMs, connectedMs, firstByteMs, endedMs].toSorted((a, b) => Number(a) - Number(b)),
    );
  });

  it('a decision that can not be recorded is not carried out', async () => {
    await using origin = await startOrigin(answering('ok'));
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    const socket = await openTls(harness, HOST);
    harness.record.failing = true;
    const ask = (): Promise<string> => exchangeRaw(socket, `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, 'disk.\n');
    expect(reasonOf(await ask())).toBe('record_failed');
    expect(origin.connections()).toBe(0);
    const { head } = await openTunnel(harness, 'other.example:443');
    expect(statusOf(head)).toBe(503);
    harness.record.failing = false;
    expect(statusOf(await exchangeRaw(socket, `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, '\r\n\r\nok'))).toBe(200);
    expect(harness.gateway.counters()).toMatchObject({ recordFailures: 4, denied: { record_failed: 2 } });
    socket.destroy();
  });

  it('every request has exactly its two lines, whatever became of it', async () => {
    await using origin = await startRawOrigin((socket) => {
      socket.on('data', (chunk: Buffer) => {
        const path = /^\w+ (\S+)/.exec(chunk.toString('latin1'))?.[1];
        if (path === '/cut') socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart');
        else if (path === '/bad') socket.end('nonsense\r\n\r\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    await using harness = await startHarness({
      routes: [{ host: HOST }],
      origins: { [`${HOST}:443`]: origin },
      knownValues: { KEY: SECRET },
    });
    await Promise.allSettled([
      send(harness, `https://${HOST}/ok`),
      send(harness, `https://${HOST}/cut`),
      send(harness, `https://${HOST}/bad`),
      send(harness, `https://${HOST}/leak`, { method: 'POST', body: SECRET }),
      send(harness, `https://${HOST}/trace`, { method: 'TRACE' }),
      send(harness, 'https://no.example/', { way: 'transparent-tls' }),
      openTunnel(harness, 'no.example:443').then(({ socket }) => socket.destroy()),
      openTcp(harness.port('http')).then((socket) =>
        exchangeRaw(socket, 'nonsense\r\n\r\n', 'recorded.').then(() => socket.destroy()),
      ),
    ]);
    const ended = await harness.ended(8);
    expect(ended).toHaveLength(8);
    const ids = harness.decided().map(({ id }) => id);
    expect(new Set(ids).size).toBe(8);
    expect(ended.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  });

  it('S35 fields are cut, and known values in them are redacted', async () => {
    await using harness = await startHarness({ routes: [{ host: HOST }], knownValues: { KEY: SECRET } });
    await send(harness, `https://${HOST}/${SECRET}?${'a'.repeat(5000)}`);
    await send(harness, `https://${'b.'.repeat(100)}example/${Buffer.from(SECRET).toString('base64')}`, {
      way: 'transparent-tls',
    });
    const records = await harness.ended(2);
    for (const { path, host } of records) {
      expect(Buffer.byteLength(path)).toBeLessThanOrEqual(LIMITS.recordPathBytes);
      expect(Buffer.byteLength(host)).toBeLessThanOrEqual(LIMITS.recordHostBytes);
      expect(path).toContain('[redacted KEY]');
    }
    const written = harness.record.lines.join('\n');
    for (const form of [SECRET, Buffer.from(SECRET).toString('base64'), Buffer.from(SECRET).toString('hex')])
      expect(written).not.toContain(form);
  });

  it('S25 fingerprints depend on the bottle, not on the value alone', async () => {
    const fingerprintOf = async (options: HarnessOptions): Promise<string | undefined> => {
      await using harness = await startHarness(options);
      await send(harness, `https://${HOST}/`, { headers: { 'x-a': SECRET } });
      return (await harness.ended(1))[0]?.findings[0]?.fingerprint;
    };
    const options = { routes: [{ host: HOST }], knownValues: { KEY: SECRET } };
    const first = await fingerprintOf(options);
    expect(first).toMatch(/^fp:[0-9a-f]{8}$/);
    expect(await fingerprintOf(options)).toBe(first);
    const values = [{ host: HOST, dlp: { outbound_detectors: ['known_secrets' as const] } }];
    expect(await fingerprintOf({ routes: values, knownValues: { KEY: `${SECRET}x` } })).not.toBe(first);
  });
});

describe('reload', () => {
  it('the new policy holds for the next request, and closes what it would refuse', async () => {
    let gone = (): void => undefined;
    const upstreamGone = new Promise<void>((resolve) => (gone = resolve));
    await using origin = await startRawOrigin((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'));
      socket.on('end', gone);
    });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    const socket = await openTls(harness, HOST);
    await exchangeRaw(socket, `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, 'part');
    const cut = readUntil(socket, null);
    harness.gateway.reload(harness.config([{ host: 'other.example.com' }], 2));
    await upstreamGone;
    expect(await cut).toBe('');
    expect(harness.decided()).toMatchObject([{ generation: 1, decision: 'allow' }]);
    expect(await harness.ended(1)).toMatchObject([
      { generation: 2, decision: 'deny', reason: 'no_route', ended: 'refused_midway' },
    ]);
    expect(statusOf((await openTunnel(harness, `${HOST}:443`)).head)).toBe(403);
    expect((await harness.ended(2))[1]).toMatchObject({ generation: 2 });
  });

  it('what the new policy still allows goes on', async () => {
    let proceed = (): void => undefined;
    await using origin = await startOrigin((_request, response) => {
      response.writeHead(200, { 'content-length': '8' });
      response.write('part');
      proceed = () => response.end('rest');
    });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    const socket = await openTls(harness, HOST);
    await exchangeRaw(socket, `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, 'part');
    harness.gateway.reload(harness.config([{ host: HOST }, { host: 'more.example' }], 2));
    const rest = readUntil(socket, 'rest');
    proceed();
    expect(await rest).toBe('rest');
    socket.destroy();
  });

  it.each([
    { generation: 2, routes: [{ host: 'exa mple' }], why: 'a policy that does not compile' },
    { generation: 1, routes: [{ host: 'new.example' }], why: 'a generation that is not newer' },
  ])('$why changes nothing', async ({ generation, routes }) => {
    await using harness = await startHarness({ routes: [{ host: HOST }] });
    expect(() => {
      harness.gateway.reload(harness.config(routes, generation));
    }).toThrow();
    expect(harness.gateway.status()).toMatchObject({ generation: 1, routes: 1 });
    expect(statusOf((await openTunnel(harness, `${HOST}:443`)).head)).toBe(200);
  });
});

describe('S6 the control socket of a gateway', () => {
  it('tells status and counters, reloads, and streams records', async () => {
    await using origin = await startOrigin(answering('ok'));
    await using harness = await startHarness({
      routes: [{ host: HOST }],
      origins: { [`${HOST}:443`]: origin },
      control: true,
    });
    using client = await ControlClient.connect(harness.controlPath, CONTROL_NONCE);
    const told = new Promise<unknown>((resolve) => {
      client.onNotification((_method, params) => {
        resolve(params);
      });
    });
    await client.call('decisions', z.unknown());
    await send(harness, `https://${HOST}/`);
    expect(DecisionRecordSchema.parse(await told)).toMatchObject({ event: 'ended', host: HOST, status: 200 });
    expect(await client.call('counters', z.looseObject({ requests: z.int() }))).toMatchObject({
      requests: 1,
      allowed: 1,
    });

    const reloaded = await client.call('reload', GatewayStatusSchema, {
      config: harness.config([{ host: 'new.example' }], 2),
    });
    expect(reloaded).toMatchObject({ generation: 2, state: 'serving' });
    await expect(client.call('reload', GatewayStatusSchema, { config: { generation: 3 } })).rejects.toThrow('refused');
    await expect(client.call('reload', GatewayStatusSchema, { config: harness.config([], 2) })).rejects.toThrow(
      'generation 2',
    );
    expect(await client.call('status', GatewayStatusSchema)).toMatchObject({ generation: 2 });
  });
});
