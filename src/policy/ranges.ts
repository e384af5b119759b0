import { LIMITS } from '../kernel/limits.ts';

/** One of RFC 9110, 14.1.2: first and last byte, from a byte on, or the last so many. */
const SPEC = /^(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/;

/**
 * Whether a `Range` asks for pieces that echoes can still be found in (SECURITY S13): a window as short as a few bytes,
 * laid over an echo again and again, would show a credential in runs that are too short to be masked.
 */
export function isLongRange(value: string): boolean {
  const [, list] = /^bytes=(.+)$/i.exec(value.trim()) ?? [];
  if (list === undefined) return false;
  const specs = list.split(',').map((spec) => spec.trim());
  return specs.length <= LIMITS.maskedRanges && specs.every((spec) => spannedBytes(spec) >= LIMITS.maskedRangeBytes);
}

function spannedBytes(spec: string): number {
  const [whole, first, last, suffix] = SPEC.exec(spec) ?? [];
  if (whole === undefined) return 0;
  if (suffix !== undefined) return Number(suffix);
  return last === undefined ? Number.POSITIVE_INFINITY : Number(last) - Number(first) + 1;
}
