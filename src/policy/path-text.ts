/**
 * Paths travel as bytes, one character each, and rules are written as text. Both are brought here into one form, so
 * that `/caf%C3%A9`, its decoded readings and the rule `/café` are the same, and `/a%20b` is `/a b`. What separates
 * stays as sent: an escaped slash is another reading's matter.
 */
export function pathText(path: string): string {
  return path
    .replace(/%([0-9A-Fa-f]{2})/g, (escape, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return /[/\\;]/.test(character) ? escape.toUpperCase() : character;
    })
    .replace(/[\u0080-\u00ff]+/g, decodeUtf8);
}

/** The form of a rule's path: as its bytes would travel. */
export function ruleText(path: string): string {
  return pathText(Array.from(new TextEncoder().encode(path), (byte) => String.fromCharCode(byte)).join(''));
}

/** Bytes that are no UTF-8 stay the characters of Latin-1 that they are. */
function decodeUtf8(bytes: string): string {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return decoder.decode(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
  } catch (failure) {
    if (failure instanceof TypeError) return bytes;
    throw failure;
  }
}
