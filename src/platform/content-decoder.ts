import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { LIMITS, MiB } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';

export const CONTENT_CODINGS = ['gzip', 'deflate', 'br', 'zstd'] as const;
export type ContentCoding = (typeof CONTENT_CODINGS)[number];

/** A small body may unfold this far whatever the ratio: runs of one character are ordinary there. */
const RATIO_FLOOR_BYTES = MiB;

interface Decoded {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}
type Callback = (failure: Error | null, decoded: unknown) => void;
type Decode = (
  bytes: Uint8Array,
  options: { readonly info: true; readonly maxOutputLength: number },
  done: Callback,
) => void;

const DECODERS: Readonly<Record<ContentCoding, Decode>> = {
  gzip: gunzip,
  deflate: inflate,
  br: brotliDecompress,
  zstd: zstdDecompress,
};

/**
 * Undoes one content coding, with a bound on size and ratio. A decoder that ends early, or leaves bytes over, has not
 * shown us what the upstream's decoder would see, so that is an error too (SECURITY S16).
 */
export function decodeContent(coding: ContentCoding, bytes: Uint8Array): Promise<Result<Uint8Array, string>> {
  const maxOutputLength = Math.min(
    LIMITS.decodedBodyBytes,
    Math.max(RATIO_FLOOR_BYTES, bytes.length * LIMITS.decodedRatio),
  );
  return new Promise((resolve) => {
    DECODERS[coding](bytes, { info: true, maxOutputLength }, (failure, decoded) => {
      if (failure !== null || !isDecoded(decoded)) {
        const tooLarge = failure !== null && 'code' in failure && failure.code === 'ERR_BUFFER_TOO_LARGE';
        resolve(err(tooLarge ? `the ${coding} body unfolds beyond the bound` : `the ${coding} body does not decode`));
      } else if (decoded.engine.bytesWritten !== bytes.length) {
        resolve(err(`the ${coding} body has bytes after its end`));
      } else {
        resolve(ok(decoded.buffer));
      }
    });
  });
}

/** With `info: true` the callback gets the engine too, which the type declarations leave out. */
function isDecoded(value: unknown): value is Decoded {
  return (
    typeof value === 'object' &&
    value !== null &&
    'buffer' in value &&
    Buffer.isBuffer(value.buffer) &&
    'engine' in value &&
    typeof value.engine === 'object' &&
    value.engine !== null &&
    'bytesWritten' in value.engine &&
    typeof value.engine.bytesWritten === 'number'
  );
}
