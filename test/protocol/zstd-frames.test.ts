import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZstdFrames } from '../../src/protocol/zstd-frames.ts';

const TEXT = 'the quick brown fox '.repeat(40);
const FRAMES = [
  { why: 'size in the header', bytes: zstdCompressSync(TEXT) },
  { why: 'nothing in it', bytes: zstdCompressSync('') },
  {
    why: 'a checksum',
    bytes: zstdCompressSync(TEXT, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
  },
  {
    why: 'no size',
    bytes: zstdCompressSync(TEXT, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }),
  },
  { why: 'several blocks', bytes: zstdCompressSync(Buffer.alloc(400_000, 'abcdefg\u0001')) },
  { why: 'two frames', bytes: Buffer.concat([zstdCompressSync('one'), zstdCompressSync(TEXT)]) },
];
const SKIPPABLE = Buffer.concat([Buffer.from('502a4d18', 'hex'), Buffer.from([4, 0, 0, 0]), Buffer.from('hide')]);

function walk(
  blocks: readonly Uint8Array[],
): { readonly given: readonly Uint8Array[]; readonly complete: boolean } | string {
  const frames = new ZstdFrames();
  const given: Uint8Array[] = [];
  for (const block of blocks) {
    const some = frames.push(block);
    if (!some.ok) return some.error;
    given.push(some.value);
  }
  return { given, complete: frames.complete };
}

describe('zstd frames', () => {
  it.each(FRAMES)('are passed on whole, however they come ($why)', ({ bytes }) => {
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const ends = [0, ...cuts, bytes.length].sort((left, right) => left - right);
        const walked = walk(ends.slice(1).map((end, index) => bytes.subarray(ends[index], end)));
        if (typeof walked === 'string') throw new Error(walked);
        expect(Buffer.concat(walked.given).equals(bytes)).toBe(true);
        expect(walked.complete).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('S16 a header is never given in two pieces', () => {
    const { bytes } = FRAMES[5] ?? { bytes: Buffer.alloc(0) };
    const walked = walk([...bytes].map((byte) => Uint8Array.of(byte)));
    if (typeof walked === 'string') throw new Error(walked);
    const begun = walked.given.filter(({ length }) => length > 1).map((piece) => Buffer.from(piece).toString('hex'));
    // Each is a whole header: magic, descriptor, window or size.
    expect(begun).toHaveLength(2);
    for (const piece of begun) expect(piece).toMatch(/^28b52ffd[0-9a-f]{4,}$/);
  });

  it.each([
    { why: 'a skippable frame hides what is in it', bytes: SKIPPABLE },
    { why: 'one after an honest frame too', bytes: Buffer.concat([zstdCompressSync('a'), SKIPPABLE]) },
    { why: 'no frame', bytes: Buffer.from('plain') },
    { why: 'bytes after the last frame', bytes: Buffer.concat([zstdCompressSync('a'), Buffer.from('x')]) },
    { why: 'a block of the reserved kind', bytes: Buffer.from('28b52ffd2001070000', 'hex') },
  ])('refuses: $why', ({ bytes }) => {
    expect(walk([bytes])).toEqual(expect.any(String));
  });

  it.each([
    { why: 'what is said is what came', frames: [FRAMES[0]?.bytes ?? Buffer.of()], decoded: TEXT.length, held: true },
    { why: 'less came', frames: [FRAMES[0]?.bytes ?? Buffer.of()], decoded: 0, held: false },
    {
      why: 'libzstd takes it, split after its header',
      frames: [Buffer.from('28b52ffd205d010000', 'hex')],
      decoded: 0,
      held: false,
    },
    { why: 'two bytes begin to count at 256', frames: [zstdCompressSync(Buffer.alloc(300))], decoded: 300, held: true },
    { why: 'four bytes', frames: [zstdCompressSync(Buffer.alloc(70_000))], decoded: 70_000, held: true },
    { why: 'sums', frames: [zstdCompressSync('abc'), zstdCompressSync('de')], decoded: 5, held: true },
    { why: 'nothing is said', frames: [FRAMES[3]?.bytes ?? Buffer.of()], decoded: 7, held: true },
  ])('knows whether a size agrees ($why)', ({ frames, decoded, held }) => {
    const walker = new ZstdFrames();
    expect(walker.push(Buffer.concat(frames)).ok).toBe(true);
    expect(walker.agrees(decoded)).toBe(held);
  });

  it('refuses frames of which only some say their size', () => {
    expect(walk([FRAMES[0]?.bytes ?? Buffer.of(), FRAMES[3]?.bytes ?? Buffer.of()])).toBe(
      'only some of its frames say their size',
    );
  });

  it.each(FRAMES)('knows an early end ($why)', ({ bytes }) => {
    for (let length = 1; length < Math.min(bytes.length, 200); length += 1) {
      const walked = walk([bytes.subarray(0, length)]);
      const boundary =
        length === zstdCompressSync('one').length && bytes.subarray(0, length).equals(zstdCompressSync('one'));
      expect(typeof walked === 'string' ? walked : walked.complete).toBe(boundary);
    }
  });
});
