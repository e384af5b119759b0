/**
 * A finding's handle for people (SECURITY S25): the same value gives the same mark within one bottle, and the mark
 * says nothing about the value to who lacks the bottle's key. `hmacHex` is HMAC-SHA-256 under that key, in hex.
 */
export function fingerprint(hmacHex: (text: string) => string, value: string): string {
  return `fp:${hmacHex(value).slice(0, 8)}`;
}
