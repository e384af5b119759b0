import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { buildKnownValues } from '../../../src/dlp/known-values.ts';
import type { BodySource, BodyStep } from '../../../src/egress/body-reader.ts';
import { GrpcBody } from '../../../src/egress/grpc-body.ts';
import { HoldStore } from '../../../src/egress/hold.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

const SECRET = 'known_value_Zq83hd7Wm2pXv91LtR5k';
const SCREEN = { known: buildKnownValues([{ name: 'KEY', value: SECRET }]), tokens: null };

function frame(payload: Uint8Array, flag: number): string {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]).toString('latin1');
}

const plain = (text: string): string => frame(Buffer.from(text), 0);
const zipped = (text: string): string => frame(gzipSync(text), 1);

/** S17: what goes out is a beginning of what came in, the same one whatever the split once it ends, and never the value. */
export const grpcBodies: FuzzTarget = {
  name: 'grpc-bodies',
  corpus: [
    plain('hello') + zipped('hello'),
    plain(`a ${SECRET} b`),
    zipped(`a ${SECRET} b`),
    plain(SECRET.slice(0, 16)) + plain(SECRET.slice(16)),
    zipped(SECRET.slice(0, 9)) + plain(SECRET.slice(9)),
    frame(deflateSync('x'), 1),
    plain('') + zipped(''),
  ],
  dictionary: [
    '\0\0\0\0\x05',
    '\x01\0\0\0\x14',
    '\x80',
    SECRET,
    SECRET.slice(0, 11),
    plain('x'),
    zipped('x'),
    '\x1f\x8b\x08',
  ],
  iterations: 250,
  async check(input, random) {
    const whole = await send([input]);
    const split = await send(cutInto(input, randomCuts(input.length, random)));
    // Which of two reasons to refuse it is met first may depend on the split; whether there is one may not.
    assert.equal(split.kind === 'end', whole.kind === 'end', 'a split changes the verdict');
    for (const { out, kind } of [whole, split]) {
      assert.ok(out.equals(Buffer.from(input).subarray(0, out.length)), 'it is not what came in');
      if (kind === 'end') assert.equal(out.length, input.length, 'something is missing');
      assert.ok(!textOf(out).includes(SECRET), 'the value has left');
    }
  },
};

async function send(blocks: readonly Uint8Array[]): Promise<{ readonly out: Buffer; readonly kind: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'grpc-bodies-'));
  try {
    const store = new HoldStore(directory);
    const body = new GrpcBody(new Blocks(blocks), SCREEN, 'gzip', store);
    const out: Uint8Array[] = [];
    let step = await body.next();
    while (step.kind === 'data') {
      out.push(...step.data);
      step = await body.next();
    }
    await body.release();
    assert.equal(store.heldBytes, 0, 'something is held after its end');
    return { out: Buffer.concat(out), kind: step.kind };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What a receiver makes of it: all messages, undone. */
function textOf(out: Buffer): string {
  const texts: string[] = [];
  for (let at = 0; at + 5 <= out.length;) {
    const end = at + 5 + out.readUInt32BE(at + 1);
    const payload = out.subarray(at + 5, end);
    texts.push(((out[at] ?? 0) & 1) === 1 ? undone(payload) : payload.toString('latin1'));
    at = end;
  }
  return texts.join('');
}

function undone(payload: Buffer): string {
  try {
    return gunzipSync(payload).toString('latin1');
  } catch {
    return '';
  }
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
