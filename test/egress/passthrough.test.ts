import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { createLeafMinter } from '../../src/platform/tls-ca.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import { RouteSchema, type Route } from '../../src/schema/route.ts';
import { extension, hello, serverNames } from '../protocol/support/hello.ts';
import { exchangeRaw, openTcp, openTunnel, readUntil, type Way } from './support/agent.ts';
import { configOf, startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, upstreamCa } from './support/origin.ts';

const HOST = 'api.example.com';
const REQUEST = `GET /secret-path HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`;
const ROUTES: readonly Route[] = [{ host: HOST, tls: 'passthrough' }, { host: 'other.example.com' }];

async function open(harness: Harness, way: Way): Promise<Socket> {
  return way === 'connect' ? (await openTunnel(harness, `${HOST}:443`)).socket : openTcp(harness.port('tls'));
}

/** TLS with the server itself: only its own certificate is trusted. */
async function openSealed(harness: Harness, way: Way, options: ConnectionOptions = {}) {
  const socket = connectTls({
    socket: await open(harness, way),
    servername: HOST,
    ca: upstreamCa.certificate,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

describe('S24 a TLS connection that is passed through', () => {
  it.each(['connect', 'transparent-tls'] as const)('%s: ends at the upstream, and is recorded', async (way) => {
    await using origin = await startOrigin(answering('sealed'));
    await using harness = await startHarness({ routes: ROUTES, origins: { [`${HOST}:443`]: origin } });
    const socket = await openSealed(harness, way);
    expect(await exchangeRaw(socket, REQUEST, null)).toContain('sealed');
    socket.destroy();
    const [record] = await harness.ended(1);
    expect(record).toMatchObject({ host: HOST, method: 'CONNECT', path: '', decision: 'allow', ended: 'complete' });
    expect(record?.bytes.sent).toBeGreaterThan(REQUEST.length);
    expect(record?.bytes.received).toBeGreaterThan(500);
    expect(harness.record.lines.join()).not.toContain('secret-path');
    expect(harness.bugs).toEqual([]);
  });

  it('passes a handshake that the server wants to begin anew', async () => {
    const { certificate: cert, key } = createLeafMinter(upstreamCa, systemClock).mint(HOST);
    const server = createTlsServer({ cert, key, ecdhCurve: 'P-384' }, (socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nretry');
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const origins = { [`${HOST}:443`]: { address: '127.0.0.1', port } };
    await using harness = await startHarness({ routes: ROUTES, origins });
    const socket = await openSealed(harness, 'connect', { ecdhCurve: 'X25519:P-384' });
    expect(await exchangeRaw(socket, REQUEST, null)).toContain('retry');
    socket.destroy();
    server.close();
  });

  it.each([
    {
      why: 'encrypted_client_hello',
      bytes: hello({ extensions: [serverNames(HOST), extension(0xfe0d, new Uint8Array(8))] }),
    },
    { why: 'no name', bytes: hello({ extensions: [] }) },
    { why: 'another name than the CONNECT', bytes: hello({ extensions: [serverNames('other.example.com')] }) },
  ])('is refused with $why, and nothing reaches the upstream', async ({ bytes }) => {
    await using origin = await startOrigin(answering('never'));
    await using harness = await startHarness({ routes: ROUTES, origins: { [`${HOST}:443`]: origin } });
    const socket = await open(harness, 'connect');
    await exchangeRaw(socket, bytes, null);
    socket.destroy();
    expect(await harness.ended(1)).toMatchObject([{ decision: 'deny', status: 0 }]);
    expect(origin.connections()).toBe(0);
  });

  it.each([
    { why: 'another name', extensions: [serverNames('other.example.com')], passes: false },
    { why: 'no name', extensions: [], passes: false },
    { why: 'ECH', extensions: [serverNames(HOST), extension(0xfe0d, new Uint8Array(8))], passes: false },
    { why: 'the same name', extensions: [serverNames(HOST)], passes: true },
  ])('after a retry, a second hello with $why', async ({ extensions, passes }) => {
    const arrived: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        arrived.push(chunk);
        if (arrived.length === 1) socket.write(helloRetryRequest());
        else socket.end('over');
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const origins = { [`${HOST}:443`]: { address: '127.0.0.1', port } };
    await using harness = await startHarness({ routes: ROUTES, origins });
    const socket = await open(harness, 'connect');
    const first = Buffer.from(hello({ extensions: [serverNames(HOST)] }));
    const second = Buffer.concat([Buffer.from('140303000101', 'hex'), hello({ extensions })]);
    // Both at once: the second must wait for the server's word, or it would go by unread.
    socket.write(Buffer.concat([first, second]));
    const answer = await readUntil(socket, passes ? 'over' : null);
    socket.destroy();
    expect(Buffer.concat(arrived)).toEqual(passes ? Buffer.concat([first, second]) : first);
    expect(answer.endsWith('over')).toBe(passes);
    const [record] = await harness.ended(1);
    expect(record).toMatchObject(passes ? { decision: 'allow' } : { decision: 'deny', reason: 'passthrough_refused' });
    server.close();
  });

  it('S21 goes to no private address', async () => {
    await using harness = await startHarness({
      routes: ROUTES,
      resolver: { resolve: () => Promise.resolve({ ok: true, value: ['10.0.0.7'] }) },
    });
    const socket = await open(harness, 'connect');
    await exchangeRaw(socket, hello({ extensions: [serverNames(HOST)] }), null);
    socket.destroy();
    expect(await harness.ended(1)).toMatchObject([{ decision: 'deny', reason: 'address_refused' }]);
  });

  it('ends when a reload no longer passes it through', async () => {
    await using origin = await startOrigin(answering('sealed'));
    await using harness = await startHarness({ routes: ROUTES, origins: { [`${HOST}:443`]: origin } });
    const socket = await openSealed(harness, 'connect');
    const over = readUntil(socket, null);
    harness.gateway.reload(harness.config([{ host: HOST }], 2));
    await over;
    socket.destroy();
    expect(await harness.ended(1)).toMatchObject([{ reason: 'passthrough_refused', ended: 'refused_midway' }]);
  });
});

describe('S24 a route that is passed through can promise nothing of what is inside', () => {
  it.each([
    { host: '*.example.com' },
    { host: '93.184.216.34' },
    { host: HOST, matches: [{ methods: ['GET'] }] },
    { host: HOST, placeholders: [{ env: 'A', in: 'header', name: 'x-key' }] },
    { host: HOST, dlp: { outbound_detectors: false } },
    { host: HOST, git: { fetch: true } },
    { host: HOST, agent_credentials: 'deny' },
    { host: HOST, range: true },
    { host: HOST, auth: { scheme: 'Bearer', token_ref: 'T' } },
  ] as const)('%j', (route) => {
    expect(compilePolicy(configOf({}, [RouteSchema.parse({ ...route, tls: 'passthrough' })], 1)).ok).toBe(false);
  });
});

function helloRetryRequest(): Buffer {
  const random = createHash('sha256').update('HelloRetryRequest').digest();
  const body = Buffer.concat([
    Buffer.from('0303', 'hex'),
    random,
    Buffer.from('00130100000a002b0002030400330002001d', 'hex'),
  ]);
  const message = Buffer.concat([Buffer.from([2, 0, 0, body.length]), body]);
  return Buffer.concat([Buffer.from([22, 3, 3, 0, message.length]), message]);
}
