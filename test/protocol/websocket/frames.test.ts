import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acceptDeflate, checkDeflateAnswer } from '../../../src/protocol/websocket/extensions.ts';
import { encodeFrame, FrameParser, type Frame } from '../../../src/protocol/websocket/frames.ts';
import { MessageAssembler, type MessageEvent } from '../../../src/protocol/websocket/messages.ts';

const RULES = { masked: false, deflate: false, payloadBytes: 100_000 };
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('S23: frames of RFC 6455', () => {
  it.each<{ why: string; hex: string; rules?: Partial<typeof RULES>; code: number | null }>([
    { why: 'an empty text', hex: '81 00', code: null },
    { why: 'two letters', hex: '81 02 68 69', code: null },
    { why: 'a masked frame', hex: '81 82 01 02 03 04 69 6b', rules: { masked: true }, code: null },
    { why: 'the shortest length of two bytes', hex: `82 7e 00 7e ${'00'.repeat(126)}`, code: null },
    { why: 'a compressed text', hex: 'c1 00', rules: { deflate: true }, code: null },
    { why: 'a ping', hex: '89 01 61', code: null },
    { why: 'a close with a code', hex: '88 02 03 e8', code: null },
    { why: 'a masked frame of a server', hex: '81 82 01 02 03 04 69 6b', code: 1002 },
    { why: 'an unmasked frame of a client', hex: '81 02 68 69', rules: { masked: true }, code: 1002 },
    { why: 'opcode 3', hex: '83 00', code: 1002 },
    { why: 'opcode 11', hex: '8b 00', code: 1002 },
    { why: 'RSV1 without compression', hex: 'c1 00', code: 1002 },
    { why: 'RSV2', hex: 'a1 00', code: 1002 },
    { why: 'RSV3', hex: '91 00', code: 1002 },
    { why: 'RSV1 on a continuation', hex: 'c0 00', rules: { deflate: true }, code: 1002 },
    { why: 'RSV1 on a ping', hex: 'c9 00', rules: { deflate: true }, code: 1002 },
    { why: 'a ping in fragments', hex: '09 00', code: 1002 },
    { why: 'a close in fragments', hex: '08 00', code: 1002 },
    { why: 'a ping of 126 bytes', hex: `89 7e 00 7e ${'00'.repeat(126)}`, code: 1002 },
    { why: 'two bytes for a length of 125', hex: `82 7e 00 7d ${'00'.repeat(125)}`, code: 1002 },
    { why: 'eight bytes for a length of 65535', hex: '82 7f 00 00 00 00 00 00 ff ff', code: 1002 },
    { why: 'a length with its highest bit', hex: '82 7f 80 00 00 00 00 00 00 00', code: 1009 },
    { why: 'a length over the bound', hex: '82 7f 00 00 00 00 00 01 86 a1', code: 1009 },
  ])('$why', ({ hex, rules, code }) => {
    const { frames, error } = new FrameParser({ ...RULES, ...rules }).push(bytesOf(hex));
    expect(error?.code ?? null).toBe(code);
    expect(frames.length).toBe(code === null ? 1 : 0);
  });

  it('a large length that was only promised takes no memory', () => {
    const parser = new FrameParser({ ...RULES, payloadBytes: 1 << 30 });
    parser.push(bytesOf('82 7f 00 00 00 00 3f ff ff ff'));
    expect(parser.heldBytes).toBeLessThan(10_000);
  });

  const payload = fc.uint8Array({ maxLength: 300 });
  const aFrame: fc.Arbitrary<Frame> = fc.oneof(
    fc.record({
      opcode: fc.constantFrom('text', 'binary', 'continuation'),
      fin: fc.boolean(),
      compressed: fc.constant(false),
      payload: fc.oneof(payload, fc.constant(new Uint8Array(70_000))),
    }),
    fc.record({
      opcode: fc.constantFrom('ping', 'pong', 'close'),
      fin: fc.constant(true),
      compressed: fc.constant(false),
      payload: fc.uint8Array({ maxLength: 125 }),
    }),
  );

  it('what is written is read back, however it is split', () => {
    fc.assert(
      fc.property(
        fc.array(aFrame, { maxLength: 5 }),
        fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: null }),
        fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 20 }),
        (written, key, sizes) => {
          const parser = new FrameParser({ ...RULES, masked: key !== null });
          const read = split(Buffer.concat(written.map((one) => encodeFrame(one, key))), sizes).flatMap(
            (chunk) => parser.push(chunk).frames,
          );
          expect(read.map(plain)).toEqual(written.map(plain));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('any bytes, in any split, give the same frames and the same error, and never throw', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (bytes, sizes, masked) => {
          const rules = { ...RULES, masked, deflate: true };
          expect(readAll(split(bytes, sizes), rules)).toEqual(readAll([bytes], rules));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('messages', () => {
  const events = (hexes: readonly string[], limit = 100): readonly (MessageEvent | null)[] => {
    const parser = new FrameParser(RULES);
    const assembler = new MessageAssembler(limit);
    return hexes.flatMap((hex) => parser.push(bytesOf(hex)).frames.map((one) => assembler.take(one)));
  };

  it.each<{ why: string; hexes: readonly string[]; kinds: readonly (string | number | null)[] }>([
    {
      why: 'fragments with a ping between',
      hexes: ['01 01 61', '89 00', '80 01 62'],
      kinds: [null, 'ping', 'message'],
    },
    { why: 'a continuation of nothing', hexes: ['80 00'], kinds: [1002] },
    { why: 'a message inside another', hexes: ['01 01 61', '81 01 62'], kinds: [null, 1002] },
    { why: 'half a close code', hexes: ['88 01 03'], kinds: [1002] },
    { why: 'close code 1005', hexes: ['88 02 03 ed'], kinds: [1002] },
    { why: 'close code 999', hexes: ['88 02 03 e7'], kinds: [1002] },
    { why: 'close code 1015', hexes: ['88 02 03 f7'], kinds: [1002] },
    { why: 'close code 5000', hexes: ['88 02 13 88'], kinds: [1002] },
    { why: 'close code 4999', hexes: ['88 02 13 87'], kinds: ['close'] },
    { why: 'a close without a code', hexes: ['88 00'], kinds: ['close'] },
    { why: 'a close reason that is no text', hexes: ['88 03 03 e8 ff'], kinds: [1007] },
    {
      why: 'more than the bound in fragments',
      hexes: [`02 40 ${'00'.repeat(64)}`, `80 40 ${'00'.repeat(64)}`],
      kinds: [null, 1009],
    },
  ])('$why', ({ hexes, kinds }) => {
    expect(events(hexes).map((event) => (event?.kind === 'broken' ? event.code : (event?.kind ?? null)))).toEqual(
      kinds,
    );
  });
});

describe('permessage-deflate', () => {
  it.each<{ offer: string; windowBits: number | null }>([
    { offer: 'permessage-deflate', windowBits: 15 },
    { offer: 'permessage-deflate; client_max_window_bits', windowBits: 15 },
    { offer: 'permessage-deflate; server_max_window_bits=10', windowBits: 10 },
    { offer: 'permessage-deflate; server_max_window_bits="12"', windowBits: 12 },
    { offer: 'x-other, permessage-deflate; server_no_context_takeover', windowBits: 15 },
    { offer: 'permessage-deflate; server_max_window_bits=8, permessage-deflate', windowBits: 15 },
    { offer: 'permessage-deflate; server_max_window_bits=8', windowBits: null },
    { offer: 'permessage-deflate; server_max_window_bits=16', windowBits: null },
    { offer: 'permessage-deflate; server_max_window_bits', windowBits: null },
    { offer: 'permessage-deflate; unknown', windowBits: null },
    { offer: 'permessage-deflate; server_no_context_takeover=1', windowBits: null },
    { offer: 'permessage-deflate; client_max_window_bits=10; client_max_window_bits=11', windowBits: null },
    { offer: 'x-webkit-deflate-frame', windowBits: null },
    { offer: ';', windowBits: null },
  ])('the offer "$offer"', ({ offer, windowBits }) => {
    expect(acceptDeflate(offer)?.windowBits ?? null).toBe(windowBits);
  });

  it.each<{ answer: string | null; offered: boolean; agreed: boolean | null }>([
    { answer: null, offered: true, agreed: false },
    { answer: 'permessage-deflate; server_no_context_takeover', offered: true, agreed: true },
    {
      answer: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      offered: true,
      agreed: true,
    },
    {
      answer: 'permessage-deflate; server_no_context_takeover; server_max_window_bits=10',
      offered: true,
      agreed: true,
    },
    { answer: 'permessage-deflate; server_no_context_takeover', offered: false, agreed: null },
    { answer: 'permessage-deflate', offered: true, agreed: null },
    {
      answer: 'permessage-deflate; server_no_context_takeover; client_max_window_bits=10',
      offered: true,
      agreed: null,
    },
    { answer: 'permessage-deflate; server_no_context_takeover, permessage-deflate', offered: true, agreed: null },
    { answer: 'x-other', offered: true, agreed: null },
    { answer: '', offered: true, agreed: null },
  ])('S23: the answer "$answer"', ({ answer, offered, agreed }) => {
    const checked = checkDeflateAnswer(answer, offered);
    expect(checked.ok ? checked.value : null).toBe(agreed);
  });
});

function split(bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function readAll(chunks: readonly Uint8Array[], rules: typeof RULES): unknown {
  const parser = new FrameParser(rules);
  const frames: Frame[] = [];
  let code: number | null = null;
  for (const chunk of chunks) {
    const progress = parser.push(chunk);
    frames.push(...progress.frames);
    code = progress.error?.code ?? code;
  }
  return { code, frames: frames.map(plain) };
}

function plain({ opcode, fin, compressed, payload }: Frame): unknown {
  return { opcode, fin, compressed, payload: Buffer.from(payload).toString('hex') };
}
