import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { MiB } from '../../src/kernel/limits.ts';
import { err, ok, type Result } from '../../src/kernel/result.ts';
import { CONTENT_CODINGS, ContentDecoders, type ContentCoding } from '../../src/platform/content-decoder.ts';

const ENCODE: Readonly<Record<ContentCoding, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => gzipSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes),
  zstd: (bytes) => zstdCompressSync(bytes),
};
const PLAIN = Buffer.from('the quick brown fox '.repeat(40));

/** Whole through the decoders, in blocks of that size. */
async function decode(
  codings: readonly ContentCoding[],
  bytes: Buffer,
  size = bytes.length,
): Promise<Result<Buffer, string>> {
  using decoders = new ContentDecoders(codings, { decodedBytes: 64 * MiB });
  const decoded: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const some = await decoders.push([bytes.subarray(at, at + size)]);
    if (!some.ok) return some;
    decoded.push(...some.value);
  }
  const rest = await decoders.end();
  return rest.ok ? ok(Buffer.concat([...decoded, ...rest.value])) : err(rest.error);
}

describe.each(CONTENT_CODINGS)('S16 %s', (coding) => {
  const encoded = ENCODE[coding](PLAIN);

  it('decodes what was encoded', async () => {
    expect(await decode([coding], encoded)).toEqual(ok(PLAIN));
  });

  it('decodes the same whatever the split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: encoded.length }), async (size) => {
        expect(await decode([coding], encoded, size)).toEqual(ok(PLAIN));
      }),
      { numRuns: 20 },
    );
  });

  it('decodes two codings, the last one first', async () => {
    const outer = coding === 'gzip' ? 'br' : 'gzip';
    expect(await decode([coding, outer], ENCODE[outer](encoded))).toEqual(ok(PLAIN));
  });

  it.each([
    { what: 'bytes after the end', bytes: Buffer.concat([encoded, Buffer.from('left over')]) },
    { what: 'an early end', bytes: encoded.subarray(0, encoded.length - 3) },
    { what: 'another format', bytes: PLAIN },
    { what: 'a bomb', bytes: ENCODE[coding](Buffer.alloc(80 * MiB)) },
  ])('refuses $what', async ({ bytes }) => {
    expect((await decode([coding], bytes)).ok).toBe(false);
    // Where a format shows its end, what follows may come in a block of its own.
    expect((await decode([coding], bytes, 7)).ok).toBe(false);
  });
});

it('S16 a deflate body without its wrapper is refused: upstreams differ in how they would read it', async () => {
  expect((await decode(['deflate'], deflateRawSync(PLAIN))).ok).toBe(false);
});

it.each([
  { why: 'a frame that lies in the rest of a header', hex: '28b52ffd2028b52ffd2000010000' },
  { why: 'a frame that says another size than it has', hex: '28b52ffd205d010000' },
])('S16 zstd is refused at every split: $why', async ({ hex }) => {
  const bytes = Buffer.from(hex, 'hex');
  for (let size = 1; size <= bytes.length; size += 1) expect((await decode(['zstd'], bytes, size)).ok).toBe(false);
});
