import { LIMITS } from '../kernel/limits.ts';
import { WireError, type Wire } from './wire.ts';

/** What a head parser says about the bytes so far (`protocol/http1/head.ts`). */
export type HeadParse =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'head'; readonly head: unknown; readonly consumed: number }
  | { readonly kind: 'invalid'; readonly why: string };

/** A whole head, what makes it invalid, a peer that ended in the middle, or null for one that ended before it began. */
export type HeadRead<Parse extends HeadParse> =
  Extract<Parse, { readonly kind: 'head' | 'invalid' }> | { readonly kind: 'cut' } | null;

const LINE_FEED = 0x0a;

/**
 * Reads one message head and leaves what follows it on the wire; null when the peer ended before it sent a byte.
 * `firstByteMs` bounds the wait for the message, `wholeMs` the time from its first byte to the end of its head.
 */
export async function readHead<Parse extends HeadParse>(
  wire: Wire,
  parse: (bytes: Uint8Array) => Parse,
  limits: { readonly firstByteMs: number; readonly wholeMs: number },
): Promise<HeadRead<Parse>> {
  let bytes = await wire.read(limits.firstByteMs);
  if (bytes === null) return null;
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
  if (parsed.kind === 'head') wire.unread(bytes.subarray(parsed.consumed));
  return parsed;
}
