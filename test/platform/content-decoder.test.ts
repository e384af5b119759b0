import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/kernel/limits.ts';
import { CONTENT_CODINGS, decodeContent, type ContentCoding } from '../../src/platform/content-decoder.ts';

const ENCODE: Readonly<Record<ContentCoding, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => gzipSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes),
  zstd: (bytes) => zstdCompressSync(bytes),
};
const PLAIN = Buffer.from('the quick brown fox '.repeat(40));

describe.each(CONTENT_CODINGS)('S16 %s', (coding) => {
  const encoded = ENCODE[coding](PLAIN);

  it('decodes what was encoded', async () => {
    const decoded = await decodeContent(coding, encoded);
    expect(decoded.ok && Buffer.from(decoded.value)).toEqual(PLAIN);
  });

  it.each([
    { what: 'bytes after the end', bytes: Buffer.concat([encoded, Buffer.from('left over')]) },
    { what: 'an early end', bytes: encoded.subarray(0, encoded.length - 3) },
    { what: 'no bytes at all', bytes: Buffer.alloc(0) },
    { what: 'another format', bytes: PLAIN },
    { what: 'a bomb', bytes: ENCODE[coding](Buffer.alloc(80 * MiB)) },
  ])('refuses $what', async ({ bytes }) => {
    expect((await decodeContent(coding, bytes)).ok).toBe(false);
  });
});

it('S16 a deflate body without its wrapper is refused: upstreams differ in how they would read it', async () => {
  expect((await decodeContent('deflate', deflateRawSync(PLAIN))).ok).toBe(false);
});
