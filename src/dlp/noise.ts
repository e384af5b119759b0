import { IS_NOISE } from './skeleton.ts';

/** Bytes that are judged together for whether they are a text, and how many of a quarter of them say that they are none. */
export const PART_BYTES = 512;
const NOISE_IN_PART = 8;

/** Whether the part at `from` has more control characters than any text; every fourth byte tells. */
export function isNoisy(bytes: Uint8Array, from: number): boolean {
  const to = from + PART_BYTES;
  if (to > bytes.length) return false;
  let noise = 0;
  for (let at = from; at < to; at += 4) noise += IS_NOISE[bytes[at] ?? 0] ?? 0;
  return noise >= NOISE_IN_PART;
}
