import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { err, ok, type Result } from '../kernel/result.ts';

const inflate = promisify<Uint8Array, object, Buffer>(inflateRaw);
const deflate = promisify<Uint8Array, object, Buffer>(deflateRaw);

/** What RFC 7692 (7.2.1) takes off the end of each message. */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** One message that was compressed alone, under a bound on what it becomes. */
export async function inflateMessage(data: Uint8Array, limitBytes: number): Promise<Result<Uint8Array, string>> {
  try {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limitBytes };
    return ok(await inflate(Buffer.concat([data, TAIL]), options));
  } catch (failure) {
    if (!(failure instanceof Error)) throw failure;
    return err('code' in failure && failure.code === 'ERR_BUFFER_TOO_LARGE' ? 'too large' : 'malformed');
  }
}

export async function deflateMessage(data: Uint8Array, windowBits: number): Promise<Uint8Array> {
  const compressed = await deflate(data, { finishFlush: constants.Z_SYNC_FLUSH, windowBits });
  return compressed.subarray(0, compressed.length - TAIL.length);
}
