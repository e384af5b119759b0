import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import type { BodySource, BodyStep } from '../../src/egress/body-reader.ts';
import { GrpcBody, messageCoding, type MessageCoding } from '../../src/egress/grpc-body.ts';
import { HoldStore } from '../../src/egress/hold.ts';
import type { OutboundStep } from '../../src/egress/outbound.ts';
import { LIMITS, MiB } from '../../src/kernel/limits.ts';

const SECRET = 'known_value_Zq83hd7Wm2pXv91LtR5k';
const SCREEN = { known: buildKnownValues([{ name: 'KEY', value: SECRET }]), tokens: null };

function frame(payload: Uint8Array | string, flag = 0): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

class Blocks implements BodySource {
  readonly trailers = [];
  readonly #blocks: Uint8Array[];

  constructor(blocks: readonly Uint8Array[]) {
    this.#blocks = [...blocks];
  }

  get done(): boolean {
    return this.#blocks.length === 0;
  }

  next(): Promise<BodyStep> {
    const block = this.#blocks.shift();
    return Promise.resolve(block === undefined ? { kind: 'end' } : { kind: 'data', data: [block] });
  }
}

let directory = '';
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'grpc-body-'));
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

interface Went {
  readonly out: Buffer;
  readonly last: OutboundStep;
  readonly held: number;
}

async function send(blocks: readonly Uint8Array[], coding: MessageCoding = 'identity'): Promise<Went> {
  const store = new HoldStore(directory);
  const body = new GrpcBody(new Blocks(blocks), SCREEN, coding, store);
  const out: Uint8Array[] = [];
  let last = await body.next();
  while (last.kind === 'data') {
    out.push(...last.data);
    last = await body.next();
  }
  await body.release();
  return { out: Buffer.concat(out), last, held: store.heldBytes };
}

function cut(bytes: Buffer, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

const CODED = { gzip: gzipSync, deflate: deflateSync } as const;

describe('a gRPC body on its way out', () => {
  it('goes out as it came, whatever its messages and its split', async () => {
    const message = fc.record({ coded: fc.boolean(), text: fc.string({ maxLength: 200 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('gzip' as const, 'deflate' as const),
        fc.array(message, { maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        async (coding, messages, size) => {
          const body = Buffer.concat(
            messages.map(({ coded, text }) => (coded ? frame(CODED[coding](text), 1) : frame(text))),
          );
          const { out, last, held } = await send(cut(body, size), coding);
          expect(last.kind).toBe('end');
          expect(out.equals(body)).toBe(true);
          expect(held).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    { why: 'as it is', body: frame(`a ${SECRET} b`), coding: 'identity' },
    { why: 'in gzip', body: frame(gzipSync(`a ${SECRET} b`), 1), coding: 'gzip' },
    { why: 'in deflate', body: frame(deflateSync(`a ${SECRET} b`), 1), coding: 'deflate' },
    { why: 'as it is, where others are compressed', body: frame(SECRET), coding: 'gzip' },
    {
      why: 'over three messages',
      body: Buffer.concat([frame(SECRET.slice(0, 11)), frame(SECRET.slice(11, 22)), frame(SECRET.slice(22))]),
      coding: 'identity',
    },
    {
      why: 'over two compressed ones',
      body: Buffer.concat([frame(gzipSync(SECRET.slice(0, 9)), 1), frame(gzipSync(SECRET.slice(9)), 1)]),
      coding: 'gzip',
    },
    { why: 'in a message that never ends', body: frame(SECRET + 'x'.repeat(99)).subarray(0, 60), coding: 'identity' },
  ] as const)('S17 a value does not leave: $why', async ({ body, coding }) => {
    for (const size of [1, 3, 1000]) {
      const { out, last } = await send(cut(body, size), coding);
      expect(last).toMatchObject({ kind: 'found', findings: [{ name: 'KEY' }] });
      expect(out.toString('latin1')).not.toContain(SECRET.slice(22));
    }
  });

  it('S17 of a compressed message nothing leaves before all of it was looked at', async () => {
    const body = frame(gzipSync(`${'x'.repeat(100_000)}${SECRET}`), 1);
    const { out } = await send(cut(body, 10), 'gzip');
    expect(out).toHaveLength(0);
  });

  it.each([
    { why: 'it does not decode', body: frame('no gzip', 1), coding: 'gzip' },
    { why: 'it ends early', body: frame(gzipSync('text').subarray(0, -4), 1), coding: 'gzip' },
    { why: 'the body ends within it', body: frame(gzipSync('text'), 1).subarray(0, 20), coding: 'gzip' },
    {
      why: 'bytes follow it',
      body: frame(Buffer.concat([deflateSync('text'), Buffer.from('x')]), 1),
      coding: 'deflate',
    },
    { why: 'it unfolds without end', body: frame(gzipSync(Buffer.alloc(300 * MiB)), 1), coding: 'gzip' },
    { why: 'nobody says how it is compressed', body: frame(gzipSync('text'), 1), coding: 'identity' },
    { why: 'a flag is not known', body: frame('text', 2), coding: 'gzip' },
    {
      why: 'it is too long',
      body: frame(Buffer.alloc(LIMITS.grpcMessageBytes + 1), 1).subarray(0, 100),
      coding: 'gzip',
    },
  ] as const)('S16 a message is refused: $why', async ({ body, coding }) => {
    const { out, last, held } = await send([body], coding);
    expect(last).toMatchObject({ kind: 'refused', status: 403, reason: 'unscannable' });
    expect(out).toHaveLength(0);
    expect(held).toBe(0);
  });

  it('a message goes on as soon as it is whole, whatever it ends with', async () => {
    const body = new GrpcBody(
      { done: false, trailers: [], next: once(frame(`the beginning of ${SECRET.slice(0, 10)}`)) },
      SCREEN,
      'identity',
      new HoldStore(directory),
    );
    const step = await body.next();
    expect(step.kind === 'data' ? Buffer.concat(step.data).toString('latin1') : '').toMatch(/known_valu$/);
  });

  it('what is held of all bodies together has a bound', async () => {
    const store = new HoldStore(directory);
    store.heldBytes = LIMITS.heldMemoryTotalBytes;
    const body = new GrpcBody(new Blocks([frame(gzipSync('text'), 1)]), SCREEN, 'gzip', store);
    expect(await body.next()).toMatchObject({ kind: 'refused', status: 503, reason: 'limit_reached' });
    await body.release();
    expect(store.heldBytes).toBe(LIMITS.heldMemoryTotalBytes);
  });
});

function once(block: Uint8Array): () => Promise<BodyStep> {
  let given = false;
  return () => {
    if (given) return new Promise(() => undefined);
    given = true;
    return Promise.resolve({ kind: 'data', data: [block] });
  };
}

describe('grpc-encoding', () => {
  it.each([
    { values: [], coding: 'identity' },
    { values: ['identity'], coding: 'identity' },
    { values: ['gzip'], coding: 'gzip' },
    { values: ['deflate'], coding: 'deflate' },
    { values: ['snappy'], coding: null },
    { values: ['gzip, gzip'], coding: null },
    { values: ['gzip', 'identity'], coding: null },
  ])('$values → $coding', ({ values, coding }) => {
    expect(messageCoding(values.map((value) => ['grpc-encoding', value]))).toBe(coding);
  });
});
