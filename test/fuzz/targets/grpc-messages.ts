import assert from 'node:assert/strict';
import { GrpcFrames, GrpcMessages } from '../../../src/protocol/grpc-frames.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

/** Where messages end: every byte comes out as it went in, and the ends are where the lengths say, whatever the split. */
export const grpcMessages: FuzzTarget = {
  name: 'grpc-messages',
  corpus: [
    '\0\0\0\0\x03abc',
    '\0\0\0\0\0\x01\0\0\0\x02hi',
    '\0\xff\xff\xff\xffx',
    '\0\0\0',
    '\x80\0\0\0\x0fgrpc-status:0\r\n',
  ],
  dictionary: ['\0', '\0\0\0\0\0', '\0\0\0\0\x01', '\x01\0\0\0\x05', '\xff'],
  iterations: 6000,
  check(input, random) {
    const whole = read([input]);
    assert.deepEqual(read(cutInto(input, randomCuts(input.length, random))), whole, 'a split changes the outcome');
    assert.equal(whole.text, Buffer.from(input).toString('latin1'));
    assert.deepEqual(whole.ends, endsIn(Buffer.from(input)));
    const cuts = cutInto(input, randomCuts(input.length, random));
    assert.deepEqual(readMessages(cuts), readMessages([input]), 'a split changes the messages');
    const { text, ends } = readMessages(cuts);
    assert.equal(text, whole.text, 'a byte is lost or made up');
    assert.deepEqual(ends, whole.ends, 'messages end where frames do');
  },
};

function read(blocks: readonly Uint8Array[]): { readonly text: string; readonly ends: readonly number[] } {
  const frames = new GrpcFrames();
  let text = '';
  const ends: number[] = [];
  for (const { bytes, last } of blocks.flatMap((block) => frames.push(block))) {
    text += Buffer.from(bytes).toString('latin1');
    if (last) ends.push(text.length);
  }
  return { text, ends };
}

function readMessages(blocks: readonly Uint8Array[]): { readonly text: string; readonly ends: readonly number[] } {
  const messages = new GrpcMessages();
  let text = '';
  const ends: number[] = [];
  for (const event of blocks.flatMap((block) => messages.push(block))) {
    if (event.kind === 'end') ends.push(text.length);
    else text += Buffer.from(event.bytes).toString('latin1');
    if (event.kind === 'payload') assert.ok(event.bytes.length > 0, 'a payload of nothing');
  }
  return { text: text + Buffer.from(messages.begun).toString('latin1'), ends };
}

function endsIn(input: Buffer): readonly number[] {
  const ends: number[] = [];
  for (let at = 0; at + 5 <= input.length;) {
    at += 5 + input.readUInt32BE(at + 1);
    if (at <= input.length) ends.push(at);
  }
  return ends;
}
