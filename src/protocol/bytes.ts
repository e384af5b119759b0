/** Small byte helpers that the grammars share. HTTP heads are ASCII by the time they are text; anything else is refused. */

export function latin1(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let index = from; index < to; index += 1) text += String.fromCharCode(bytes[index] ?? 0);
  return text;
}

const ASCII = new TextDecoder('utf-8', { ignoreBOM: true });

/** All of `bytes` up to `end`, one character each: by the platform's decoder where both read them alike. */
export function latin1Text(bytes: Uint8Array, end: number): string {
  for (let index = 0; index < end; index += 1) {
    if ((bytes[index] ?? 0) > 127) return latin1(bytes, 0, end);
  }
  return ASCII.decode(bytes.subarray(0, end));
}

export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index) & 0xff;
  return bytes;
}

/** A 256-entry membership table: the grammars' character classes (RFC 9110 section 5.6.2 and neighbours). */
export function byteClass(member: (byte: number) => boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte += 1) table[byte] = member(byte) ? 1 : 0;
  return table;
}

export function allIn(table: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index += 1) {
    if (table[bytes[index] ?? 0] !== 1) return false;
  }
  return true;
}
