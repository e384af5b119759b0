import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/kernel/limits.ts';
import { exchangeRaw, openTcp, openTls, readUntil, send, statusOf } from './support/agent.ts';
import { startHarness, type Harness, type HarnessOptions } from './support/harness.ts';
import { answering, startOrigin, startRawOrigin, type Origin } from './support/origin.ts';

const HOST = 'api.example.com';

async function withOrigin(
  start: Promise<Origin>,
  test: (harness: Harness, origin: Origin) => Promise<void>,
  options: HarnessOptions = {},
): Promise<void> {
  await using origin = await start;
  await using harness = await startHarness({
    routes: [{ host: HOST }],
    origins: { [`${HOST}:443`]: origin },
    ...options,
  });
  await test(harness, origin);
  expect(harness.bugs).toEqual([]);
}

/** An upstream that says these bytes to each request head it sees. */
const saying = (...answers: readonly string[]): Promise<Origin> => {
  let count = 0;
  return startRawOrigin((socket) => {
    let head = '';
    socket.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      head = '';
      socket.write(answers[Math.min(count, answers.length - 1)] ?? '');
      count += 1;
    });
  });
};

const GET = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;

describe('connections', () => {
  it('one agent connection carries several requests, over one upstream connection', async () => {
    await withOrigin(startOrigin(answering('ok')), async (harness, origin) => {
      const socket = await openTls(harness, HOST);
      for (const path of ['/1', '/2', '/3', '/4']) {
        const text = await exchangeRaw(socket, `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, '\r\n\r\nok');
        expect(text.toLowerCase()).toContain('connection: keep-alive');
      }
      expect(origin.seen.map(({ url }) => url)).toEqual(['/1', '/2', '/3', '/4']);
      expect(origin.connections()).toBe(1);
      expect(harness.gateway.counters()).toMatchObject({ upstreamDialled: 1, upstreamReused: 3 });
      socket.destroy();
    });
  });

  it('requests sent at once are answered one after the other, in order', async () => {
    await withOrigin(
      startOrigin((request, response) => {
        response.end(`answer to ${request.url ?? ''};`);
      }),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        const requests = ['/a', '/b', '/c'].map((path) => `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
        const text = await exchangeRaw(socket, requests.join(''), '/c;');
        expect([...text.matchAll(/answer to (\/\w);/g)].map(([, path]) => path)).toEqual(['/a', '/b', '/c']);
        socket.destroy();
      },
    );
  });

  it.each([
    { request: `GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`, why: 'when the agent says so' },
    { request: `GET / HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`, why: 'for HTTP/1.0' },
  ])('is closed after the answer $why', async ({ request }) => {
    await withOrigin(startOrigin(answering('ok')), async (harness) => {
      const socket = await openTls(harness, HOST);
      const text = await exchangeRaw(socket, request, null);
      expect(text.toLowerCase()).toContain('connection: close');
      expect(text.endsWith('ok')).toBe(true);
      socket.destroy();
    });
  });

  it('an agent on plain TCP that ends its half still gets the whole answer', async () => {
    await using origin = await startOrigin(answering('x'.repeat(300 * KiB)), { tls: false });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:80`]: origin } });
    const socket = await openTcp(harness.port('http'));
    socket.end(GET);
    const text = await readUntil(socket, null);
    expect(text.split('\r\n\r\n')[1]).toHaveLength(300 * KiB);
    socket.destroy();
  });

  it('an upstream connection that was closed while idle is replaced without the agent noticing', async () => {
    const open: { destroy: () => void }[] = [];
    await withOrigin(
      startRawOrigin((socket) => {
        open.push(socket);
        let answered = false;
        socket.on('data', () => {
          // The second request on a connection meets a reset, as after a keep-alive time-out.
          if (answered) socket.destroy();
          else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          answered = true;
        });
      }),
      async (harness, origin) => {
        const socket = await openTls(harness, HOST);
        for (let round = 0; round < 3; round += 1)
          expect(await exchangeRaw(socket, GET, '\r\n\r\nok')).toContain(' 200 ');
        expect(origin.connections()).toBe(3);
        const post = `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1\r\n\r\nx`;
        const text = await exchangeRaw(socket, post, 'again.');
        expect(statusOf(text)).toBe(502);
        expect(origin.connections()).toBe(3);
        socket.destroy();
      },
    );
  });

  it('S23 a connection on which more came than was asked for is never used again', async () => {
    await withOrigin(
      saying('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
      async (harness, origin) => {
        const socket = await openTls(harness, HOST);
        for (let round = 0; round < 2; round += 1)
          expect(await exchangeRaw(socket, GET, '\r\n\r\nok')).not.toContain('evil');
        expect(origin.connections()).toBe(2);
        socket.destroy();
      },
    );
  });
});

describe('heads', () => {
  it('only close and keep-alive are honoured, what Connection names stays here, Alt-Svc is removed', async () => {
    const handler = (request: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(200, {
        'alt-svc': 'h3=":443"',
        'keep-alive': 'timeout=5',
        'x-kept': '1',
        'content-length': '2',
        connection: 'keep-alive, x-hop',
        'x-hop': '1',
      });
      response.end('ok');
      request.resume();
    };
    await withOrigin(startOrigin(handler), async (harness, origin) => {
      const answer = await send(harness, `https://${HOST}/`, {
        headers: {
          connection: 'keep-alive, x-mine',
          'x-mine': '1',
          te: 'trailers',
          'proxy-connection': 'keep-alive',
          'x-other': '2',
        },
      });
      expect(answer.headers).toMatchObject({ 'x-kept': '1', connection: 'keep-alive' });
      for (const name of ['alt-svc', 'keep-alive', 'x-hop']) expect(answer.headers).not.toHaveProperty(name);
      expect(origin.seen[0]?.headers).toMatchObject({ 'x-other': '2' });
      for (const name of ['x-mine', 'te', 'proxy-connection']) expect(origin.seen[0]?.headers).not.toHaveProperty(name);
    });
  });

  it('the order and spelling of headers, and the path, go out as they came in', async () => {
    await withOrigin(startOrigin(answering('ok')), async (harness, origin) => {
      const socket = await openTls(harness, HOST);
      await exchangeRaw(
        socket,
        `GET /@scope%2fname?Q=%20 HTTP/1.1\r\nHost: ${HOST}\r\nX-UPPER: a\r\nx-lower: b\r\nX-UPPER: c\r\n\r\n`,
        '\r\n\r\nok',
      );
      expect(origin.seen[0]?.url).toBe('/@scope%2fname?Q=%20');
      expect(origin.seen[0]?.rawHeaders).toEqual(['Host', HOST, 'X-UPPER', 'a', 'x-lower', 'b', 'X-UPPER', 'c']);
      socket.destroy();
    });
  });

  it.each([
    { answer: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok', why: 'bare line feeds' },
    { answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok', why: 'two lengths' },
    {
      answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      why: 'length and chunks',
    },
    { answer: 'HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok', why: 'a space before the colon' },
    { answer: 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok', why: 'a folded line' },
    {
      answer: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      why: 'a protocol nobody asked for',
    },
    { answer: 'HTTP/1.1 099 Odd\r\n\r\n', why: 'a status that is none' },
    { answer: 'ICY 200 OK\r\n\r\n', why: 'another protocol' },
    { answer: 'HTTP/1.1 103 Early\r\n\r\n'.repeat(40), why: 'interim answers without end' },
  ])('S23 an answer with $why is a 502', async ({ answer }) => {
    await withOrigin(saying(answer), async (harness) => {
      expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 502, reason: 'upstream_invalid' });
      expect(await harness.ended(1)).toMatchObject([
        { decision: 'allow', reason: 'upstream_invalid', status: 502, ended: 'complete' },
      ]);
    });
  });

  it('interim answers of the upstream stay here', async () => {
    await withOrigin(
      saying('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        const text = await exchangeRaw(socket, GET, '\r\n\r\nok');
        expect(text.startsWith('HTTP/1.1 200')).toBe(true);
        socket.destroy();
      },
    );
  });
});

describe('bodies', () => {
  it.each([
    { headers: 'Content-Length: 11', body: 'hello world', why: 'a length' },
    { headers: 'Transfer-Encoding: chunked', body: '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n', why: 'chunks' },
    {
      headers: 'Transfer-Encoding: chunked',
      body: '5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: dropped\r\n\r\n',
      why: 'chunks and a trailer',
    },
  ])('an upload with $why arrives', async ({ headers, body }) => {
    await withOrigin(startOrigin(answering('ok')), async (harness, origin) => {
      const socket = await openTls(harness, HOST);
      for (let round = 0; round < 2; round += 1) {
        const text = await exchangeRaw(
          socket,
          `POST /up HTTP/1.1\r\nHost: ${HOST}\r\n${headers}\r\n\r\n${body}`,
          '\r\n\r\nok',
        );
        expect(statusOf(text)).toBe(200);
      }
      expect(origin.seen.map((request) => request.body.toString())).toEqual(['hello world', 'hello world']);
      socket.destroy();
    });
  });

  it('an upload that trickles in byte by byte arrives', async () => {
    await withOrigin(startOrigin(answering('ok')), async (harness, origin) => {
      const socket = await openTls(harness, HOST);
      const answered = readUntil(socket, '\r\n\r\nok');
      for (const byte of `POST / HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`) {
        await new Promise<void>((resolve) =>
          socket.write(byte, () => {
            resolve();
          }),
        );
      }
      expect(statusOf(await answered)).toBe(200);
      expect(origin.seen[0]?.body.toString()).toBe('abc');
      socket.destroy();
    });
  });

  it.each([
    { body: '5\r\nhello\r\nz\r\n', why: 'a chunk size that is none' },
    { body: '5;ext=1\r\nhello\r\n0\r\n\r\n', why: 'a chunk extension' },
  ])('an upload with $why is refused', async ({ body }) => {
    await withOrigin(startOrigin(answering('ok')), async (harness) => {
      const socket = await openTls(harness, HOST);
      const text = await exchangeRaw(
        socket,
        `POST / HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
        'recorded.',
      );
      expect(statusOf(text)).toBe(400);
      socket.destroy();
    });
  });

  it('Expect: 100-continue is answered when the request may go on, and only then', async () => {
    await withOrigin(startOrigin(answering('ok')), async (harness, origin) => {
      const socket = await openTls(harness, HOST);
      const head = (path: string): string =>
        `POST ${path} HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
      expect(await exchangeRaw(socket, head('/'), '\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n');
      expect(origin.connections()).toBe(0);
      expect(statusOf(await exchangeRaw(socket, 'hello', '\r\n\r\nok'))).toBe(200);
      expect(origin.seen[0]?.headers).not.toHaveProperty('expect');
      const refused = await exchangeRaw(socket, head('/a%'), '\r\n\r\n');
      expect(statusOf(refused)).toBe(400);
      socket.destroy();
    });
  });

  it('HEAD has a length and no body, and the connection goes on', async () => {
    await withOrigin(
      startOrigin((request, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.end(request.method === 'HEAD' ? undefined : 'x'.repeat(1000));
      }),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        const text = await exchangeRaw(socket, `HEAD / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, '\r\n\r\n');
        expect(text.toLowerCase()).toContain('content-length: 1000');
        expect(await exchangeRaw(socket, GET, 'x'.repeat(1000))).toContain(' 200 ');
        socket.destroy();
      },
    );
  });

  it.each([
    { answer: 'HTTP/1.1 204 No Content\r\n\r\n', body: '' },
    { answer: 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n', body: '' },
    { answer: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', body: '' },
    { answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n', body: 'abcde' },
  ])('an answer of the form $answer leaves the connection usable', async ({ answer, body }) => {
    await withOrigin(saying(answer, 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext'), async (harness, origin) => {
      const socket = await openTls(harness, HOST);
      const first = httpRequest({
        createConnection: () => socket,
        path: '/',
        headers: { host: HOST, connection: 'keep-alive' },
      });
      first.end();
      const [response] = (await once(first, 'response')) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toBe(body);
      expect(await exchangeRaw(socket, GET, 'next')).toContain(' 200 ');
      expect(origin.connections()).toBe(1);
      socket.destroy();
    });
  });

  it('an answer that ends with its connection is whole for the agent', async () => {
    await withOrigin(
      startRawOrigin((socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
      }),
      async (harness) => {
        expect(await send(harness, `https://${HOST}/`)).toMatchObject({
          status: 200,
          body: Buffer.from('until the end'),
        });
        expect((await harness.ended(1))[0]).toMatchObject({ ended: 'complete', bytes: { received: 13 } });
      },
    );
  });

  it('an agent of HTTP/1.0 gets no chunks', async () => {
    await withOrigin(
      saying('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        const text = await exchangeRaw(socket, `GET / HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`, null);
        expect(text.endsWith('\r\n\r\nabc')).toBe(true);
        expect(text.toLowerCase()).not.toContain('transfer-encoding');
        socket.destroy();
      },
    );
  });

  it('events arrive one by one, each before the next is sent', async () => {
    let proceed = (): void => undefined;
    await withOrigin(
      startOrigin((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        let count = 0;
        proceed = () => {
          count += 1;
          if (count > 3) response.end();
          else response.write(`data: ${String(count)}\n\n`);
        };
        proceed();
      }),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        expect(await exchangeRaw(socket, GET, 'data: 1\n\n')).not.toContain('data: 2');
        for (const event of ['data: 2\n\n', 'data: 3\n\n', '0\r\n\r\n']) {
          const arrived = readUntil(socket, event);
          proceed();
          expect(await arrived).toContain(event);
        }
        socket.destroy();
      },
    );
  });

  it('an early answer reaches an agent that is still sending', async () => {
    await withOrigin(
      startOrigin((_request, response) => {
        response.writeHead(413, { 'content-length': '8', connection: 'close' });
        response.end('too much');
      }),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        const text = await exchangeRaw(
          socket,
          `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(50_000)}`,
          'too much',
        );
        expect(statusOf(text)).toBe(413);
        expect(text.toLowerCase()).toContain('connection: close');
        socket.destroy();
        expect((await harness.ended(1))[0]).toMatchObject({ status: 413, ended: 'complete' });
      },
      { timeouts: { discardMs: 50 } },
    );
  });
});

describe('memory is bounded', () => {
  const SIZE = 20 * MiB;
  /** What sockets of both sides may hold between them, far below what passes through. */
  const BOUND = 2 * MiB;

  it('while 20 MiB come down to an agent that reads late', async () => {
    await withOrigin(
      startOrigin((_request, response) => {
        response.writeHead(200, { 'content-length': String(SIZE) });
        response.end(Buffer.alloc(SIZE, 0x61));
      }),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        const request = httpRequest({ createConnection: () => socket, path: '/', headers: { host: HOST } });
        request.end();
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        // Unread, the upstream is held back: what is in the gateway stops growing.
        let before = -1;
        for (let settled = 0; settled < 20;) {
          await new Promise((resolve) => setImmediate(resolve));
          const { bufferedBytes } = harness.gateway.counters();
          settled = bufferedBytes === before ? settled + 1 : 0;
          before = bufferedBytes;
        }
        let received = 0;
        for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
        expect(received).toBe(SIZE);
        expect(harness.gateway.counters().bufferedBytesPeak).toBeLessThan(BOUND);
        expect((await harness.ended(1))[0]?.bytes.received).toBe(SIZE);
        socket.destroy();
      },
    );
  });

  it('while 20 MiB go up to an upstream that reads late', async () => {
    let resume = (): void => undefined;
    await withOrigin(
      startOrigin((request, response) => {
        request.pause();
        resume = () => {
          request.resume();
        };
        request.on('end', () => response.end('ok'));
      }),
      async (harness) => {
        const uploading = send(harness, `https://${HOST}/`, { method: 'POST', body: Buffer.alloc(SIZE, 0x61) });
        let before = -1;
        for (let settled = 0; settled < 50;) {
          await new Promise((resolve) => setImmediate(resolve));
          const { bufferedBytes, upstreamDialled } = harness.gateway.counters();
          settled = upstreamDialled > 0 && bufferedBytes === before ? settled + 1 : 0;
          before = bufferedBytes;
        }
        resume();
        expect(await uploading).toMatchObject({ status: 200 });
        expect(harness.gateway.counters().bufferedBytesPeak).toBeLessThan(BOUND);
        expect((await harness.ended(1))[0]?.bytes.sent).toBe(SIZE);
      },
    );
  });

  it('and everything is given back when all is over', async () => {
    await withOrigin(startOrigin(answering('x'.repeat(MiB))), async (harness) => {
      await Promise.all(Array.from({ length: 8 }, () => send(harness, `https://${HOST}/`)));
      await harness.gateway.drain(1000);
      expect(harness.gateway.counters()).toMatchObject({ bufferedBytes: 0, openConnections: 0 });
    });
  });
});

describe('endings', () => {
  it('an agent that goes away takes the upstream connection with it', async () => {
    let gone = (): void => undefined;
    const upstreamGone = new Promise<void>((resolve) => (gone = resolve));
    await withOrigin(
      startRawOrigin((socket) => {
        socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'));
        socket.on('end', gone);
      }),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        await exchangeRaw(socket, GET, 'part');
        socket.destroy();
        await upstreamGone;
        expect(await harness.ended(1)).toMatchObject([{ status: 200, ended: 'agent_gone', decision: 'allow' }]);
      },
    );
  });

  it.each([
    { answer: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart', why: 'in a body with a length' },
    { answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n', why: 'between chunks' },
  ])('an upstream that resets $why cuts the agent, so that it can see it', async ({ answer }) => {
    await withOrigin(
      startRawOrigin((socket) => {
        socket.once('data', () => socket.write(answer, () => setImmediate(() => socket.destroy())));
      }),
      async (harness) => {
        await expect(send(harness, `https://${HOST}/`)).rejects.toThrow();
        expect(await harness.ended(1)).toMatchObject([{ status: 200, ended: 'upstream_cut' }]);
      },
    );
  });

  it('an upstream that closes without a word is a 502', async () => {
    await withOrigin(
      startRawOrigin((socket) => {
        socket.once('data', () => socket.destroy());
      }),
      async (harness) => {
        expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 502, reason: 'upstream_unreachable' });
      },
    );
  });

  it('an upstream that never answers is a 504', async () => {
    await withOrigin(
      startRawOrigin((socket) => {
        socket.resume();
      }),
      async (harness) => {
        expect(await send(harness, `https://${HOST}/`)).toMatchObject({ status: 504, reason: 'upstream_timeout' });
      },
      { timeouts: { upstreamFirstByteTimeoutMs: 50 } },
    );
  });

  it('a head that never ends is given up', async () => {
    await withOrigin(
      startOrigin(answering('ok')),
      async (harness) => {
        const socket = await openTls(harness, HOST);
        expect(await exchangeRaw(socket, 'GET / HTTP/1.1\r\n', null)).toBe('');
        socket.destroy();
      },
      { timeouts: { requestHeadTimeoutMs: 50 } },
    );
  });

  it('a drain lets a request end and takes no new one', async () => {
    let proceed = (): void => undefined;
    await withOrigin(
      startOrigin((_request, response) => {
        response.writeHead(200, { 'content-length': '8' });
        response.write('part');
        proceed = () => response.end('rest');
      }),
      async (harness) => {
        const idle = await openTls(harness, HOST);
        const idleClosed = once(idle, 'end');
        idle.resume();
        const busy = await openTls(harness, HOST);
        await exchangeRaw(busy, GET, 'part');
        const drained = harness.gateway.drain(5_000);
        await idleClosed;
        const rest = readUntil(busy, null);
        proceed();
        expect(await rest).toBe('rest');
        await drained;
        await expect(openTls(harness, HOST)).rejects.toThrow();
        idle.destroy();
        busy.destroy();
      },
      { timeouts: { discardMs: 50 } },
    );
  });

  it('a drain cuts what has not ended by its deadline', async () => {
    await withOrigin(
      startRawOrigin((socket) => socket.resume()),
      async (harness, origin) => {
        const socket = await openTls(harness, HOST);
        const cut = exchangeRaw(socket, GET, null);
        while (origin.connections() === 0) await new Promise((resolve) => setImmediate(resolve));
        await harness.gateway.drain(20);
        expect(await cut).toBe('');
        expect(await harness.ended(1)).toMatchObject([{ status: 0, ended: 'agent_gone' }]);
      },
    );
  });
});
