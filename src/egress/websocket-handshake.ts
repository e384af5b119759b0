import { createHash, randomBytes } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function webSocketNonce(): string {
  return randomBytes(16).toString('base64');
}

/** RFC 6455, 4.2.2: what a server makes of the client's nonce. */
export function acceptValue(nonce: string): string {
  return createHash('sha1').update(`${nonce}${GUID}`).digest('base64');
}
