import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createDeepScanner, deepScanBytes } from '../../src/dlp/deep-scanner.ts';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { unpack } from '../../src/platform/unpack.ts';

const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const known = buildKnownValues([{ name: 'KEY', value: SECRET }]);
/** As `env` prints it, so that there is something to compress. */
const ENVIRONMENT = `${Array.from({ length: 60 }, (_, index) => `VARIABLE_${String(index)}=/usr/local/lib/some/path\n`).join('')}KEY=${SECRET}\n`;
const PACKINGS = [
  { packing: 'gzip', pack: gzipSync },
  { packing: 'deflate', pack: deflateSync },
  { packing: 'raw deflate', pack: deflateRawSync },
  { packing: 'brotli', pack: brotliCompressSync },
  { packing: 'zstd', pack: zstdCompressSync },
];
const inLines = (text: string): string => text.replace(/.{76}/g, '$&\n');
const WRITTEN = [
  { written: 'base64', write: (bytes: Buffer) => bytes.toString('base64') },
  { written: 'base64url', write: (bytes: Buffer) => bytes.toString('base64url') },
  { written: 'base64 in lines', write: (bytes: Buffer) => inLines(bytes.toString('base64')) },
  {
    written: 'base64 in JSON',
    write: (bytes: Buffer) => JSON.stringify({ a: 1, data: inLines(bytes.toString('base64')) }),
  },
  { written: 'a data URL', write: (bytes: Buffer) => `<img src="data:image/png;base64,${bytes.toString('base64')}">` },
];

const namesIn = (text: string | Buffer): readonly string[] =>
  deepScanBytes(known, Buffer.from(text), 'body', { leaves: false, unpack }).map(({ name }) => name);

describe('G-LEAK packed values', () => {
  it.each(PACKINGS.flatMap((packing) => WRITTEN.map((written) => ({ ...packing, ...written }))))(
    '$packing in $written',
    ({ pack, write }) => {
      expect(namesIn(write(pack(ENVIRONMENT)))).toEqual(['KEY']);
      expect(namesIn(write(pack(ENVIRONMENT.replace(SECRET, 'nothing'))))).toEqual([]);
    },
  );

  it.each(PACKINGS.slice(0, 2))('hex of $packing', ({ pack }) => {
    expect(namesIn(pack(ENVIRONMENT).toString('hex'))).toEqual(['KEY']);
  });

  it.each(PACKINGS.filter(({ packing }) => !/raw|brotli/.test(packing)))(
    '$packing as it is, and as a part',
    ({ pack }) => {
      const packed = pack(ENVIRONMENT);
      expect(namesIn(packed)).toEqual(['KEY']);
      const part = Buffer.concat([
        Buffer.from('--b\r\ncontent-disposition: form-data; name="f"; filename="f.gz"\r\n\r\n'),
        packed,
        Buffer.from('\r\n--b--\r\n'),
      ]);
      expect(namesIn(part)).toEqual(['KEY']);
    },
  );

  it('packed twice', () => {
    expect(namesIn(gzipSync(gzipSync(ENVIRONMENT).toString('base64')).toString('base64'))).toEqual(['KEY']);
  });

  it('S16 a bomb is unscannable, not unpacked', () => {
    const bomb = gzipSync(Buffer.alloc(80 * 1024 * 1024));
    const found = deepScanBytes(known, Buffer.from(bomb.toString('base64')), 'body', { leaves: false, unpack });
    expect(found.map(({ rule }) => rule)).toEqual(['unscannable']);
  });

  it.each([gzipSync, brotliCompressSync])(
    'S17 nothing of it leaves before it was looked into, in any split',
    (pack) => {
      const random = Buffer.from(Array.from({ length: 60_000 }, (_, at) => (at * 7919 * (at >> 3)) & 0xff));
      const text = `{"data":"${pack(Buffer.concat([random, Buffer.from(ENVIRONMENT)])).toString('base64')}"}`;
      for (const size of [1000, 4096, 20_000, 100_000]) {
        const scanner = createDeepScanner(known, 'body', { leaves: false, unpack });
        let released = 0;
        const names = new Set<string>();
        for (let at = 0; at < text.length; at += size) {
          const { release, findings } = scanner.push(Buffer.from(text.slice(at, at + size)));
          for (const { name } of findings) names.add(name);
          if (names.size === 0) released = release;
        }
        for (const { name } of scanner.end().findings) names.add(name);
        expect([...names]).toEqual(['KEY']);
        expect(released).toBeLessThan(64);
      }
    },
  );
});
