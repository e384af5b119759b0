import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { createBottleCa, createLeafMinter } from '../../src/platform/tls-ca.ts';

const ca = createBottleCa(systemClock, 'reviewer-k3x9q');
const minter = createLeafMinter(ca, systemClock);

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bot-bottle-ca-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** OpenSSL in its strict mode is the pickiest reader there is of RFC 5280. */
function opensslAccepts(leaf: string, ...checks: readonly string[]): boolean {
  const caFile = join(directory, 'ca.pem');
  const leafFile = join(directory, 'leaf.pem');
  writeFileSync(caFile, ca.certificate);
  writeFileSync(leafFile, leaf);
  try {
    execFileSync(
      'openssl',
      ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', caFile, ...checks, leafFile],
      { stdio: 'pipe' },
    );
    return true;
  } catch (failure) {
    if (failure instanceof Error && 'status' in failure && failure.status === 2) return false;
    throw failure;
  }
}

describe('the bottle CA', () => {
  it.each([
    { name: 'api.example.com', checks: ['-verify_hostname', 'api.example.com'], accepted: true, why: 'its own name' },
    { name: 'api.example.com', checks: ['-verify_hostname', 'example.com'], accepted: false, why: 'another name' },
    { name: '192.0.2.7', checks: ['-verify_ip', '192.0.2.7'], accepted: true, why: 'an IPv4 literal' },
    { name: '2001:db8::7', checks: ['-verify_ip', '2001:db8::7'], accepted: true, why: 'an IPv6 literal' },
    { name: '192.0.2.7', checks: ['-verify_ip', '192.0.2.8'], accepted: false, why: 'another address' },
    {
      name: `${'a'.repeat(63)}.${'b'.repeat(63)}.example`,
      checks: [],
      accepted: true,
      why: 'longer than a common name may be',
    },
    { name: '_egress.local', checks: [], accepted: true, why: 'underscores occur in names' },
  ])('$name is accepted: $accepted ($why)', ({ name, checks, accepted }) => {
    expect(opensslAccepts(minter.mint(name).certificate, ...checks)).toBe(accepted);
  });

  it('signs leaves that can sign nothing themselves', () => {
    const leaf = new X509Certificate(minter.mint('api.example.com').certificate);
    expect(leaf.ca).toBe(false);
    expect(new X509Certificate(ca.certificate).ca).toBe(true);
  });

  it('uses one key for all names, and a new serial number for each', () => {
    const leaves = ['a.example', 'b.example'].map((name) => minter.mint(name));
    expect(leaves[0]?.key).toBe(leaves[1]?.key);
    expect(new Set(leaves.map((leaf) => new X509Certificate(leaf.certificate).serialNumber)).size).toBe(2);
  });

  it('is refused with the key of another', () => {
    const other = createBottleCa(systemClock, 'other');
    expect(() => createLeafMinter({ certificate: ca.certificate, key: other.key }, systemClock)).toThrow(
      'do not belong together',
    );
  });

  it('names a leaf exactly, whatever the name', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 6 }), (labels) => {
        const name = labels.join('.');
        const leaf = new X509Certificate(minter.mint(name).certificate);
        expect(leaf.subjectAltName).toBe(`DNS:${name}`);
        expect(leaf.verify(new X509Certificate(ca.certificate).publicKey)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('backdates, and ends a leaf within 398 days', () => {
    const { validFromDate, validToDate } = new X509Certificate(minter.mint('api.example.com').certificate);
    expect(validFromDate.getTime()).toBeLessThan(systemClock.now());
    expect(validToDate.getTime() - validFromDate.getTime()).toBeLessThan(398 * 24 * 3600 * 1000);
  });
});
