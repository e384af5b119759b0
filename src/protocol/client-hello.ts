import { LIMITS } from '../kernel/limits.ts';
import { latin1 } from './bytes.ts';

/**
 * Reads the name a TLS client asks for, before any TLS is spoken (RFC 8446 section 4.1.2, RFC 6066 section 3). The
 * handshake may be split over records in any way. What is malformed, ambiguous or larger than an honest first flight
 * is invalid, and the connection closes.
 */
export type ParsedClientHello =
  | { readonly kind: 'need-more' }
  | {
      readonly kind: 'client-hello';
      readonly sni: string | null;
      readonly alpn: readonly string[];
      readonly ech: boolean;
    }
  | { readonly kind: 'invalid'; readonly why: string };

const EXTENSION = { serverName: 0, alpn: 16, encryptedClientHello: 0xfe0d } as const;
const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
/** RFC 8446 section 5.1 */
const RECORD_MAX = 16_384;
/** RFC 8446 section 4.1.2 */
const RANDOM = 32;
const SESSION_ID_MAX = 32;

class Malformed extends Error {}

/** Bounds-checked reading: a length that points outside is malformed, never undefined behaviour. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  uint(size: 1 | 2 | 3): number {
    if (this.left < size) throw new Malformed('a field is cut short');
    let value = 0;
    for (let index = 0; index < size; index += 1) value = value * 256 + (this.#bytes[this.#at + index] ?? 0);
    this.#at += size;
    return value;
  }

  skip(size: number): void {
    if (this.left < size) throw new Malformed('a field is cut short');
    this.#at += size;
  }

  /** A vector with its length in front, as a reader of its own. */
  vector(lengthSize: 1 | 2 | 3): Reader {
    const length = this.uint(lengthSize);
    const from = this.#at;
    this.skip(length);
    return new Reader(this.#bytes, from, from + length);
  }

  text(): string {
    const text = latin1(this.#bytes, this.#at, this.#end);
    this.#at = this.#end;
    return text;
  }
}

export function parseClientHello(bytes: Uint8Array): ParsedClientHello {
  try {
    const handshake = joinRecords(bytes);
    if (handshake === null) {
      return bytes.length > LIMITS.clientHelloBytes
        ? { kind: 'invalid', why: 'the client hello is too large' }
        : { kind: 'need-more' };
    }
    return readHello(handshake);
  } catch (failure) {
    if (failure instanceof Malformed) return { kind: 'invalid', why: failure.message };
    throw failure;
  }
}

/**
 * The handshake message's body, put together from its records; null while it is incomplete. The bound counts the bytes
 * on the wire, record headers included, so that it does not matter how they arrive.
 */
function joinRecords(bytes: Uint8Array): Uint8Array | null {
  const handshake = new Uint8Array(bytes.length);
  let joined = 0;
  let wanted: number | null = null;
  for (let at = 0; at + RECORD_HEADER <= bytes.length;) {
    const content = at + RECORD_HEADER;
    const end = content + readRecordHeader(new Reader(bytes, at, content));
    const part = bytes.subarray(content, end);
    handshake.set(part, joined);
    const before = joined;
    joined += part.length;
    wanted ??= handshakeLength(handshake.subarray(0, joined));
    if (wanted !== null && before + end - content >= wanted) {
      if (before + end - content > wanted) throw new Malformed('bytes after the client hello in its record');
      if (end > LIMITS.clientHelloBytes) throw new Malformed('the client hello is too large');
      return joined < wanted ? null : handshake.subarray(HANDSHAKE_HEADER, wanted);
    }
    at = end;
  }
  return null;
}

/** The length of the record's content. */
function readRecordHeader(header: Reader): number {
  if (header.uint(1) !== 22) throw new Malformed('not a handshake record');
  if (header.uint(1) !== 3 || header.uint(1) > 4) throw new Malformed('not a TLS record');
  const length = header.uint(2);
  if (length === 0 || length > RECORD_MAX) throw new Malformed('a record of an impossible length');
  return length;
}

function handshakeLength(begun: Uint8Array): number | null {
  if (begun.length < HANDSHAKE_HEADER) return null;
  const header = new Reader(begun);
  if (header.uint(1) !== 1) throw new Malformed('not a client hello');
  const length = HANDSHAKE_HEADER + header.uint(3);
  if (length > LIMITS.clientHelloBytes) throw new Malformed('the client hello is too large');
  return length;
}

function readHello(body: Uint8Array): ParsedClientHello {
  const reader = new Reader(body);
  if (reader.uint(1) !== 3) throw new Malformed('not a TLS version');
  reader.skip(1 + RANDOM);
  if (reader.vector(1).left > SESSION_ID_MAX) throw new Malformed('a session id that is too long');
  const ciphers = reader.vector(2).left;
  if (ciphers === 0 || ciphers % 2 !== 0) throw new Malformed('a malformed list of cipher suites');
  if (reader.vector(1).left === 0) throw new Malformed('no compression method');
  if (reader.left === 0) return { kind: 'client-hello', sni: null, alpn: [], ech: false };
  const extensions = reader.vector(2);
  if (reader.left !== 0) throw new Malformed('bytes after the extensions');
  let sni: string | null = null;
  let alpn: readonly string[] = [];
  let ech = false;
  const seen = new Set<number>();
  while (extensions.left > 0) {
    const type = extensions.uint(2);
    const content = extensions.vector(2);
    if (seen.has(type)) throw new Malformed('an extension stands twice');
    seen.add(type);
    if (type === EXTENSION.serverName) sni = readServerName(content);
    else if (type === EXTENSION.alpn) alpn = readAlpn(content);
    else if (type === EXTENSION.encryptedClientHello) ech = true;
  }
  return { kind: 'client-hello', sni, alpn, ech };
}

function readServerName(content: Reader): string {
  const list = content.vector(2);
  if (list.uint(1) !== 0) throw new Malformed('a server name of an unknown kind');
  const name = list.vector(2).text();
  if (list.left !== 0 || content.left !== 0) throw new Malformed('more than one server name');
  if (name === '' || /[^\x21-\x7e]/.test(name)) throw new Malformed('a server name that is no host name');
  return name;
}

function readAlpn(content: Reader): readonly string[] {
  const list = content.vector(2);
  const names: string[] = [];
  while (list.left > 0) {
    const name = list.vector(1).text();
    if (name === '') throw new Malformed('an empty protocol name');
    names.push(name);
  }
  if (names.length === 0 || content.left !== 0) throw new Malformed('a malformed list of protocols');
  return names;
}
