import assert from 'node:assert/strict';
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { MiB } from '../../../src/kernel/limits.ts';
import { CONTENT_CODINGS, ContentDecoders, type ContentCoding } from '../../../src/platform/content-decoder.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

const BOUND_BYTES = MiB;
const TEXTS = ['', 'a', 'the quick brown fox '.repeat(8), '\0'.repeat(3000), '{"key":"value","n":[1,2,3]}'];
const ENGINES: Readonly<Record<ContentCoding, readonly [code: Coder, decode: Coder]>> = {
  gzip: [gzipSync, gunzipSync],
  deflate: [deflateSync, inflateSync],
  br: [brotliCompressSync, brotliDecompressSync],
  zstd: [zstdCompressSync, zstdDecompressSync],
};
type Coder = (bytes: Uint8Array) => Buffer;

/** What is let through is all of the input, decoded as a plain decoder does, whatever the split; the bound holds. */
export const CODED_BODIES: readonly FuzzTarget[] = CONTENT_CODINGS.map((coding) => {
  const [code, plainly] = ENGINES[coding];
  const bodies = TEXTS.map((text) => code(Buffer.from(text)).toString('latin1'));
  const bomb = code(Buffer.alloc(2 * MiB))
    .subarray(0, 4096)
    .toString('latin1');
  return {
    name: `coded-body-${coding}`,
    corpus: [
      ...bodies,
      bodies.join(''),
      bomb,
      `${bodies.at(-1) ?? ''}left over`,
      deflateRawSync('raw').toString('latin1'),
      // Frames within the headers of frames, and one that says another size than it has.
      '\x28\xb5\x2f\xfd\x20\x28\xb5\x2f\xfd\x20\0\x01\0\0',
      '\x28\xb5\x2f\xfd\x20\x5d\x01\0\0',
    ],
    dictionary: ['\0', '\xff', '\x1f\x8b\x08', '\x78\x9c', '\x28\xb5\x2f\xfd', '\x50\x2a\x4d\x18', '\x03', ...bodies],
    iterations: 150,
    async check(input, random) {
      const whole = await decode(coding, [input]);
      const split = await decode(coding, cutInto(input, randomCuts(input.length, random)));
      assert.deepEqual(split, whole, 'a split changes the outcome');
      if (whole === null || input.length === 0) return;
      assert.ok(whole.length <= 2 * BOUND_BYTES, 'more than the bound came out');
      assert.ok(whole.equals(plainly(input)), 'another text than a plain decoder finds');
    },
  };
});

/** Null for what is refused. */
async function decode(coding: ContentCoding, blocks: readonly Uint8Array[]): Promise<Buffer | null> {
  using decoders = new ContentDecoders([coding], { decodedBytes: BOUND_BYTES });
  const decoded: Uint8Array[] = [];
  for (const block of blocks) {
    const some = await decoders.push([block]);
    if (!some.ok) return null;
    decoded.push(...some.value);
  }
  const rest = await decoders.end();
  return rest.ok ? Buffer.concat([...decoded, ...rest.value]) : null;
}
