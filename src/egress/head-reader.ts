import { LIMITS } from '../kernel/limits.ts';
import { WireError, type Wire } from './wire.ts';

/** What a head parser says about the bytes so far (`protocol/http1/head.ts`). */
type HeadParse<Head, Invalid> =
  { readonly kind: 'need-more' } | { readonly kind: 'head'; readonly head: Head; readonly consumed: number } | Invalid;

/** A whole head, what makes it invalid, a peer that ended in the middle, or null for one that ended before it began. */
type HeadRead<Head, Invalid> =
  { readonly kind: 'head'; readonly head: Head } | Invalid | { readonly kind: 'cut' } | null;

const LINE_FEED = 0x0a;

/**
 * Reads one message head and leaves what follows it on the wire. `firstByteMs` bounds the wait for the message,
 * `wholeMs` the time from its first byte to the end of its head.
 */
export async function readHead<Head, Invalid extends { readonly kind: 'invalid' }>(
  wire: Wire,
  parse: (bytes: Uint8Array) => HeadParse<Head, Invalid>,
  limits: { readonly firstByteMs: number; readonly wholeMs: number; readonly onFirstByte?: () => void },
): Promise<HeadRead<Head, Invalid>> {
  let bytes = await wire.read(limits.firstByteMs);
  if (bytes === null) return null;
  limits.onFirstByte?.();
  const deadline = performance.now() + limits.wholeMs;
  let parsed = parse(bytes);
  while (parsed.kind === 'need-more') {
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0) throw new WireError('timeout');
    const more = await wire.read(remainingMs);
    if (more === null) return { kind: 'cut' };
    bytes = Buffer.concat([bytes, more]);
    // Only a line's end can complete a head: a head that trickles in is not parsed anew for each byte.
    if (more.includes(LINE_FEED) || bytes.length >= LIMITS.httpHeadBytes) parsed = parse(bytes);
  }
  if (parsed.kind === 'head' && parsed.consumed < bytes.length) wire.unread(bytes.subarray(parsed.consumed));
  return parsed;
}
