import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/**
 * A certificate authority for tests: it plays the public roots that an upstream such as api.anthropic.com hangs from.
 * Written in plain DER over node:crypto, so that it shares no code with what it tests.
 */
export interface TestCa {
  /** PEM of the root, for `extra_ca` or NODE_EXTRA_CA_CERTS. */
  readonly certificate: string;
  /** A server certificate for these DNS names, with its key. */
  issue(names: readonly string[]): { readonly cert: string; readonly key: string };
}

export function createTestCa(commonName = 'bot-bottle test root'): TestCa {
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = nameOf(commonName);
  const basicConstraints = extension('551d13', true, sequence(Buffer.from([0x01, 0x01, 0xff])));
  const certificate = signCertificate(issuer, issuer, root.publicKey, root.privateKey, [basicConstraints]);
  return {
    certificate,
    issue: (names) => {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const alternatives = names.map((name) => tagged(0x82, Buffer.from(name)));
      const subjectAltName = extension('551d11', false, sequence(...alternatives));
      const cert = signCertificate(issuer, nameOf(names[0] ?? 'nobody'), leaf.publicKey, root.privateKey, [
        subjectAltName,
      ]);
      return { cert, key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
    },
  };
}

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = sequence(tagged(0x06, Buffer.from('2a8648ce3d040302', 'hex')));

function signCertificate(
  issuer: Buffer,
  subject: Buffer,
  subjectKey: KeyObject,
  issuerKey: KeyObject,
  extensions: readonly Buffer[],
): string {
  const now = Date.now();
  const toBeSigned = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    issuer,
    sequence(utcTime(now - DAY_MS), utcTime(now + DAY_MS)),
    subject,
    createPublicKey(subjectKey.export({ type: 'spki', format: 'pem' })).export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toBeSigned, issuerKey);
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  const attribute = sequence(tagged(0x06, Buffer.from('550403', 'hex')), tagged(0x0c, Buffer.from(commonName)));
  return sequence(tagged(0x31, attribute));
}

function extension(objectId: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? Buffer.from([0x01, 0x01, 0xff]) : Buffer.alloc(0);
  return sequence(tagged(0x06, Buffer.from(objectId, 'hex')), flag, tagged(0x04, value));
}

function utcTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${digits}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function tagged(tag: number, content: Buffer): Buffer {
  const size = content.length;
  if (size < 0x80) return Buffer.concat([Buffer.from([tag, size]), content]);
  if (size < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, size]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, size >> 8, size & 0xff]), content]);
}
