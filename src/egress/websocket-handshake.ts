import { createHash, randomBytes } from 'node:crypto';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Header, RequestFacts } from '../policy/decide.ts';
import { readUpgrade } from '../policy/websocket.ts';
import type { ResponseHead } from '../protocol/http1/head.ts';
import { acceptDeflate, checkDeflateAnswer, DEFLATE_OFFER } from '../protocol/websocket/extensions.ts';
import { headerTokens, headerValues } from './headers.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function webSocketNonce(): string {
  return randomBytes(16).toString('base64');
}

/** RFC 6455, 4.2.2: what a server makes of the client's nonce. */
export function acceptValue(nonce: string): string {
  return createHash('sha1').update(`${nonce}${GUID}`).digest('base64');
}

/** An agent's wish for a WebSocket. Each leg has a handshake of its own: nonce and extensions are never passed on. */
export interface WebSocketOffer {
  readonly agentNonce: string;
  readonly upstreamNonce: string;
  /** What we answer the agent about compression; null when it offered none that we can keep. */
  readonly deflate: { readonly answer: string; readonly windowBits: number } | null;
}

export function readOffer(facts: RequestFacts): WebSocketOffer | null {
  if (readUpgrade(facts).kind !== 'websocket') return null;
  const extensions = headerValues(facts.headers, 'sec-websocket-extensions').join(',');
  return {
    agentNonce: headerValues(facts.headers, 'sec-websocket-key')[0] ?? '',
    upstreamNonce: webSocketNonce(),
    deflate: extensions === '' ? null : acceptDeflate(extensions),
  };
}

const HANDSHAKE = /^sec-websocket-(?:key|version|accept|extensions)$/i;

/** The request's fields as the upstream gets them. */
export function upgradeRequest(headers: readonly Header[], offer: WebSocketOffer): readonly Header[] {
  return [
    ...headers.filter(([name]) => !HANDSHAKE.test(name) && name.toLowerCase() !== 'content-length'),
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', offer.upstreamNonce],
    ...(offer.deflate === null ? [] : ([['Sec-WebSocket-Extensions', DEFLATE_OFFER]] as const)),
  ];
}

export interface AgreedUpgrade {
  readonly offer: WebSocketOffer;
  readonly protocol: string | null;
  /** The upstream compresses, and reads what is compressed. */
  readonly deflate: boolean;
}

/** SECURITY S23: right accept value, no other extension than ours, no sub-protocol that was not offered. */
export function checkUpgrade(
  head: ResponseHead,
  offer: WebSocketOffer,
  offered: readonly Header[],
): Result<AgreedUpgrade, string> {
  const { headers } = head;
  const only = (name: string): string | null | undefined => {
    const values = headerValues(headers, name);
    return values.length > 1 ? undefined : (values[0] ?? null);
  };
  if (only('upgrade')?.toLowerCase() !== 'websocket') return err('it switched to something else than a WebSocket');
  if (!headerTokens(headers, 'connection').includes('upgrade')) return err('its Connection does not name the upgrade');
  if (only('sec-websocket-accept') !== acceptValue(offer.upstreamNonce)) return err('its accept value is wrong');
  const protocol = only('sec-websocket-protocol');
  if (protocol === undefined || (protocol !== null && !protocolsOf(offered).includes(protocol))) {
    return err('it chose a sub-protocol that was not offered');
  }
  const extensions = only('sec-websocket-extensions');
  if (extensions === undefined) return err('it chose extensions twice');
  const deflate = checkDeflateAnswer(extensions, offer.deflate !== null);
  return deflate.ok ? ok({ offer, protocol, deflate: deflate.value }) : deflate;
}

/** The answer's fields as the agent gets them. */
export function upgradeAnswer(kept: readonly Header[], { offer, protocol }: AgreedUpgrade): readonly Header[] {
  const own = /^(?:sec-websocket-protocol|connection|upgrade)$/i;
  return [
    ...kept.filter(([name]) => !HANDSHAKE.test(name) && !own.test(name)),
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Accept', acceptValue(offer.agentNonce)],
    ...(offer.deflate === null ? [] : ([['Sec-WebSocket-Extensions', offer.deflate.answer]] as const)),
    ...(protocol === null ? [] : ([['Sec-WebSocket-Protocol', protocol]] as const)),
  ];
}

function protocolsOf(headers: readonly Header[]): readonly string[] {
  return headerValues(headers, 'sec-websocket-protocol').flatMap((value) =>
    value.split(',').map((protocol) => protocol.trim()),
  );
}
