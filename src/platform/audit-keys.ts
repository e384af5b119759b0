import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';

/**
 * The host's Ed25519 key, with which records are signed: who has a copy of a record and the public half can check it
 * without us. Made when it is first needed, 0600, in the home; no service of a bundle has it.
 */
export interface AuditKey {
  /** SPKI DER in base64. */
  readonly publicKey: string;
  /** SHA-256 of the text of `publicKey`. */
  readonly keyId: string;
  sign(text: string): string;
}

export const AUDIT_KEY_FILE = 'audit.key';
/** PEM, for whoever is to check records. */
export const AUDIT_PUBLIC_FILE = 'audit.pub';

export function sha256(text: string): string {
  return crypto.hash('sha256', text, 'hex');
}

export function openAuditKey(home: string): AuditKey {
  const file = path.join(home, AUDIT_KEY_FILE);
  const pem = readOrNull(file) ?? makeKey(home, file);
  try {
    return keyOf(crypto.createPrivateKey(pem));
  } catch (failure) {
    throw new BottleError('state_invalid', {
      message: `${file} is not an Ed25519 key in PEM`,
      hint: `mv ${file} ${file}.damaged`,
      cause: failure,
    });
  }
}

/** The public half by itself; null before any record was signed here. */
export function readPublicKey(file: string): string | null {
  const pem = readOrNull(file);
  if (pem === null) return null;
  try {
    return spki(crypto.createPublicKey(pem));
  } catch (failure) {
    throw new BottleError('audit_invalid', { message: `${file} is not a public key in PEM`, cause: failure });
  }
}

export function verifySignature(publicKey: string, text: string, signature: string): boolean {
  try {
    const key = crypto.createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519') return false;
    return crypto.verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
  } catch (failure) {
    // What OpenSSL can't read as a key or signature is none.
    if (failure instanceof Error && 'code' in failure) return false;
    throw failure;
  }
}

/** Many launches may be the first at once: one file gets the name, and all read that one. */
function makeKey(home: string, file: string): string {
  const { privateKey } = crypto.generateKeyPairSync('ed25519');
  const temporary = `${file}.${crypto.randomBytes(6).toString('hex')}`;
  fs.writeFileSync(temporary, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flush: true });
  try {
    fs.linkSync(temporary, file);
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'EEXIST')) throw failure;
  } finally {
    fs.rmSync(temporary);
  }
  const pem = fs.readFileSync(file, 'utf8');
  const exported = crypto.createPublicKey(pem).export({ format: 'pem', type: 'spki' });
  fs.writeFileSync(path.join(home, AUDIT_PUBLIC_FILE), exported, { mode: 0o644 });
  return pem;
}

function keyOf(key: crypto.KeyObject): AuditKey {
  if (key.asymmetricKeyType !== 'ed25519') throw new BottleError('state_invalid', { message: 'not an Ed25519 key' });
  const publicKey = spki(crypto.createPublicKey(key));
  return {
    publicKey,
    keyId: sha256(publicKey),
    sign: (text) => crypto.sign(null, Buffer.from(text), key).toString('base64'),
  };
}

function spki(key: crypto.KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64');
}

function readOrNull(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
    throw failure;
  }
}
