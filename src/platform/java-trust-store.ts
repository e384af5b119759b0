import crypto from 'node:crypto';

/**
 * A Java key store (format JKS, version 2) with one trusted certificate: JVMs read neither PEM nor the system's store.
 * The layout is that of `sun.security.provider.JavaKeyStore` in OpenJDK; its digest is keyed with a password that is
 * no secret, for a trust store holds nothing private.
 */
const MAGIC = 0xfeedfeed;
const VERSION = 2;
const TRUSTED_CERTIFICATE = 2;
const PASSWORD = 'changeit';
/** The phrase that the format puts into its digest. */
const WHITENER = 'Mighty Aphrodite';

export function javaTrustStore(certificatePem: string): Buffer {
  const certificate = new crypto.X509Certificate(certificatePem).raw;
  const body = Buffer.concat([
    uint32(MAGIC),
    uint32(VERSION),
    uint32(1),
    uint32(TRUSTED_CERTIFICATE),
    modifiedUtf8('bot-bottle'),
    // The creation date, which nobody reads: milliseconds since 1970 as two words.
    uint32(0),
    uint32(0),
    modifiedUtf8('X.509'),
    uint32(certificate.length),
    certificate,
  ]);
  const password = Buffer.from(PASSWORD, 'utf16le').swap16();
  const digest = crypto.createHash('sha1').update(password).update(WHITENER, 'utf8').update(body).digest();
  return Buffer.concat([body, digest]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Java's `writeUTF`, for ASCII. */
function modifiedUtf8(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([length, Buffer.from(text, 'ascii')]);
}
