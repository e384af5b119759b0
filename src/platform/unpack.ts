import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Packing, Unpack } from '../dlp/packed.ts';

/** Data that is cut short gives what it holds so far: what is cut may still be read by who gets it. */
const ENGINES: Readonly<Record<Packing, (bytes: Uint8Array, maxOutputLength: number) => Uint8Array>> = {
  gzip: (bytes, maxOutputLength) => gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }),
  deflate: (bytes, maxOutputLength) => inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }),
  raw: (bytes, maxOutputLength) => inflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }),
  br: (bytes, maxOutputLength) =>
    brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength }),
  zstd: (bytes, maxOutputLength) => zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush, maxOutputLength }),
};

/** For small data within a text, where a turn of the event loop costs more than the work. */
export const unpack: Unpack = (packing, bytes, limitBytes) => {
  try {
    return { kind: 'bytes', bytes: ENGINES[packing](bytes, limitBytes) };
  } catch (failure) {
    if (!(failure instanceof Error)) throw failure;
    const tooMuch = 'code' in failure && failure.code === 'ERR_BUFFER_TOO_LARGE';
    return { kind: tooMuch ? 'too-much' : 'none' };
  }
};
