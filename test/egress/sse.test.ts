import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { openTls } from './support/agent.ts';
import { openH2, startH2Origin } from './support/h2.ts';
import { startHarness } from './support/harness.ts';
import { startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const TOKEN = 'tok_live_SseQ83hd7Wm2pXv91LtR5kAbcd';
const EVENTS = 20;

/** A server that sends event n + 1 only when the reader has shown that it has event n. */
interface PacedEvents {
  readonly write: (text: string) => void;
  readonly end: () => void;
}

const event = (index: number): string => `id: ${String(index)}\ndata: {"n": ${String(index)}}\n\n`;

describe('server-sent events: each one is here before the next is sent', () => {
  test.each([
    { agent: 'http/1.1', upstream: 'http/1.1', auth: false },
    { agent: 'http/1.1', upstream: 'http/1.1', auth: true },
    { agent: 'http/1.1', upstream: 'h2', auth: true },
    { agent: 'h2', upstream: 'http/1.1', auth: true },
    { agent: 'h2', upstream: 'h2', auth: false },
  ])('$agent to the agent, $upstream to the upstream, credential put in: $auth', async ({ agent, upstream, auth }) => {
    const opened = Promise.withResolvers<PacedEvents>();
    await using origin =
      upstream === 'h2'
        ? await startH2Origin((stream) => {
            stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
            opened.resolve({ write: (text) => stream.write(text), end: () => stream.end() });
          })
        : await startOrigin((_request, response: ServerResponse) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            response.flushHeaders();
            opened.resolve({ write: (text) => response.write(text), end: () => response.end() });
          });
    await using harness = await startHarness({
      routes: [auth ? { host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' } } : { host: HOST }],
      origins: { [`${HOST}:443`]: origin },
      tokens: { TOKEN },
    });
    let text = '';
    let wake = (): void => undefined;
    const onData = (chunk: Buffer): void => {
      text += chunk.toString();
      wake();
    };
    const arrived = async (part: string): Promise<void> => {
      while (!text.includes(part)) await new Promise<void>((resolve) => (wake = resolve));
    };
    await using cleanup = new AsyncDisposableStack();
    if (agent === 'h2') {
      const client = cleanup.use(await openH2(harness, HOST));
      const stream = client.session.request({ ':path': '/events' });
      stream.on('data', onData);
      await once(stream, 'response');
    } else {
      const socket = await openTls(harness, HOST);
      cleanup.defer(() => {
        socket.destroy();
      });
      socket.on('data', onData);
      socket.write(`GET /events HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    }
    const events = await opened.promise;
    for (let index = 0; index < EVENTS; index += 1) {
      events.write(event(index));
      await arrived(`"n": ${String(index)}}\n\n`);
    }
    events.end();
    const [record] = await harness.ended(1);
    expect(record).toMatchObject({ status: 200, ended: 'complete' });
  });
});

describe('flow control goes through: who does not read is not sent to', () => {
  test.each(['h2', 'http/1.1'] as const)('a download that the agent does not read, from %s', async (upstream) => {
    const block = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const pump = (write: (chunk: Buffer) => boolean): boolean => {
      while (sent < 64 * 1024 * 1024) {
        sent += block.length;
        if (!write(block)) return true;
      }
      return false;
    };
    const stalled = Promise.withResolvers<undefined>();
    const watch = (drained: (action: () => void) => void, write: (chunk: Buffer) => boolean): void => {
      const again = (): void => {
        if (pump(write)) drained(again);
      };
      again();
      // The windows and buffers on the way are full when nothing has moved for a while.
      let last = -1;
      const timer = setInterval(() => {
        if (sent === last) {
          clearInterval(timer);
          stalled.resolve(undefined);
        }
        last = sent;
      }, 300);
    };
    await using origin =
      upstream === 'h2'
        ? await startH2Origin((stream) => {
            stream.respond({ ':status': 200 });
            watch(
              (action) => stream.once('drain', action),
              (chunk) => stream.write(chunk),
            );
          })
        : await startOrigin((_request, response) => {
            response.writeHead(200);
            watch(
              (action) => response.once('drain', action),
              (chunk) => response.write(chunk),
            );
          });
    await using harness = await startHarness({ routes: [{ host: HOST }], origins: { [`${HOST}:443`]: origin } });
    using agent = await openH2(harness, HOST);
    const stream = agent.session.request({ ':path': '/' });
    stream.on('error', () => undefined);
    await once(stream, 'response');
    await stalled.promise;
    expect(sent, 'far less than all of it').toBeLessThan(24 * 1024 * 1024);
    expect(harness.gateway.counters().bufferedBytesPeak).toBeLessThan(4 * 1024 * 1024);
    stream.close(8);
    await harness.ended(1);
  });
});
