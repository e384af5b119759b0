import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { ok } from '../../src/kernel/result.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLeafMinter } from '../../src/platform/tls-ca.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import type { UpstreamProxy } from '../../src/schema/upstream-proxy.ts';
import { send } from './support/agent.ts';
import { configOf, startHarness, type HarnessOptions } from './support/harness.ts';
import { answering, startOrigin, upstreamCa, type Origin } from './support/origin.ts';

const HOST = 'api.example.com';
const LOGIN = 'ada:correct-horse-battery';

/** A proxy of the test's own: what it was asked for, and where it leads; null says something else. */
async function startProxy(lead: (target: string) => number | string, tls = false) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const serve = (client: Socket): void => {
    sockets.add(client);
    client.on('error', () => client.destroy());
    client.once('data', (head) => {
      asked.push(head.toString('latin1'));
      const answer = lead(head.toString('latin1').split(' ')[1] ?? '');
      if (typeof answer === 'string') {
        client.end(answer);
        return;
      }
      const upstream = connect(answer, '127.0.0.1', () => {
        client.write('HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n');
        client.pipe(upstream).pipe(client);
      });
      sockets.add(upstream);
      upstream.on('error', () => client.destroy());
    });
  };
  const { certificate: cert, key } = createLeafMinter(upstreamCa, systemClock).mint('proxy.example.com');
  const server: Server = tls ? createTlsServer({ cert, key }, serve) : createServer(serve);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

function behind(port: number, more: Partial<UpstreamProxy> = {}): UpstreamProxy {
  return { scheme: 'http', host: '127.0.0.1', port, resolves: false, noProxy: [], ...more };
}

function harnessOf(origin: Origin, proxy: UpstreamProxy, more: HarnessOptions = {}) {
  return startHarness({
    routes: [{ host: HOST }, { host: 'plain.example.com' }],
    origins: { [`${HOST}:443`]: origin },
    proxy,
    ...more,
  });
}

describe('an upstream proxy', () => {
  it.each([
    { scheme: 'http', host: '127.0.0.1' },
    { scheme: 'https', host: 'proxy.example.com' },
  ] as const)('$scheme: CONNECT carries the address and the login, TLS the name', async ({ scheme, host }) => {
    await using origin = await startOrigin(answering('through'));
    await using proxy = await startProxy(() => origin.port, scheme === 'https');
    await using harness = await harnessOf(origin, behind(proxy.port, { scheme, host }), {
      upstreamLogin: LOGIN,
      resolver: { resolve: () => Promise.resolve(ok(['127.0.0.1'])) },
    });
    const answer = await send(harness, `https://${HOST}/a`, { headers: { 'proxy-authorization': 'Basic agent' } });
    expect(answer.body.toString()).toBe('through');
    const authority = `127.0.0.1:${String(origin.port)}`;
    const login = Buffer.from(LOGIN).toString('base64');
    expect(proxy.asked).toEqual([
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic ${login}\r\n\r\n`,
    ]);
    expect(origin.seen[0]?.headers.host).toBe(HOST);
    expect(origin.seen[0]?.headers['proxy-authorization']).toBeUndefined();
  });

  it('is left out for the hosts of no_proxy', async () => {
    await using origin = await startOrigin(answering('direct'));
    await using proxy = await startProxy(() => origin.port);
    await using harness = await harnessOf(origin, behind(proxy.port, { noProxy: ['*.example.com'] }));
    expect((await send(harness, `https://${HOST}/`)).status).toBe(200);
    expect(proxy.asked).toEqual([]);
  });

  it('S21 is not asked for an address that may not be dialled', async () => {
    await using origin = await startOrigin(answering('never'));
    await using proxy = await startProxy(() => origin.port);
    await using harness = await harnessOf(origin, behind(proxy.port), {
      origins: {},
      resolver: { resolve: () => Promise.resolve(ok(['10.0.0.7'])) },
    });
    expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 403, reason: 'address_refused' });
    expect(proxy.asked).toEqual([]);
  });

  it('S21 is sent names only where the settings say so, and never for a wildcard', async () => {
    await using origin = await startOrigin(answering('named'));
    await using proxy = await startProxy(() => origin.port);
    await using harness = await harnessOf(origin, behind(proxy.port, { resolves: true }), { origins: {} });
    expect((await send(harness, `https://${HOST}/`)).body.toString()).toBe('named');
    expect(proxy.asked[0]?.split('\r\n')[0]).toBe(`CONNECT ${HOST}:443 HTTP/1.1`);
    const config = configOf({ proxy: behind(1, { resolves: true }) }, [{ host: '*.example.com' }], 1);
    expect(compilePolicy(config)).toMatchObject({ ok: false });
  });

  it.each([
    { says: 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', why: 'refuses the login' },
    { says: 'HTTP/1.1 403 Forbidden\r\n\r\n', why: 'refuses the target' },
    { says: 'SSH-2.0-x\r\n\r\n', why: 'is no proxy' },
    { says: 'HTTP/1.1 200 OK', why: 'stops in the middle' },
    { says: '', why: 'says nothing' },
  ])('that $why: an answer with the reason, and nothing of the login', async ({ says }) => {
    await using origin = await startOrigin(answering('never'));
    await using proxy = await startProxy(() => says);
    await using harness = await harnessOf(origin, behind(proxy.port), { upstreamLogin: LOGIN });
    const answer = await send(harness, `https://${HOST}/`);
    expect(answer).toMatchObject({ status: 502, reason: 'upstream_unreachable' });
    expect(answer.body.toString()).toContain('upstream proxy');
    expect(answer.body.toString() + harness.record.lines.join()).not.toMatch(/correct-horse|YWRhOmNvcn/);
    expect(harness.bugs).toEqual([]);
  });

  it('whose password is a known value like any other', async () => {
    await using origin = await startOrigin(answering('never'));
    await using harness = await harnessOf(origin, behind(1), { upstreamLogin: LOGIN });
    expect(await send(harness, `https://${HOST}/correct-horse-battery`)).toMatchObject({ reason: 'known_secret' });
  });
});

describe('the connection to an upstream', () => {
  it('resumes the TLS session of the one before it', async () => {
    const reused: boolean[] = [];
    const { certificate: cert, key } = createLeafMinter(upstreamCa, systemClock).mint(HOST);
    const server = createTlsServer({ cert, key }, (socket) => {
      reused.push(socket.isSessionReused());
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const origins = { [`${HOST}:443`]: { address: '127.0.0.1', port } };
    await using harness = await startHarness({ routes: [{ host: HOST }], origins });
    for (let count = 0; count < 2; count += 1) expect((await send(harness, `https://${HOST}/`)).status).toBe(200);
    expect(reused).toEqual([false, true]);
    server.close();
  });
});
