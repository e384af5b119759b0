import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openTcp, exchangeRaw, openTls, openTunnel, send } from './support/agent.ts';
import { answeringStream, ask, collect, openH2, startH2Origin } from './support/h2.ts';
import { startHarness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const ROUTE = { host: HOST };
const TOKEN = 'tok_live_H2zQ83hd7Wm2pXv91LtR5kA';

describe('HTTP/2', () => {
  test.each([
    { agent: 'h2', upstream: 'h2' },
    { agent: 'h2', upstream: 'http/1.1' },
    { agent: 'http/1.1', upstream: 'h2' },
    { agent: 'http/1.1', upstream: 'http/1.1' },
  ])('G-ONE: $agent to the agent and $upstream to the upstream carry the same request', async (protocols) => {
    const seen: { method: unknown; path: unknown; authorization: unknown; body: string }[] = [];
    await using origin =
      protocols.upstream === 'h2'
        ? await startH2Origin((stream, headers, body) => {
            void body.then((bytes) => {
              const { ':method': method, ':path': path, authorization } = headers;
              seen.push({ method, path, authorization, body: bytes.toString() });
              stream.respond({ ':status': 201, 'x-answer': 'yes' });
              stream.end('answered');
            });
          })
        : await startOrigin((request, response) => {
            const chunks: Buffer[] = [];
            request.on('data', (chunk: Buffer) => chunks.push(chunk));
            request.on('end', () => {
              const { method, url: path } = request;
              const { authorization } = request.headers;
              seen.push({ method, path, authorization, body: Buffer.concat(chunks).toString() });
              response.writeHead(201, { 'x-answer': 'yes' });
              response.end('answered');
            });
          });
    await using harness = await startHarness({
      routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' } }],
      origins: { [`${HOST}:443`]: origin },
      tokens: { TOKEN },
    });
    const body = 'x'.repeat(100_000);
    if (protocols.agent === 'h2') {
      using agent = await openH2(harness, HOST);
      const answer = await ask(agent, { ':method': 'POST', ':path': '/v1/a?b=1', authorization: 'Bearer own' }, body);
      expect([answer.status, answer.headers['x-answer'], answer.body.toString()]).toEqual([201, 'yes', 'answered']);
      expect(answer.headers).not.toHaveProperty('connection');
    } else {
      const options = { method: 'POST', headers: { authorization: 'Bearer own' }, body };
      const answer = await send(harness, `https://${HOST}/v1/a?b=1`, options);
      expect([answer.status, answer.headers['x-answer'], answer.body.toString()]).toEqual([201, 'yes', 'answered']);
    }
    expect(seen).toEqual([{ method: 'POST', path: '/v1/a?b=1', authorization: `Bearer ${TOKEN}`, body }]);
    const [record] = await harness.ended(1);
    expect(record).toMatchObject({
      method: 'POST',
      path: '/v1/a?b=1',
      status: 201,
      ended: 'complete',
      decision: 'allow',
    });
    expect(record?.bytes).toEqual({ sent: body.length, received: 8 });
    expect(harness.bugs).toEqual([]);
  });

  test('G-DENY: a host that no route names, a path no rule allows and a known value are refused by stream', async () => {
    await using origin = await startH2Origin(answeringStream('never for these'));
    await using harness = await startHarness({
      routes: [{ host: HOST, matches: [{ paths: [{ type: 'exact', value: '/open' }] }] }],
      origins: { [`${HOST}:443`]: origin },
      knownValues: { KEY: TOKEN },
    });
    using agent = await openH2(harness, HOST);
    const [wrongPath, secret, wrongName, fine] = await Promise.all([
      ask(agent, { ':path': '/closed' }),
      ask(agent, { ':method': 'POST', ':path': '/open' }, `a ${TOKEN} b`),
      ask(agent, { ':path': '/open', ':authority': 'other.example.com' }),
      ask(agent, { ':path': '/open' }),
    ]);
    expect([wrongPath.status, wrongPath.reason]).toEqual([403, 'no_match']);
    expect([secret.status, secret.reason]).toEqual([403, 'known_secret']);
    expect([wrongName.status, wrongName.reason], 'S23: its own connection or none').toEqual([421, 'host_mismatch']);
    expect([fine.status, fine.body.toString()]).toEqual([200, 'never for these']);
    expect(origin.streams.length, 'only the allowed one arrived').toBe(1);
    expect((await harness.ended(4)).map(({ reason }) => reason).sort()).toEqual(
      ['allowed', 'host_mismatch', 'known_secret', 'no_match'].sort(),
    );
  });

  test('many streams share one connection to the upstream', async () => {
    await using origin = await startH2Origin(answeringStream('ok'));
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => ask(agent, { ':path': `/${String(index)}` })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 60 }, () => 200));
    expect(origin.connections()).toBe(1);
    expect(await harness.ended(60)).toHaveLength(60);
  });

  test('trailers pass both ways, 103 before the answer, and alternative services never', async () => {
    const got: unknown[] = [];
    await using origin = await startH2Origin((stream, _headers, body) => {
      stream.on('trailers', (trailers) => got.push({ ...trailers }));
      void body.then(() => {
        stream.additionalHeaders({ ':status': 103, link: '</a>; rel=preload' });
        stream.respond({ ':status': 200, 'alt-svc': 'h3=":443"' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => {
          stream.sendTrailers({ 'grpc-status': '0', 'x-sum': 'abc' });
        });
        stream.end('body');
      });
    });
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST, 'transparent-tls');
    const stream = agent.session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'x-checksum': '123' });
    });
    stream.end('hello');
    const answer = await collect(stream);
    expect(answer.interim).toEqual([103]);
    expect(answer.trailers).toMatchObject({ 'grpc-status': '0', 'x-sum': 'abc' });
    expect(answer.headers).not.toHaveProperty('alt-svc');
    expect(got).toMatchObject([{ 'x-checksum': '123' }]);
  });

  test('a trailer that carries a known value does not leave', async () => {
    await using origin = await startH2Origin(answeringStream('ok'));
    await using harness = await startHarness({
      routes: [ROUTE],
      origins: { [`${HOST}:443`]: origin },
      knownValues: { KEY: TOKEN },
    });
    using agent = await openH2(harness, HOST);
    const stream = agent.session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'x-checksum': TOKEN });
    });
    stream.end('hello');
    await collect(stream);
    const [record] = await harness.ended(1);
    expect(record).toMatchObject({ decision: 'deny', reason: 'known_secret' });
    expect(record?.findings).toMatchObject([{ name: 'KEY', place: 'trailers' }]);
  });

  test('100 Continue is answered on the stream', async () => {
    await using origin = await startOrigin(answering('ok'));
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    const stream = agent.session.request({ ':method': 'POST', ':path': '/', expect: '100-continue' });
    const answer = collect(stream);
    await once(stream, 'continue');
    stream.end('body');
    expect(await answer).toMatchObject({ status: 200 });
    expect(origin.seen[0]?.body.toString()).toBe('body');
  });

  test('CONNECT inside a stream is refused', async () => {
    await using harness = await startHarness({ routes: [ROUTE] });
    using agent = await openH2(harness, HOST);
    const stream = agent.session.request({ ':method': 'CONNECT', ':authority': `${HOST}:443` });
    const answer = await collect(stream);
    expect([answer.status, answer.reason]).toEqual([403, 'method_refused']);
  });

  test('h2c has no way in: the preface is closed, the upgrade refused', async () => {
    await using origin = await startOrigin(answering('plain'), { tls: false });
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:80`]: origin } });
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    const direct = await openTcp(harness.port('http'));
    expect(await exchangeRaw(direct, preface, null), 'on port 80').not.toMatch(/200/);
    const { socket } = await openTunnel(harness, `${HOST}:80`);
    expect(await exchangeRaw(socket, preface, null), 'inside CONNECT').toBe('');
    const upgrade = `GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`;
    const plain = await openTcp(harness.port('http'));
    expect(await exchangeRaw(plain, upgrade, 'upgrade_refused')).toMatch(/^HTTP\/1\.1 403 /);
    for (const opened of [direct, socket, plain]) opened.destroy();
    expect(origin.connections()).toBe(0);
  });

  test('a client that names no protocol, or only HTTP/1.1, is served HTTP/1.1', async () => {
    await using origin = await startH2Origin(answeringStream('over h2'));
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:443`]: origin } });
    const socket = await openTls(harness, HOST, 'connect', { ALPNProtocols: [] });
    expect((await send(harness, `https://${HOST}/`, { socket })).body.toString()).toBe('over h2');
    expect((await send(harness, `https://${HOST}/`, { socket })).status, 'and again on the same connection').toBe(200);
    socket.destroy();
  });

  test('an agent that resets its stream ends the request upstream, with a record', async () => {
    const closed = Promise.withResolvers<number>();
    const begun = Promise.withResolvers<undefined>();
    await using origin = await startH2Origin((stream) => {
      stream.on('close', () => {
        closed.resolve(stream.rstCode);
      });
      stream.respond({ ':status': 200 });
      stream.write('begun');
      begun.resolve(undefined);
    });
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    const stream = agent.session.request({ ':path': '/' });
    stream.on('error', () => undefined);
    await once(stream, 'data');
    await begun.promise;
    stream.close(8);
    expect(await closed.promise, 'CANCEL').toBe(8);
    expect(await harness.ended(1)).toMatchObject([{ ended: 'agent_gone' }]);
  });

  test('an upstream that resets in mid-answer shows as a reset, never as an end', async () => {
    await using origin = await startH2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half', () => {
        stream.destroy(new Error('the upstream breaks'));
      });
    });
    await using harness = await startHarness({ routes: [ROUTE], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    const answer = await ask(agent, { ':path': '/' });
    expect(answer.rstCode).not.toBe(0);
    expect(await harness.ended(1)).toMatchObject([{ ended: 'upstream_cut', status: 200 }]);
  });
});
