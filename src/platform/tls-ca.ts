import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { BottleError } from '../kernel/errors.ts';
import type { Clock } from '../ports/clock.ts';
import * as der from './der.ts';

/** Certificate and PKCS #8 key, both PEM. */
export interface BottleCa {
  readonly certificate: string;
  readonly key: string;
}

/** What a TLS server needs for one name. */
export interface Leaf {
  readonly certificate: string;
  readonly key: string;
  /** Wall time in milliseconds after which a new one is due. */
  readonly renewAt: number;
}

export interface LeafMinter {
  /** `name` is a host name or an IP address, already normalised. */
  mint(name: string): Leaf;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Clocks in a bottle can lag behind ours. */
const BACKDATE_MS = DAY_MS;
const CA_LIFE_MS = 366 * DAY_MS;
/** Some clients refuse leaves that live longer than 398 days; a bottle lives for days. */
const LEAF_LIFE_MS = 60 * DAY_MS;
const LEAF_RENEW_MS = 30 * DAY_MS;
/** RFC 5280 upper bound of a common name. */
const COMMON_NAME_MAX = 64;

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organisation: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

const KEY_USAGE = {
  /** digitalSignature */
  leaf: der.bitString(Buffer.of(0x80), 7),
  /** keyCertSign, cRLSign */
  ca: der.bitString(Buffer.of(0x06), 1),
} as const;

/** A certificate authority for one bottle: it may sign leaves only, no further authorities. */
export function createBottleCa(clock: Clock, label: string): BottleCa {
  const { publicKey, privateKey } = newKey();
  const name = distinguishedName(`bot-bottle ${label}`);
  const certificate = signCertificate({
    issuer: name,
    issuerKey: privateKey,
    issuerKeyId: keyId(publicKey),
    subject: name,
    subjectKey: publicKey,
    notBefore: clock.now() - BACKDATE_MS,
    notAfter: clock.now() + CA_LIFE_MS,
    extensions: [
      extension(OID.basicConstraints, true, der.sequence(der.boolean(true), der.integer(Buffer.of(0)))),
      extension(OID.keyUsage, true, KEY_USAGE.ca),
    ],
  });
  return { certificate, key: exportKey(privateKey) };
}

/** One key serves all names of a bottle: making a key costs more than signing a leaf, and the CA can do as much. */
export function createLeafMinter(ca: BottleCa, clock: Clock): LeafMinter {
  const issuer = readIssuer(ca);
  const { publicKey, privateKey } = newKey();
  const key = exportKey(privateKey);
  return {
    mint(name) {
      const certificate = signCertificate({
        ...issuer,
        subject: distinguishedName(name),
        subjectKey: publicKey,
        notBefore: clock.now() - BACKDATE_MS,
        notAfter: clock.now() + LEAF_LIFE_MS,
        extensions: [
          extension(OID.basicConstraints, true, der.sequence()),
          extension(OID.keyUsage, true, KEY_USAGE.leaf),
          extension(OID.extendedKeyUsage, false, der.sequence(der.objectIdentifier(OID.serverAuth))),
          extension(OID.subjectAltName, false, der.sequence(alternativeName(name))),
        ],
      });
      return { certificate, key, renewAt: clock.now() + LEAF_RENEW_MS };
    },
  };
}

interface Issuer {
  readonly issuer: Buffer;
  readonly issuerKey: KeyObject;
  readonly issuerKeyId: Buffer;
}
interface CertificateFields extends Issuer {
  readonly subject: Buffer;
  readonly subjectKey: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly Buffer[];
}

function signCertificate(fields: CertificateFields): string {
  const algorithm = der.sequence(der.objectIdentifier(OID.ecdsaWithSha256));
  const keyIdentifiers = [
    extension(OID.subjectKeyIdentifier, false, der.octetString(keyId(fields.subjectKey))),
    extension(OID.authorityKeyIdentifier, false, der.sequence(der.contextPrimitive(0, fields.issuerKeyId))),
  ];
  const toBeSigned = der.sequence(
    der.contextConstructed(0, der.integer(Buffer.of(2))),
    der.integer(serialNumber()),
    algorithm,
    fields.issuer,
    der.sequence(der.time(new Date(fields.notBefore)), der.time(new Date(fields.notAfter))),
    fields.subject,
    fields.subjectKey.export({ type: 'spki', format: 'der' }),
    der.contextConstructed(3, der.sequence(...fields.extensions, ...keyIdentifiers)),
  );
  const signature = sign('sha256', toBeSigned, fields.issuerKey);
  return toPem('CERTIFICATE', der.sequence(toBeSigned, algorithm, der.bitString(signature)));
}

function readIssuer(ca: BottleCa): Issuer {
  const certificate = new X509Certificate(ca.certificate);
  const issuerKey = createPrivateKey(ca.key);
  // tbsCertificate: version, serial, algorithm, issuer, validity, subject, …
  const subject = der.children(der.children(certificate.raw)?.[0] ?? Buffer.alloc(0))?.[5];
  if (subject === undefined || !certificate.checkPrivateKey(issuerKey)) {
    throw new BottleError('config_invalid', { message: 'the CA certificate and its key do not belong together' });
  }
  return { issuer: subject, issuerKey, issuerKeyId: keyId(certificate.publicKey) };
}

function newKey(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

function exportKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' });
}

/** RFC 5280, 4.2.1.2, method 1: SHA-1 over the public key's bits. */
function keyId(publicKey: KeyObject): Buffer {
  const bits = der.children(publicKey.export({ type: 'spki', format: 'der' }))?.[1] ?? Buffer.alloc(0);
  // The bit string's header is two bytes for an uncompressed P-256 point, and one more counts unused bits.
  return createHash('sha1').update(bits.subarray(3)).digest();
}

/** Positive and 16 octets long: unpredictable, and within the 20 octets that RFC 5280 allows. */
function serialNumber(): Buffer {
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  return serial;
}

function distinguishedName(commonName: string): Buffer {
  const attribute = (oid: string, text: string): Buffer =>
    der.set(der.sequence(der.objectIdentifier(oid), der.utf8String(text)));
  return der.sequence(
    attribute(OID.organisation, 'bot-bottle'),
    attribute(OID.commonName, commonName.slice(0, COMMON_NAME_MAX)),
  );
}

function alternativeName(name: string): Buffer {
  if (isIP(name) === 0) return der.contextPrimitive(2, Buffer.from(name, 'ascii'));
  return der.contextPrimitive(7, Buffer.from(ipaddr.parse(name).toByteArray()));
}

function extension(oid: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

function toPem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
