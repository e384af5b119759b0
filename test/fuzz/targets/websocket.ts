import assert from 'node:assert/strict';
import { FrameParser, type FrameProgress } from '../../../src/protocol/websocket/frames.ts';
import { MessageAssembler } from '../../../src/protocol/websocket/messages.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

const RULES = { masked: false, deflate: true, payloadBytes: 2_000 };
const LIMIT_BYTES = 3_000;

/** Frames into messages: any split gives the same, bounds hold, nothing throws. */
export const webSocketFrames: FuzzTarget = {
  name: 'websocket-frames',
  corpus: [
    '\x81\x02hi',
    '\x01\x01a\x89\x00\x80\x01b',
    '\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00',
    `\x82\x7e\x00\x7e${'\x00'.repeat(126)}`,
    '\x88\x02\x03\xe8',
    '\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00',
  ],
  dictionary: ['\x81', '\x01', '\x80', '\x00', '\x88\x03\x03\xe8\xff', '\x7e\x00\x7d', '\x7f\x80', '\xc1', '\x89\x7d'],
  iterations: 6000,
  check(input, random) {
    const whole = read([input]);
    assert.deepEqual(read(cutInto(input, randomCuts(input.length, random))), whole);
  },
};

function read(chunks: readonly Uint8Array[]): unknown {
  const parser = new FrameParser(RULES);
  const assembler = new MessageAssembler(LIMIT_BYTES);
  const seen: unknown[] = [];
  for (const chunk of chunks) {
    const { frames, error }: FrameProgress = parser.push(chunk);
    for (const frame of frames) {
      assert.ok(frame.payload.length <= RULES.payloadBytes, 'a frame over the bound');
      const event = assembler.take(frame);
      if (event?.kind === 'message') assert.ok(event.data.length <= LIMIT_BYTES, 'a message over the bound');
      seen.push(event === null ? null : JSON.stringify(event));
      if (event?.kind === 'broken') return seen;
    }
    assert.ok(parser.heldBytes <= RULES.payloadBytes && assembler.heldBytes <= LIMIT_BYTES, 'more held than allowed');
    if (error !== null) return [...seen, error];
  }
  return seen;
}
