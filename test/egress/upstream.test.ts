import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { err, ok, type Result } from '../../src/kernel/result.ts';
import type { Resolver } from '../../src/ports/resolver.ts';
import { exchangeRaw, openTcp, reasonOf, send } from './support/agent.ts';
import { badCertificates } from './support/certificates.ts';
import { startHarness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
/** Answers as told and remembers what it was asked. */
function resolverOf(answers: Readonly<Record<string, readonly string[]>>): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolve(name): Promise<Result<readonly string[], string>> {
      asked.push(name);
      const found = answers[name];
      return Promise.resolve(found === undefined ? err('ENOTFOUND') : ok(found));
    },
  };
}

describe('upstream TLS is always verified', () => {
  it.each(badCertificates(HOST))('$why → 502 $code, and nothing was sent', async ({ leaf, code }) => {
    await using origin = await startOrigin(answering('ok'), { leaf });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    const answer = await send(harness, `https://${HOST}/`, { method: 'POST', body: 'data' });
    expect(answer).toMatchObject({ status: 502, reason: 'upstream_tls' });
    expect(answer.body.toString()).toContain(code);
    expect(origin.received().length).toBe(0);
    expect(await harness.ended(1)).toMatchObject([{ decision: 'allow', reason: 'upstream_tls', status: 502 }]);
  });

  it('an upstream that speaks no TLS is refused', async () => {
    await using origin = await startOrigin(answering('ok'), { tls: false });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 502, reason: 'upstream_tls' });
  });
});

describe('S21 addresses', () => {
  it.each([
    { answers: ['127.0.0.1'], why: 'loopback' },
    { answers: ['10.0.0.7'], why: 'private' },
    { answers: ['169.254.169.254'], why: 'the metadata address' },
    { answers: ['::ffff:127.0.0.1'], why: 'loopback in mapped form' },
    { answers: ['64:ff9b::a00:1'], why: 'private in NAT64 form' },
    { answers: ['fd00::1'], why: 'unique local' },
    { answers: ['93.184.215.14', '10.0.0.7'], why: 'one of several' },
  ])('$why is refused', async ({ answers }) => {
    const resolver = resolverOf({ [HOST]: answers });
    await using harness = await startHarness({ routes: [{ host: HOST }], resolver });
    const answer = await send(harness, `https://${HOST}/`);
    expect(answer).toMatchObject({ status: 403, reason: 'address_refused' });
    expect(resolver.asked).toEqual([HOST]);
    expect(await harness.ended(1)).toMatchObject([{ decision: 'deny', reason: 'address_refused' }]);
    expect(harness.gateway.counters().upstreamDialled).toBe(0);
  });

  it('a private address of a name is dialled when upstream.resolve gives it', async () => {
    await using origin = await startOrigin(answering('ok'));
    const resolver = resolverOf({ [HOST]: ['127.0.0.1'] });
    await using harness = await startHarness({
      routes: [{ host: HOST }],
      origins: { [`${HOST}:443`]: origin },
      resolver,
    });
    expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 200 });
    expect(resolver.asked).toEqual([]);
  });

  it('a literal that a route names is dialled, and no other', async () => {
    await using origin = await startOrigin(answering('ok'), { tls: false });
    await using harness = await startHarness({ routes: [{ host: `127.0.0.1:${String(origin.port)}` }] });
    const ask = async (authority: string): Promise<string> => {
      const socket = await openTcp(harness.port('proxy'));
      const text = await exchangeRaw(
        socket,
        `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`,
        null,
      );
      socket.destroy();
      return text;
    };
    expect(await ask(`127.0.0.1:${String(origin.port)}`)).toContain(' 200 ');
    expect(reasonOf(await ask(`127.0.0.2:${String(origin.port)}`))).toBe('no_route');
  });

  it('nothing is resolved for a CONNECT, nor for what is refused', async () => {
    const resolver = resolverOf({});
    await using harness = await startHarness({ routes: [{ host: HOST, matches: [{ methods: ['GET'] }] }], resolver });
    const socket = await openTcp(harness.port('proxy'));
    await exchangeRaw(socket, `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`, '\r\n\r\n');
    expect(await send(harness, `https://${HOST}/`, { method: 'POST' })).toMatchObject({ reason: 'no_match' });
    expect(resolver.asked).toEqual([]);
    socket.destroy();
  });

  it('a name that does not resolve is a 502', async () => {
    await using harness = await startHarness({ routes: [{ host: HOST }], resolver: resolverOf({}) });
    const answer = await send(harness, `https://${HOST}/`);
    expect(answer).toMatchObject({ status: 502, reason: 'resolve_failed' });
    expect(answer.body.toString()).toContain('ENOTFOUND');
  });
});

it('an upstream where nobody listens is a 502', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => {
    closed.listen(0, '127.0.0.1', resolve);
  });
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  await using harness = await startHarness({ routes: [{ host: `127.0.0.1:${String(port)}` }] });
  const socket = await openTcp(harness.port('proxy'));
  const text = await exchangeRaw(
    socket,
    `GET http://127.0.0.1:${String(port)}/ HTTP/1.1\r\nHost: 127.0.0.1:${String(port)}\r\n\r\n`,
    'again.',
  );
  expect(reasonOf(text)).toBe('upstream_unreachable');
  expect(text).toContain('ECONNREFUSED');
  socket.destroy();
});
