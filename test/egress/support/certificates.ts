import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/platform/clock.ts';
import { createBottleCa, createLeafMinter, type Leaf } from '../../../src/platform/tls-ca.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { upstreamCa } from './origin.ts';

const shifted = (days: number): Clock => ({ ...systemClock, now: () => Date.now() + days * 24 * 3600 * 1000 });

export interface BadCertificate {
  readonly why: string;
  readonly leaf: Pick<Leaf, 'certificate' | 'key'>;
  /** What TLS says of it. */
  readonly code: string;
}

/** Certificates that an upstream called `host` may show, none of which is good. */
export function badCertificates(host: string): readonly BadCertificate[] {
  const { certificate, key } = createLeafMinter(upstreamCa, systemClock).mint(host);
  const stranger = createLeafMinter(createBottleCa(systemClock, 'stranger'), systemClock).mint(host);
  return [
    {
      why: 'another name',
      leaf: createLeafMinter(upstreamCa, systemClock).mint('other.example.com'),
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    { why: 'expired', leaf: createLeafMinter(upstreamCa, shifted(-200)).mint(host), code: 'CERT_HAS_EXPIRED' },
    { why: 'not valid yet', leaf: createLeafMinter(upstreamCa, shifted(200)).mint(host), code: 'CERT_NOT_YET_VALID' },
    { why: 'self-signed', leaf: selfSigned(host), code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    { why: 'an authority nobody trusts', leaf: stranger, code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    {
      why: 'a chain that does not belong to it',
      leaf: { certificate: `${leafOf(stranger.certificate)}${upstreamCa.certificate}`, key: stranger.key },
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    },
    {
      why: 'the authority itself',
      leaf: { certificate: upstreamCa.certificate, key: upstreamCa.key },
      code: 'INVALID_PURPOSE',
    },
    {
      why: 'the certificate of a leaf as the authority of another',
      leaf: signedByLeaf(host, certificate, key),
      code: 'UNSPECIFIED',
    },
  ];
}

const leafOf = (chain: string): string => chain.slice(0, chain.indexOf('-----END CERTIFICATE-----') + 26);

/** What people make by hand: a certificate for the right name that signs itself. */
function selfSigned(host: string): Pick<Leaf, 'certificate' | 'key'> {
  return openssl(host, []);
}

/** A good leaf used as an authority, which it may not be. */
function signedByLeaf(host: string, certificate: string, key: string): Pick<Leaf, 'certificate' | 'key'> {
  const made = openssl(host, [
    ['ca.pem', leafOf(certificate), '-CA'],
    ['ca-key.pem', key, '-CAkey'],
  ]);
  return { certificate: `${made.certificate}${certificate}`, key: made.key };
}

function openssl(
  host: string,
  files: readonly (readonly [string, string, string])[],
): Pick<Leaf, 'certificate' | 'key'> {
  const directory = mkdtempSync(join(tmpdir(), 'bot-bottle-certificate-'));
  const at = (name: string): string => join(directory, name);
  try {
    const signers = files.flatMap(([name, text, option]) => {
      writeFileSync(at(name), text);
      return [option, at(name)];
    });
    const extensions = [`subjectAltName=DNS:${host}`, 'basicConstraints=CA:FALSE'].flatMap((text) => ['-addext', text]);
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key.pem')];
    const named = ['-subj', `/CN=${host}`, '-days', '1', ...extensions, '-out', at('cert.pem')];
    execFileSync('openssl', ['req', '-x509', ...newKey, ...named, ...signers], { stdio: 'ignore' });
    return { certificate: readFileSync(at('cert.pem'), 'utf8'), key: readFileSync(at('key.pem'), 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
