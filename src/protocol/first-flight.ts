/**
 * The records of TLS that are in clear at the beginning of a connection (RFC 8446, 4.1 and 5.1), as far as somebody has
 * to know them who passes the connection on: where the client hello ends, and whether the server asks for another one.
 */
const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const CONTENT = { changeCipherSpec: 20, handshake: 22 } as const;
const SERVER_HELLO = 2;
/** RFC 8446, 4.1.3: the random of a ServerHello that is a HelloRetryRequest; SHA-256 of those words. */
const RETRY_RANDOM = [
  0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
  0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
] as const; // prettier-ignore
const RANDOM_AT = RECORD_HEADER + HANDSHAKE_HEADER + 2;

/** Where the first handshake message ends; null while it is not whole, -1 when the same record holds more than it. */
export function firstMessageEnd(bytes: Uint8Array): number | null {
  let at = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let had = 0;
  const header: number[] = [];
  while (had < wanted) {
    if (bytes.length < at + RECORD_HEADER) return null;
    const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
    if (bytes.length < at + RECORD_HEADER + length) return null;
    for (let index = 0; index < length && header.length < HANDSHAKE_HEADER; index += 1) {
      header.push(bytes[at + RECORD_HEADER + index] ?? 0);
    }
    had += length;
    at += RECORD_HEADER + length;
    if (header.length === HANDSHAKE_HEADER) {
      wanted = HANDSHAKE_HEADER + (((header[1] ?? 0) << 16) | ((header[2] ?? 0) << 8) | (header[3] ?? 0));
    }
  }
  return had === wanted ? at : -1;
}

/** Whether the server's first words ask the client for another hello; null while too little of them is here. */
export function asksForRetry(bytes: Uint8Array): boolean | null {
  if (bytes.length > 0 && bytes[0] !== CONTENT.handshake) return false;
  if (bytes.length > RECORD_HEADER && bytes[RECORD_HEADER] !== SERVER_HELLO) return false;
  if (bytes.length < RANDOM_AT + RETRY_RANDOM.length) return null;
  return RETRY_RANDOM.every((byte, index) => bytes[RANDOM_AT + index] === byte);
}

/** Bytes of the change-cipher-spec records that a client may send before its second hello (RFC 8446, appendix D.4). */
export function leadingCipherSpecs(bytes: Uint8Array): number {
  let at = 0;
  while (bytes[at] === CONTENT.changeCipherSpec && bytes[at + 3] === 0 && bytes[at + 4] === 1) at += RECORD_HEADER + 1;
  return Math.min(at, bytes.length);
}
