/** Builds client hellos byte by byte, right and wrong ones. */
export interface HelloParts {
  readonly version?: readonly [number, number];
  readonly sessionId?: Uint8Array;
  readonly ciphers?: Uint8Array;
  readonly compression?: Uint8Array;
  /** Null: the hello ends before the extensions, as those of old clients do. */
  readonly extensions?: readonly Uint8Array[] | null;
  /** After the extensions, inside the handshake message. */
  readonly tail?: Uint8Array;
}

const uint = (size: number, value: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** (size - 1 - index)) % 256);
const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
export const vector = (lengthSize: number, content: Uint8Array): Uint8Array =>
  join(uint(lengthSize, content.length), content);
export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

export const extension = (type: number, content: Uint8Array): Uint8Array => join(uint(2, type), vector(2, content));
export const serverNames = (...names: readonly string[]): Uint8Array =>
  extension(0, vector(2, join(...names.map((name) => join(uint(1, 0), vector(2, ascii(name)))))));
export const protocols = (...names: readonly string[]): Uint8Array =>
  extension(16, vector(2, join(...names.map((name) => vector(1, ascii(name))))));

/** The handshake message: type, length, body. */
export function helloMessage(parts: HelloParts = {}): Uint8Array {
  const {
    version = [3, 3],
    sessionId = new Uint8Array(32),
    ciphers = Uint8Array.of(0x13, 0x01, 0x13, 0x02),
    compression = Uint8Array.of(0),
    extensions = [serverNames('a.example')],
    tail = new Uint8Array(0),
  } = parts;
  const body = join(
    Uint8Array.from(version),
    new Uint8Array(32).fill(7),
    vector(1, sessionId),
    vector(2, ciphers),
    vector(1, compression),
    extensions === null ? new Uint8Array(0) : vector(2, join(...extensions)),
    tail,
  );
  return join(Uint8Array.of(1), vector(3, body));
}

/** The message in TLS records of at most `size` bytes each. */
export function records(message: Uint8Array, size = 16_384): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += size) {
    parts.push(join(Uint8Array.of(22, 3, 1), vector(2, message.subarray(at, at + size))));
  }
  return join(...parts);
}

export const hello = (parts: HelloParts = {}): Uint8Array => records(helloMessage(parts));
