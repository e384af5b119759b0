/**
 * The little of DER (X.690) that an ECDSA certificate is made of. Written out because it is on the path of each new
 * name an agent visits, and a general ASN.1 library costs forty times as much there. Counterpart: `tls-ca.ts`.
 */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context: 0x80,
  contextConstructed: 0xa0,
} as const;

export const sequence = (...parts: readonly Buffer[]): Buffer => element(TAG.sequence, ...parts);
export const set = (...parts: readonly Buffer[]): Buffer => element(TAG.set, ...parts);
export const octetString = (content: Buffer): Buffer => element(TAG.octetString, content);
export const bitString = (content: Buffer, unusedBits = 0): Buffer =>
  element(TAG.bitString, Buffer.of(unusedBits), content);
export const utf8String = (text: string): Buffer => element(TAG.utf8String, Buffer.from(text, 'utf8'));
export const boolean = (value: boolean): Buffer => element(TAG.boolean, Buffer.of(value ? 0xff : 0));
export const contextPrimitive = (number: number, content: Buffer): Buffer => element(TAG.context | number, content);
export const contextConstructed = (number: number, ...parts: readonly Buffer[]): Buffer =>
  element(TAG.contextConstructed | number, ...parts);

/** A non-negative integer from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const significant = start === -1 ? Buffer.of(0) : Buffer.from(bytes.subarray(start));
  const sign = (significant[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0);
  return element(TAG.integer, sign, significant);
}

/** `1.2.840.10045.4.3.2` */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(TAG.objectIdentifier, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** RFC 5280, 4.1.2.5: two-digit years up to 2049, four-digit ones after. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  if (date.getUTCFullYear() >= 2050) return element(TAG.generalizedTime, Buffer.from(`${digits}Z`));
  return element(TAG.utcTime, Buffer.from(`${digits.slice(2)}Z`));
}

/** The elements inside a constructed element, each with its header; undefined when the bytes are not DER. */
export function children(constructed: Buffer): readonly Buffer[] | undefined {
  const outer = header(constructed, 0);
  if (outer === undefined || outer.end !== constructed.length) return undefined;
  const found: Buffer[] = [];
  for (let at = outer.content; at < outer.end;) {
    const inner = header(constructed, at);
    if (inner === undefined) return undefined;
    found.push(constructed.subarray(at, inner.end));
    at = inner.end;
  }
  return found;
}

function header(bytes: Buffer, at: number): { readonly content: number; readonly end: number } | undefined {
  const first = bytes[at + 1];
  if (first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 4 || at + 2 + lengthBytes > bytes.length) return undefined;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
  const content = at + 2 + lengthBytes;
  return content + length > bytes.length ? undefined : { content, end: content + length };
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([tag, ...lengthOctets(length)]), ...parts]);
}

function lengthOctets(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

function base128(value: number): readonly number[] {
  const octets = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift((rest % 128) | 0x80);
  return octets;
}
