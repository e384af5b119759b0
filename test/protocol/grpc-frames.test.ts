import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GrpcFrames } from '../../src/protocol/grpc-frames.ts';

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
