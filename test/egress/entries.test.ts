import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchangeRaw, openTcp, openTls, openTunnel, reasonOf, send, statusOf, type Way } from './support/agent.ts';
import { bottleCa, PROBE_NONCE, startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, type Origin } from './support/origin.ts';

let origin: Origin;
let plain: Origin;
let harness: Harness;

beforeAll(async () => {
  origin = await startOrigin(answering('from the upstream'));
  plain = await startOrigin(answering('from the plain upstream'), { tls: false });
  harness = await startHarness({
    routes: [
      { host: 'api.example.com' },
      { host: '*.cdn.example', matches: [{ methods: ['GET'] }] },
      { host: 'plain.example.com' },
    ],
    origins: { 'api.example.com:443': origin, 'plain.example.com:80': plain, 'plain.example.com:8080': plain },
  });
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await plain[Symbol.asyncDispose]();
});

describe.each<Way>(['connect', 'transparent-tls'])('G-ONE by %s', (way) => {
  it('an allowed host answers', async () => {
    expect(await send(harness, 'https://api.example.com/a?b=c', { way })).toMatchObject({
      status: 200,
      body: Buffer.from('from the upstream'),
    });
    expect(origin.seen.at(-1)).toMatchObject({ method: 'GET', url: '/a?b=c', headers: { host: 'api.example.com' } });
  });

  it.each([
    {
      headers: { host: 'evil.example' },
      status: 403,
      reason: 'host_mismatch',
      why: 'another Host than the connection was made for',
    },
    { headers: { host: 'api.example.com:8443' }, status: 403, reason: 'host_mismatch', why: 'another port' },
    {
      headers: { host: 'API.example.com.' },
      status: 200,
      reason: undefined,
      why: 'the same name, written differently',
    },
    { method: 'TRACE', status: 403, reason: 'method_refused', why: 'TRACE echoes what was put in' },
    {
      headers: { upgrade: 'websocket', connection: 'upgrade' },
      status: 403,
      reason: 'upgrade_refused',
      why: 'upgrades come later',
    },
  ])('$why → $status', async ({ status, reason, ...request }) => {
    const seenBefore = origin.seen.length;
    const answer = await send(harness, 'https://api.example.com/', { way, ...request });
    expect(answer).toMatchObject({ status, ...(reason === undefined ? {} : { reason }) });
    expect(origin.seen.length).toBe(status === 200 ? seenBefore + 1 : seenBefore);
  });
});

describe('G-DENY what has no route', () => {
  it('is refused at CONNECT, at once and in words', async () => {
    const { socket, head } = await openTunnel(harness, 'paste.example.org:443');
    expect(statusOf(head)).toBe(403);
    expect(reasonOf(head)).toBe('no_route');
    // The connection carries the next try.
    const again = await exchangeRaw(
      socket,
      'CONNECT paste.example.org:443 HTTP/1.1\r\nHost: paste.example.org:443\r\n\r\n',
      'recorded.',
    );
    expect(again).toContain('bot-bottle refused CONNECT');
    socket.destroy();
  });

  it('is refused inside the intercepted TLS when it comes transparently', async () => {
    const answer = await send(harness, 'https://paste.example.org/x', { way: 'transparent-tls' });
    expect(answer).toMatchObject({ status: 403, reason: 'no_route' });
    expect(answer.body.toString()).toContain('https://paste.example.org/x');
  });

  it.each([
    {
      request: 'GET http://paste.example.org/ HTTP/1.1\r\nHost: paste.example.org\r\n\r\n',
      role: 'proxy',
      status: 403,
      reason: 'no_route',
      why: 'absolute form',
    },
    {
      request: 'GET / HTTP/1.1\r\nHost: paste.example.org\r\n\r\n',
      role: 'http',
      status: 403,
      reason: 'no_route',
      why: 'transparent HTTP',
    },
    {
      request: 'GET / HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n',
      role: 'http',
      status: 403,
      reason: 'no_route',
      why: 'a raw address',
    },
    {
      request: 'CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n',
      role: 'proxy',
      status: 403,
      reason: 'no_route',
      why: 'a raw address by CONNECT',
    },
    {
      request: 'CONNECT api.example.com:22 HTTP/1.1\r\nHost: api.example.com:22\r\n\r\n',
      role: 'proxy',
      status: 403,
      reason: 'no_route',
      why: 'a port that no route covers',
    },
    {
      request: 'CONNECT cdn.example:443 HTTP/1.1\r\nHost: cdn.example:443\r\n\r\n',
      role: 'proxy',
      status: 403,
      reason: 'no_route',
      why: 'the apex of a wildcard',
    },
    {
      request: 'CONNECT api.example.com HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
      role: 'proxy',
      status: 400,
      reason: 'bad_request',
      why: 'CONNECT without a port',
    },
    {
      request: 'GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
      role: 'proxy',
      status: 400,
      reason: 'bad_request',
      why: 'origin form at the proxy',
    },
    {
      request: 'GET ftp://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
      role: 'proxy',
      status: 400,
      reason: 'bad_request',
      why: 'a scheme we do not speak',
    },
    {
      request: 'GET http://u:p@plain.example.com/ HTTP/1.1\r\nHost: plain.example.com\r\n\r\n',
      role: 'proxy',
      status: 400,
      reason: 'bad_request',
      why: 'userinfo',
    },
    {
      request: 'GET http://plain.example.com/ HTTP/1.1\r\nHost: evil.example\r\n\r\n',
      role: 'proxy',
      status: 403,
      reason: 'host_mismatch',
      why: 'absolute form and Host differ',
    },
    { request: 'GET / HTTP/1.1\r\n\r\n', role: 'http', status: 400, reason: 'bad_request', why: 'no Host' },
    {
      request: 'GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n',
      role: 'http',
      status: 400,
      reason: 'bad_request',
      why: 'two Hosts',
    },
    {
      request: 'GET / HTTP/1.1\r\nHost: plain.example.com\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
      role: 'http',
      status: 400,
      reason: 'bad_request',
      why: 'smuggling',
    },
    {
      request: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      role: 'proxy',
      status: 0,
      reason: 'bad_request',
      why: 'the HTTP/2 preface',
    },
  ] as const)('$why → $status $reason', async ({ request, role, status, reason }) => {
    const socket = await openTcp(harness.port(role));
    const text = await exchangeRaw(socket, request, '\r\n\r\n');
    if (status !== 0) expect(statusOf(text)).toBe(status);
    else expect(statusOf(text)).toBeGreaterThanOrEqual(400);
    expect(reasonOf(text)).toBe(reason);
    socket.destroy();
  });
});

describe('plain HTTP', () => {
  it.each([
    { role: 'http', request: 'GET /x HTTP/1.1\r\nHost: plain.example.com\r\n\r\n', why: 'transparent' },
    {
      role: 'proxy',
      request: 'GET http://plain.example.com/x HTTP/1.1\r\nHost: plain.example.com\r\n\r\n',
      why: 'absolute form',
    },
  ] as const)('passes by the $why entry', async ({ role, request }) => {
    const socket = await openTcp(harness.port(role));
    expect(await exchangeRaw(socket, request, 'from the plain upstream')).toContain('HTTP/1.1 200');
    expect(plain.seen.at(-1)).toMatchObject({ url: '/x', headers: { host: 'plain.example.com' } });
    socket.destroy();
  });

  it('passes inside a CONNECT as HTTP for that host and port', async () => {
    const { socket } = await openTunnel(harness, 'plain.example.com:80');
    const text = await exchangeRaw(socket, 'GET /y HTTP/1.1\r\nHost: plain.example.com\r\n\r\n', 'upstream');
    expect(statusOf(text)).toBe(200);
    socket.destroy();
  });
});

describe('server names', () => {
  it('a CONNECT without SNI means the host of the CONNECT', async () => {
    const { socket } = await openTunnel(harness, 'api.example.com:443');
    const encrypted = connectTls({
      socket,
      host: 'api.example.com',
      ca: bottleCa.certificate,
      checkServerIdentity: () => undefined,
    });
    await once(encrypted, 'secureConnect');
    expect(encrypted.getPeerCertificate().subjectaltname).toBe('DNS:api.example.com');
    const text = await exchangeRaw(encrypted, 'GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n', 'upstream');
    expect(statusOf(text)).toBe(200);
    encrypted.destroy();
  });

  it.each(['other.cdn.example', 'evil.example'])('a CONNECT whose SNI is %s is refused inside', async (servername) => {
    const { socket } = await openTunnel(harness, 'api.example.com:443');
    const encrypted = connectTls({ socket, servername, ca: bottleCa.certificate });
    await once(encrypted, 'secureConnect');
    const text = await exchangeRaw(encrypted, 'GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n', '\r\n\r\n');
    expect(reasonOf(text)).toBe('host_mismatch');
    encrypted.destroy();
  });

  it('transparent TLS without SNI is closed', async () => {
    const socket = await openTcp(harness.port('tls'));
    const encrypted = connectTls({ socket, ca: bottleCa.certificate });
    const outcome = await new Promise<string>((resolve) => {
      encrypted.once('secureConnect', () => {
        resolve('secured');
      });
      encrypted.once('error', () => {
        resolve('closed');
      });
    });
    expect(outcome).toBe('closed');
    encrypted.destroy();
  });

  it.each([
    { role: 'tls', bytes: 'GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n', why: 'HTTP on the TLS port' },
    { role: 'tls', bytes: 'SSH-2.0-OpenSSH_9.9\r\n', why: 'SSH' },
  ] as const)('$why is closed without a byte', async ({ role, bytes }) => {
    const socket = await openTcp(harness.port(role));
    expect(await exchangeRaw(socket, bytes, null)).toBe('');
    socket.destroy();
  });

  it('something else inside a CONNECT is closed without a byte', async () => {
    const { socket } = await openTunnel(harness, 'api.example.com:443');
    expect(await exchangeRaw(socket, 'SSH-2.0-OpenSSH_9.9\r\n', null)).toBe('');
    socket.destroy();
  });

  it('a session is resumed, and the client chooses the protocol', async () => {
    const both = await openTls(harness, 'api.example.com', 'transparent-tls', { ALPNProtocols: ['http/1.1', 'h2'] });
    expect(both.alpnProtocol).toBe('h2');
    both.destroy();
    const first = await openTls(harness, 'api.example.com', 'transparent-tls');
    expect(first.alpnProtocol).toBe('http/1.1');
    const session = new Promise<Buffer>((resolve) => first.once('session', resolve));
    first.write('GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n');
    const ticket = await session;
    first.destroy();
    const second = await openTls(harness, 'api.example.com', 'transparent-tls', { session: ticket });
    expect(second.isSessionReused()).toBe(true);
    second.destroy();
  });
});

describe('_egress.local', () => {
  it.each([
    { role: 'http', target: '/allowlist', host: '_egress.local' },
    { role: 'proxy', target: 'http://_egress.local/allowlist', host: '_egress.local' },
    { role: 'proxy', target: '/allowlist', host: 'egress:9099' },
  ] as const)('$role $target answers the live routes as the manifest spells them', async ({ role, target, host }) => {
    const socket = await openTcp(harness.port(role));
    const text = await exchangeRaw(
      socket,
      `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      null,
    );
    const [, body = ''] = text.split('\r\n\r\n');
    expect(JSON.parse(body)).toMatchObject({
      generation: 1,
      routes: [
        { host: 'api.example.com' },
        { host: '*.cdn.example', matches: [{ methods: ['GET'] }] },
        { host: 'plain.example.com' },
      ],
    });
    socket.destroy();
  });

  it('S4 tells the operator of the right nonce only', async () => {
    const ask = async (nonce: string): Promise<number> => {
      const socket = await openTcp(harness.port('proxy'));
      const text = await exchangeRaw(
        socket,
        `GET http://_egress.local/probe?nonce=${nonce} HTTP/1.1\r\nHost: _egress.local\r\nConnection: close\r\n\r\n`,
        null,
      );
      socket.destroy();
      return statusOf(text);
    };
    expect(await ask('wrong')).toBe(403);
    expect(harness.probesSeen).toBe(0);
    expect(await ask(PROBE_NONCE)).toBe(204);
    expect(harness.probesSeen).toBe(1);
  });

  it.each(['CONNECT _egress.local:80 HTTP/1.1\r\nHost: _egress.local:80\r\n\r\n'])(
    'can not be tunnelled to',
    async (request) => {
      const socket = await openTcp(harness.port('proxy'));
      expect(statusOf(await exchangeRaw(socket, request, '\r\n\r\n'))).toBeGreaterThanOrEqual(400);
      socket.destroy();
    },
  );
});

it('no fault of ours was met on the way', () => {
  expect(harness.bugs).toEqual([]);
});
