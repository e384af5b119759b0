import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GrpcFrames, GrpcMessages, type GrpcEvent } from '../../src/protocol/grpc-frames.ts';

function frame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

it('cuts a stream after each message, whatever the split of the stream', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 50 }), (contents, size) => {
      const frames = contents.map(frame);
      const stream = Buffer.concat(frames);
      const splitter = new GrpcFrames();
      const cut: Buffer[] = [];
      let open = Buffer.alloc(0);
      for (let at = 0; at < stream.length; at += size) {
        for (const { bytes, last } of splitter.push(stream.subarray(at, at + size))) {
          open = Buffer.concat([open, bytes]);
          if (!last) continue;
          cut.push(open);
          open = Buffer.alloc(0);
        }
      }
      expect(cut).toEqual(frames);
      expect(open).toHaveLength(0);
    }),
  );
});

it('tells each message before its first byte, whatever the split of the stream', () => {
  const message = fc.record({ flag: fc.constantFrom(0, 1, 0x80), payload: fc.uint8Array({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.integer({ min: 1, max: 50 }), (messages, size) => {
      const stream = Buffer.concat(
        messages.map(({ flag, payload }) => Buffer.concat([Buffer.of(flag), frame(payload).subarray(1)])),
      );
      const reader = new GrpcMessages();
      const events: GrpcEvent[] = [];
      for (let at = 0; at < stream.length; at += size) events.push(...reader.push(stream.subarray(at, at + size)));
      const read: { flag: number; payload: Buffer; ended: boolean }[] = [];
      for (const event of events) {
        const open = read.at(-1);
        if (event.kind === 'head') read.push({ flag: event.flag, payload: Buffer.alloc(0), ended: false });
        else if (open === undefined) throw new Error('something before the first head');
        else if (event.kind === 'payload') open.payload = Buffer.concat([open.payload, event.bytes]);
        else open.ended = true;
      }
      expect(read).toEqual(messages.map(({ flag, payload }) => ({ flag, payload: Buffer.from(payload), ended: true })));
      expect(reader.begun).toHaveLength(0);
    }),
  );
});
