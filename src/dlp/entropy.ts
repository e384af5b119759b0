/** Lent to one call at a time; all zeros between calls. */
const counts = new Uint32Array(256);

/** Shannon's entropy of a run of bytes, in bits per byte: 0 for one byte repeated, at most 8. */
export function entropyOf(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length === 0) return 0;
  for (let at = 0; at < length; at += 1) counts[bytes[at] ?? 0] = (counts[bytes[at] ?? 0] ?? 0) + 1;
  let sum = 0;
  for (let at = 0; at < length; at += 1) {
    const count = counts[bytes[at] ?? 0] ?? 0;
    if (count === 0) continue;
    sum += timesLog(count);
    counts[bytes[at] ?? 0] = 0;
  }
  return Math.log2(length) - sum / length;
}

/** By count: itself times its binary logarithm. */
const TIMES_LOG = Float64Array.from({ length: 1024 }, (_, count) => (count === 0 ? 0 : count * Math.log2(count)));

const timesLog = (count: number): number => TIMES_LOG[count] ?? count * Math.log2(count);
