import type { Header } from '../schema/header.ts';

/**
 * The one change of protocol that is let through (SECURITY S23): a WebSocket opened exactly as RFC 6455 section 4.1 says.
 * Whether this host and path may be asked at all is decided as for any GET.
 */
export type UpgradeWish = { readonly kind: 'none' | 'websocket' } | { readonly kind: 'refused'; readonly why: string };

/** Sixteen bytes in base64. */
const NONCE = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

export function readUpgrade({
  method,
  headers,
}: {
  readonly method: string;
  readonly headers: readonly Header[];
}): UpgradeWish {
  const values = (wanted: string): readonly string[] =>
    headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const [upgrade, ...more] = values('upgrade');
  if (values('http2-settings').length > 0) return refused('HTTP/2 in clear is not let through');
  if (upgrade === undefined) return { kind: 'none' };
  if (more.length > 0 || upgrade.toLowerCase() !== 'websocket') {
    return refused('a change of protocol in mid-connection is not let through, except to a WebSocket');
  }
  const tokens = values('connection').flatMap((value) => value.split(',').map((token) => token.trim().toLowerCase()));
  if (!tokens.includes('upgrade')) return refused('an upgrade that Connection does not name');
  if (method !== 'GET') return refused('a WebSocket is opened by GET');
  const versions = values('sec-websocket-version');
  if (versions.length !== 1 || versions[0] !== '13') return refused('Sec-WebSocket-Version is not 13');
  const [nonce, ...others] = values('sec-websocket-key');
  if (nonce === undefined || others.length > 0 || !NONCE.test(nonce)) return refused('Sec-WebSocket-Key is malformed');
  if (values('content-length').some((value) => value !== '0') || values('transfer-encoding').length > 0) {
    return refused('a WebSocket is opened without a body');
  }
  return { kind: 'websocket' };
}

function refused(why: string): UpgradeWish {
  return { kind: 'refused', why };
}
