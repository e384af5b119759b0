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
async function startServer(seen: string[], cancelled: Promise<void>[]): Promise<{ server: grpc.Server; port: number }> {
  const server = new grpc.Server();
  const note = (call: { readonly metadata: grpc.Metadata }): void => {
    seen.push(String(call.metadata.get('authorization')[0]));
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
  const cancelled: Promise<void>[] = [];
  let server: grpc.Server;
  let harness: Harness;
  let client: grpc.Client;

  beforeAll(async () => {
    const started = await startServer(seen, cancelled);
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

  test('S16: messages that the client compresses are refused, since they are not looked into', async () => {
    const compressing = new grpc.Client(
      `127.0.0.1:${String(harness.port('tls'))}`,
      grpc.credentials.createSsl(Buffer.from(bottleCa.certificate)),
      {
        'grpc.ssl_target_name_override': HOST,
        'grpc.default_authority': HOST,
        'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
      },
    );
    const code = await new Promise<number>((resolve) => {
      compressing.makeUnaryRequest<Buffer, Buffer>(
        SERVICE.unary.path,
        bytes,
        bytes,
        Buffer.from('hello'),
        (failure) => {
          resolve(failure?.code ?? 0);
        },
      );
    });
    compressing.close();
    expect(code).toBe(grpc.status.PERMISSION_DENIED);
  });
});
