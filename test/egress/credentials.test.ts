import { describe, expect, it } from 'vitest';
import type { Route } from '../../src/schema/route.ts';
import {
  exchangeRaw,
  openTcp,
  openTls,
  openTunnel,
  reasonOf,
  send,
  statusOf,
  type SendOptions,
} from './support/agent.ts';
import { startHarness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const TOKEN = 'real-token-Zq83hd7Wm2pXv91L';

async function through(route: Omit<Route, 'host'>, path: string, options: SendOptions = {}) {
  await using origin = await startOrigin(answering('ok'));
  await using harness = await startHarness({
    routes: [{ host: HOST, ...route }],
    origins: { [`${HOST}:443`]: origin },
    tokens: { GH_TOKEN: TOKEN },
  });
  const answer = await send(harness, `https://${HOST}${path}`, options);
  expect(harness.bugs).toEqual([]);
  return {
    answer,
    request: origin.seen[0],
    received: origin.received().toString('latin1'),
    record: (await harness.ended(1))[0],
  };
}

describe('S10 the credential put in', () => {
  it.each([
    { auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' }, header: 'authorization', value: `Bearer ${TOKEN}` },
    { auth: { scheme: 'token', token_ref: 'GH_TOKEN' }, header: 'authorization', value: `token ${TOKEN}` },
    { auth: { scheme: 'header', token_ref: 'GH_TOKEN', name: 'X-Api-Key' }, header: 'x-api-key', value: TOKEN },
  ] as const)('$auth.scheme', async ({ auth, header, value }) => {
    const { request, answer } = await through({ auth }, '/a?b=c');
    expect(answer.status).toBe(200);
    expect(request?.headers[header]).toBe(value);
    expect(request?.url).toBe('/a?b=c');
  });

  it('Basic carries the value in base64', async () => {
    const { request } = await through({ auth: { scheme: 'Basic', token_ref: 'GH_TOKEN' } }, '/');
    const [, encoded = ''] = /^Basic (.+)$/.exec(request?.headers.authorization ?? '') ?? [];
    expect(Buffer.from(encoded, 'base64').toString()).toContain(TOKEN);
  });

  it('query carries the value as one parameter', async () => {
    const { request } = await through(
      { auth: { scheme: 'query', token_ref: 'GH_TOKEN', name: 'key' } },
      '/a?key=mine&b=c',
    );
    expect(new URL(request?.url ?? '', 'https://x').searchParams.getAll('key')).toEqual([TOKEN]);
    expect(new URL(request?.url ?? '', 'https://x').searchParams.get('b')).toBe('c');
  });

  it.each([
    { headers: { authorization: 'Bearer attacker' } },
    { headers: { Authorization: 'Basic attacker', 'X-API-KEY': 'attacker' } },
    { headers: { cookie: 'session=attacker', 'private-token': 'attacker', 'job-token': 'attacker' } },
    { headers: { 'api-key': 'attacker', 'x-goog-api-key': 'attacker', 'x-auth-token': 'attacker' } },
    { headers: { 'openai-organization': 'attacker', 'openai-project': 'attacker', 'chatgpt-account-id': 'attacker' } },
  ])('replaces all that the agent sent: $headers', async ({ headers }) => {
    const { received, request } = await through(
      { auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } },
      '/?access_token=attacker&api_key=attacker',
      { headers },
    );
    expect(received).not.toContain('attacker');
    expect(request?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  it.each([
    { method: 'GET', policy: undefined, status: 200 },
    { method: 'POST', policy: undefined, status: 403 },
    { method: 'POST', policy: 'allow', status: 200 },
    { method: 'GET', policy: 'deny', status: 403 },
  ] as const)(
    'on a route without auth, $method with a credential of its own and agent_credentials $policy → $status',
    async ({ method, policy, status }) => {
      const { answer } = await through(policy === undefined ? {} : { agent_credentials: policy }, '/', {
        method,
        headers: { authorization: 'Bearer its-own' },
      });
      expect(answer.status).toBe(status);
      if (status === 403) expect(answer.reason).toBe('foreign_credential');
    },
  );

  it('is refused when it has no value', async () => {
    await using origin = await startOrigin(answering('ok'));
    await using harness = await startHarness({
      routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } }],
      origins: { [`${HOST}:443`]: origin },
      tokens: {},
    });
    expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 403, reason: 'credential_missing' });
    expect(origin.connections()).toBe(0);
  });

  it('is masked where the answer head echoes it', async () => {
    await using origin = await startOrigin((request, response) => {
      response.writeHead(200, {
        'content-length': '2',
        'x-echo': `you sent ${request.headers.authorization ?? ''}`,
        location: `/?t=${TOKEN}`,
      });
      response.end('ok');
    });
    await using harness = await startHarness({
      routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } }],
      origins: { [`${HOST}:443`]: origin },
      tokens: { GH_TOKEN: TOKEN },
    });
    const answer = await send(harness, `https://${HOST}/`);
    expect(answer.status).toBe(200);
    expect(JSON.stringify(answer.headers)).not.toContain(TOKEN);
    expect(answer.headers['x-echo']).toContain('GH_TOKEN');
  });

  it('two routes with credentials never share an upstream connection', async () => {
    await using origin = await startOrigin(answering('ok'), { name: '*.example.com' });
    await using harness = await startHarness({
      routes: [
        { host: 'a.example.com', auth: { scheme: 'Bearer', token_ref: 'A' } },
        { host: 'b.example.com', auth: { scheme: 'Bearer', token_ref: 'B' } },
      ],
      origins: { 'a.example.com:443': origin, 'b.example.com:443': origin },
      tokens: { A: `${TOKEN}-a`, B: `${TOKEN}-b` },
    });
    for (const host of ['a', 'b', 'a', 'b'])
      expect(await send(harness, `https://${host}.example.com/`)).toMatchObject({ status: 200 });
    expect(origin.seen.map(({ headers }) => headers.authorization)).toEqual(
      ['a', 'b', 'a', 'b'].map((end) => `Bearer ${TOKEN}-${end}`),
    );
    expect(origin.connections()).toBe(2);
  });
});

describe('S11 never in clear', () => {
  const routes: Route[] = [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } }];
  const request = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
  it.each([
    {
      entry: 'transparent HTTP',
      open: async (port: (role: 'http' | 'proxy') => number) => ({
        socket: await openTcp(port('http')),
        text: request,
      }),
    },
    {
      entry: 'absolute form',
      open: async (port: (role: 'http' | 'proxy') => number) => ({
        socket: await openTcp(port('proxy')),
        text: request.replace('GET /', `GET http://${HOST}/`),
      }),
    },
  ])('$entry to a credentialed route is refused', async ({ open }) => {
    await using harness = await startHarness({ routes, tokens: { GH_TOKEN: TOKEN } });
    const { socket, text } = await open((role) => harness.port(role));
    expect(reasonOf(await exchangeRaw(socket, text, 'recorded.'))).toBe('cleartext_credential');
    socket.destroy();
  });

  it.each([80, 443])('plain HTTP inside a CONNECT to port %i is refused', async (port) => {
    await using harness = await startHarness({ routes, tokens: { GH_TOKEN: TOKEN } });
    const { socket } = await openTunnel(harness, `${HOST}:${String(port)}`);
    const host = port === 80 ? HOST : `${HOST}:443`;
    expect(reasonOf(await exchangeRaw(socket, request.replace(`Host: ${HOST}`, `Host: ${host}`), 'recorded.'))).toBe(
      'cleartext_credential',
    );
    socket.destroy();
  });

  it('an address from upstream.resolve is the exception', async () => {
    await using origin = await startOrigin(answering('ok'), { tls: false });
    await using harness = await startHarness({
      routes,
      origins: { [`${HOST}:80`]: origin },
      tokens: { GH_TOKEN: TOKEN },
    });
    const socket = await openTcp(harness.port('http'));
    expect(statusOf(await exchangeRaw(socket, request, '\r\n\r\nok'))).toBe(200);
    expect(origin.seen[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    socket.destroy();
  });
});

describe('H14 git over HTTPS', () => {
  it.each([
    { route: {}, path: '/acme/web.git/info/refs?service=git-receive-pack', reason: 'git_push' },
    { route: {}, path: '/acme/web.git/info/refs?service%3Dgit-receive-pack', reason: 'git_push' },
    { route: {}, path: '/acme/web.git/info/refs?service=git%2Dreceive%2Dpack', reason: 'git_push' },
    { route: {}, path: '/acme/web.git/info/refs?x=1&SERVICE=GIT-RECEIVE-PACK', reason: 'git_push' },
    { route: { git: { fetch: true } }, path: '/acme/web.git/git-receive-pack', method: 'POST', reason: 'git_push' },
    { route: {}, path: '/acme/web.git/info/refs?service=git-upload-pack', reason: 'git_fetch' },
    { route: { git: { fetch: true } }, path: '/acme/web.git/info/refs?service=git-upload-pack', reason: undefined },
  ])('$path with $route → $reason', async ({ route, path, method = 'GET', reason }) => {
    const { answer, received } = await through(route, path, { method });
    expect(answer.reason).toBe(reason);
    expect(answer.status).toBe(reason === undefined ? 200 : 403);
    if (reason !== undefined) expect(received).toBe('');
  });
});

describe('paths', () => {
  const auth = { scheme: 'Bearer', token_ref: 'GH_TOKEN' } as const;
  it.each([
    { path: '/v1/items/7', status: 200 },
    { path: '/v1/%2e%2e/admin', status: 403 },
    { path: '/v1/..%2fadmin', status: 403 },
    { path: '/v1/..;/admin', status: 403 },
    { path: '/v1\\..\\admin', status: 403 },
    { path: '/v2', status: 403 },
    { path: '/v1%00', status: 400 },
    { path: '/v1/%zz', status: 400 },
  ])('a prefix rule for /v1 and $path → $status', async ({ path, status }) => {
    await using origin = await startOrigin(answering('ok'));
    await using harness = await startHarness({
      routes: [{ host: HOST, auth, matches: [{ paths: [{ type: 'prefix', value: '/v1' }] }] }],
      origins: { [`${HOST}:443`]: origin },
      tokens: { GH_TOKEN: TOKEN },
    });
    const socket = await openTls(harness, HOST);
    const text = await exchangeRaw(socket, `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, '\r\n\r\n');
    expect(statusOf(text)).toBe(status);
    expect(origin.connections()).toBe(status === 200 ? 1 : 0);
    socket.destroy();
  });
});
