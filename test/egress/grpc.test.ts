import { once } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bottleCa, startHarness, type Harness } from './support/harness.ts';
import { mintFor, upstreamCa, type Origin } from './support/origin.ts';

const HOST = 'grpc.example.com';
const TOKEN = 'tok_live_gRpcQ83hd7Wm2pXv91LtR5kA';

const bytes = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const SERVICE = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  list: method('List', false, true),
  chat: method('Chat', true, true),
  hang: method('Hang', false, false),
};

/** A real server that writes down the credential of each call, and each call that was cancelled. */
async function startServer(
  seen: string[],
  received: grpc.Metadata[],
  cancelled: Promise<void>[],
): Promise<{ server: grpc.Server; port: number }> {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  const note = (call: { readonly metadata: grpc.Metadata }): void => {
    seen.push(String(call.metadata.get('authorization')[0]));
    received.push(call.metadata);
  };
  server.addService(SERVICE, {
    unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      note(call);
      if (call.request.toString() === 'fail') {
        done({ code: grpc.status.FAILED_PRECONDITION, details: 'not in the mood' });
        return;
      }
      const trailer = new grpc.Metadata();
      trailer.set('x-sum', String(call.request.length));
      done(null, call.request, trailer);
    },
    collect(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      note(call);
      const parts: Buffer[] = [];
      call.on('data', (part: Buffer) => parts.push(part));
      call.on('end', () => {
        done(null, Buffer.concat(parts));
      });
    },
    list(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      note(call);
      for (const item of call.request.toString().split(',')) call.write(Buffer.from(item));
      call.end();
    },
    chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      note(call);
      call.on('data', (part: Buffer) => call.write(Buffer.from(part.toString().toUpperCase())));
      call.on('end', () => {
        call.end();
      });
    },
    hang(call: grpc.ServerUnaryCall<Buffer, Buffer>) {
      note(call);
      cancelled.push(
        new Promise((resolve) => {
          call.on('cancelled', () => {
            resolve();
          });
        }),
      );
    },
  });
  const { certificate, key } = mintFor(HOST);
  const credentials = grpc.ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(certificate), private_key: Buffer.from(key) },
  ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (failure, bound) => {
      if (failure === null) resolve(bound);
      else reject(failure);
    });
  });
  return { server, port };
}

describe('gRPC through interception, with a credential put in', () => {
  const seen: string[] = [];
  const received: grpc.Metadata[] = [];
  const cancelled: Promise<void>[] = [];
  let server: grpc.Server;
  let harness: Harness;
  let client: grpc.Client;

  beforeAll(async () => {
    const started = await startServer(seen, received, cancelled);
    server = started.server;
    const origin: Origin = {
      address: '127.0.0.1',
      port: started.port,
      seen: [],
      connections: () => 0,
      received: () => Buffer.alloc(0),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    harness = await startHarness({
      routes: [{ host: HOST, auth: { scheme: 'Bearer', token_ref: 'TOKEN' } }],
      origins: { [`${HOST}:443`]: origin },
      tokens: { TOKEN },
      knownValues: { KEY: 'known_value_Zq83hd7Wm2pXv91LtR5k' },
      extraCa: [upstreamCa.certificate],
    });
    // Transparent TLS: the name resolves to the gateway inside a bottle; here the client is told the address.
    client = new grpc.Client(
      `127.0.0.1:${String(harness.port('tls'))}`,
      grpc.credentials.createSsl(Buffer.from(bottleCa.certificate)),
      { 'grpc.ssl_target_name_override': HOST, 'grpc.default_authority': HOST },
    );
  });
  afterAll(async () => {
    client.close();
    server.forceShutdown();
    await harness[Symbol.asyncDispose]();
  });

  const unary = (request: string, name: 'unary' | 'hang' = 'unary', deadlineMs?: number) =>
    new Promise<{ readonly reply: string; readonly status: grpc.StatusObject }>((resolve, reject) => {
      let reply = '';
      const { path } = SERVICE[name];
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      const call = client.makeUnaryRequest<Buffer, Buffer>(
        path,
        bytes,
        bytes,
        Buffer.from(request),
        new grpc.Metadata(),
        options,
        (failure, value) => {
          reply = value?.toString() ?? '';
          if (failure !== null && failure.code === grpc.status.UNKNOWN) reject(failure);
        },
      );
      call.on('status', (status: grpc.StatusObject) => {
        resolve({ reply, status });
      });
    });

  test('unary: the answer, its status and its trailers', async () => {
    const { reply, status } = await unary('hello');
    expect([reply, status.code]).toEqual(['hello', grpc.status.OK]);
    expect(status.metadata.get('x-sum')).toEqual(['5']);
    expect(seen.at(-1)).toBe(`Bearer ${TOKEN}`);
  });

  test('unary: a status that is no success', async () => {
    const { status } = await unary('fail');
    expect([status.code, status.details]).toEqual([grpc.status.FAILED_PRECONDITION, 'not in the mood']);
  });

  test('client streaming', async () => {
    const reply = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest<Buffer, Buffer>(
        SERVICE.collect.path,
        bytes,
        bytes,
        (failure, value) => {
          if (failure === null) resolve(value?.toString() ?? '');
          else reject(failure);
        },
      );
      for (const part of ['a', 'b', 'c']) call.write(Buffer.from(part));
      call.end();
    });
    expect(reply).toBe('abc');
  });

  test('server streaming', async () => {
    const call = client.makeServerStreamRequest<Buffer, Buffer>(SERVICE.list.path, bytes, bytes, Buffer.from('x,y,z'));
    const items: string[] = [];
    call.on('data', (item: Buffer) => items.push(item.toString()));
    await once(call, 'end');
    expect(items).toEqual(['x', 'y', 'z']);
  });

  test('both ways: each message is answered before the next is sent', async () => {
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(SERVICE.chat.path, bytes, bytes);
    for (const word of ['one', 'two', 'three']) {
      call.write(Buffer.from(word));
      const [answer] = await once(call, 'data');
      expect(String(answer)).toBe(word.toUpperCase());
    }
    call.end();
    const [status] = await once(call, 'status');
    expect(status).toMatchObject({ code: grpc.status.OK });
  });

  test('a deadline that passes ends the call at the server', async () => {
    const before = cancelled.length;
    const { status } = await unary('wait', 'hang', 300);
    expect(status.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(cancelled.length).toBe(before + 1);
    await cancelled.at(-1);
  });

  test('a known value in a message does not leave', async () => {
    const calls = seen.length;
    const { status } = await unary('a known_value_Zq83hd7Wm2pXv91LtR5k b');
    expect(status.code).toBe(grpc.status.PERMISSION_DENIED);
    expect(seen.length, 'the server never heard of it').toBe(calls);
  });

  const { gzip, deflate } = grpc.compressionAlgorithms;

  /** Its channel compresses every message; each test ends the client it got. */
  const compressing = (algorithm: grpc.compressionAlgorithms): grpc.Client =>
    new grpc.Client(
      `127.0.0.1:${String(harness.port('tls'))}`,
      grpc.credentials.createSsl(Buffer.from(bottleCa.certificate)),
      {
        'grpc.ssl_target_name_override': HOST,
        'grpc.default_authority': HOST,
        'grpc.default_compression_algorithm': algorithm,
        // Channels of the same options share a connection.
        'grpc.use_local_subchannel_pool': 1,
      },
    );

  const call = (from: grpc.Client, request: Buffer | string, metadata = new grpc.Metadata()) =>
    new Promise<{ readonly code: number; readonly reply: Buffer }>((resolve) => {
      const { path } = SERVICE.unary;
      from.makeUnaryRequest<Buffer, Buffer>(path, bytes, bytes, Buffer.from(request), metadata, (failure, value) => {
        resolve({ code: failure?.code ?? 0, reply: value ?? Buffer.alloc(0) });
      });
    });

  test.each([
    { coding: 'gzip', algorithm: gzip },
    { coding: 'deflate', algorithm: deflate },
  ])('S17: messages that the client compresses with $coding are looked into', async ({ algorithm }) => {
    const own = compressing(algorithm);
    const text = 'the quick brown fox '.repeat(500);
    expect(await call(own, text)).toEqual({ code: grpc.status.OK, reply: Buffer.from(text) });
    expect(seen.at(-1)).toBe(`Bearer ${TOKEN}`);
    const calls = seen.length;
    const { code } = await call(own, `${text}known_value_Zq83hd7Wm2pXv91LtR5k${text}`);
    expect(code).toBe(grpc.status.PERMISSION_DENIED);
    expect(seen.length, 'the server never heard of it').toBe(calls);
    const chat = own.makeBidiStreamRequest<Buffer, Buffer>(SERVICE.chat.path, bytes, bytes);
    for (const word of ['one', 'two'.repeat(1000), 'three']) {
      chat.write(Buffer.from(word));
      const [answer] = await once(chat, 'data');
      expect(String(answer)).toBe(word.toUpperCase());
    }
    chat.end();
    await once(chat, 'status');
    own.close();
  });

  test('a message that ends like the beginning of a value does not wait for the next', async () => {
    const chat = client.makeBidiStreamRequest<Buffer, Buffer>(SERVICE.chat.path, bytes, bytes);
    chat.write(Buffer.from('ends with known_v'));
    const [answer] = await once(chat, 'data');
    expect(String(answer)).toBe('ENDS WITH KNOWN_V');
    const failed = once(chat, 'error');
    // And the rest of it, in a message of its own, does not leave.
    chat.write(Buffer.from('alue_Zq83hd7Wm2pXv91LtR5k'));
    const [failure] = await failed;
    expect(failure).toMatchObject({ code: expect.any(Number) });
    const last = (await harness.ended(1)).at(-1);
    expect(last).toMatchObject({ decision: 'deny', reason: 'known_secret', ended: 'refused_midway' });
  });

  test('large messages, both ways', async () => {
    const large = new grpc.Client(
      `127.0.0.1:${String(harness.port('tls'))}`,
      grpc.credentials.createSsl(Buffer.from(bottleCa.certificate)),
      {
        'grpc.ssl_target_name_override': HOST,
        'grpc.default_authority': HOST,
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
      },
    );
    const request = Buffer.alloc(20 * 1024 * 1024, 'large message ');
    const { code, reply } = await call(large, request);
    large.close();
    expect(code).toBe(grpc.status.OK);
    expect(reply.equals(request)).toBe(true);
  });

  test('metadata: what the agent sends passes, but for its credential', async () => {
    const metadata = new grpc.Metadata();
    metadata.set('authorization', 'Bearer of-the-agent');
    metadata.set('x-kept', 'yes');
    metadata.set('x-blob-bin', Buffer.from([0, 1, 2, 255]));
    expect((await call(client, 'hello', metadata)).code).toBe(grpc.status.OK);
    expect(seen.at(-1)).toBe(`Bearer ${TOKEN}`);
    expect(received.at(-1)?.get('x-kept')).toEqual(['yes']);
    expect(received.at(-1)?.get('x-blob-bin')).toEqual([Buffer.from([0, 1, 2, 255])]);
  });

  test('trailers only: a method that is not there', async () => {
    const code = await new Promise<number>((resolve) => {
      client.makeUnaryRequest<Buffer, Buffer>('/test.Echo/Missing', bytes, bytes, Buffer.from('x'), (failure) => {
        resolve(failure?.code ?? 0);
      });
    });
    expect(code).toBe(grpc.status.UNIMPLEMENTED);
  });

  test('cancelling a call ends it at the server', async () => {
    const before = cancelled.length;
    const hanging = client.makeUnaryRequest<Buffer, Buffer>(
      SERVICE.hang.path,
      bytes,
      bytes,
      Buffer.from('x'),
      () => undefined,
    );
    const status = once(hanging, 'status');
    await expect.poll(() => cancelled.length).toBe(before + 1);
    hanging.cancel();
    expect((await status)[0]).toMatchObject({ code: grpc.status.CANCELLED });
    await cancelled.at(-1);
  });
});
