import { byteClass } from './bytes.ts';

/**
 * What a client speaks, from its first bytes (REFERENCE 5.1). Anything that is neither a TLS handshake record nor an
 * HTTP/1 method is closed: there is no "assume HTTP".
 */
export type FirstBytes = 'tls' | 'http' | 'need-more' | 'other';

const METHOD = byteClass((byte) => (byte >= 65 && byte <= 90) || byte === 45);
const SPACE = 32;
const LONGEST_METHOD = 24;

export function classifyFirstBytes(bytes: Uint8Array): FirstBytes {
  const [type, major, minor] = bytes;
  if (type === undefined) return 'need-more';
  if (type === 0x16) {
    if (major === undefined || minor === undefined) return 'need-more';
    return major === 3 && minor <= 4 ? 'tls' : 'other';
  }
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte === SPACE) return index > 0 && !isHttp2Preface(bytes, index) ? 'http' : 'other';
    if (METHOD[byte] !== 1 || index >= LONGEST_METHOD) return 'other';
  }
  return 'need-more';
}

/** `PRI * HTTP/2.0`: HTTP/2 in clear has no place here (RFC 9113 section 3.4). */
function isHttp2Preface(bytes: Uint8Array, methodEnd: number): boolean {
  return methodEnd === 3 && bytes[0] === 80 && bytes[1] === 82 && bytes[2] === 73;
}
