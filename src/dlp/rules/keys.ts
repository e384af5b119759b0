import type { Rule } from '../rule.ts';
import { near, prefixed, vendor } from './shapes.ts';

/** A line break as files have it, and as strings in JSON and in shells have it. */
const BREAK = '(?:\\\\{1,2}[rn]|[\\s,"\'+])';
/** What RFC 1421 and OpenPGP put between the armour and the key: `Name: text`. */
const HEADERS = `(?:[A-Z][A-Za-z-]{2,24}: [^\r\n]{1,120}${BREAK}{1,8}){0,6}`;
const BODY = `((?:[A-Za-z0-9+/=]|${BREAK}){40,})`;

/** Private keys, whoever made them. */
export const KEY_RULES: readonly Rule[] = [
  ...vendor('PEM and OpenSSH', 'https://www.rfc-editor.org/rfc/rfc7468', [
    {
      id: 'private-key',
      keywords: ['-----BEGIN '],
      pattern: `-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY-----${BREAK}{1,8}${HEADERS}${BODY}`,
      secretGroup: 1,
      entropy: 3,
      checksum: 'mixed',
      severity: 'critical',
      examples: {
        match: [
          '-----BEGIN RSA PRIVATE KEY-----\n{b64}\n{b64}\n-----END RSA PRIVATE KEY-----',
          '{"private_key": "-----BEGIN PRIVATE KEY-----\\n{b64}\\n{b64}\\n-----END PRIVATE KEY-----\\n"}',
          '-----BEGIN OPENSSH PRIVATE KEY-----\n{b70}\n{b70}\n',
          '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{X32}\n\n{b64}\n{b64}\n-----END RSA PRIVATE KEY-----',
        ],
        miss: [
          '-----BEGIN PUBLIC KEY-----\n{b64}\n{b64}\n-----END PUBLIC KEY-----',
          '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----',
          'text that names the line -----BEGIN PRIVATE KEY----- and goes on with words for a while, as documents do',
        ],
      },
    },
    {
      id: 'pgp-private-key',
      keywords: ['-----BEGIN PGP'],
      pattern: `-----BEGIN PGP PRIVATE KEY BLOCK-----${BREAK}{1,8}${HEADERS}${BODY}`,
      secretGroup: 1,
      entropy: 3,
      checksum: 'mixed',
      severity: 'critical',
      examples: {
        match: [
          '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{b64}\n{b64}\n={b4}\n-----END PGP PRIVATE KEY BLOCK-----',
          '"-----BEGIN PGP PRIVATE KEY BLOCK-----\\nVersion: GnuPG v2\\n\\n{b64}\\n{b64}\\n"',
        ],
        miss: [
          '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{b64}\n{b64}\n-----END PGP PUBLIC KEY BLOCK-----',
          '-----BEGIN PGP PRIVATE KEY BLOCK-----\n-----END PGP PRIVATE KEY BLOCK-----',
        ],
      },
    },
    {
      id: 'private-key-base64',
      keywords: ['LS0tLS1CRUdJTi'],
      pattern:
        'LS0tLS1CRUdJTi(?:BQUklWQVRF|BFQyBQUklWQVRF|BSU0EgUFJJVkFURS|BPUEVOU1NIIFBSSVZBVE|BFTkNSWVBURUQgUFJJVkFUR)[A-Za-z0-9+/]{60,}={0,2}',
      severity: 'critical',
      entropy: 3.5,
      examples: {
        match: ['client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURS{b80}==', '"LS0tLS1CRUdJTiBQUklWQVRF{b200}"'],
        miss: ['LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS{b80}', 'LS0tLS1CRUdJTiBQUklWQVRF{b59}"'],
      },
    },
    {
      id: 'ssh2-private-key',
      keywords: ['---- BEGIN SSH2'],
      pattern: '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\\s{1,4}[^-]{40,}',
      severity: 'critical',
      entropy: 3,
      examples: {
        match: [
          '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{b64}\n{b64}\n',
          '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\r\nComment: "me"\r\n{b70}\r\n',
        ],
        miss: ['---- BEGIN SSH2 PUBLIC KEY ----\n{b64}\n', '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{b20}\n'],
      },
    },
    {
      id: 'putty-private-key',
      keywords: ['PuTTY-User-Key-File-'],
      pattern:
        'PuTTY-User-Key-File-[23]: [\\w@.-]{3,40}\\s{1,3}Encryption: (?s:.){10,400}?Private-Lines: [0-9]{1,3}\\s{1,3}[A-Za-z0-9+/=\\s]{40,}',
      severity: 'critical',
      examples: {
        match: [
          'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\n{b64}\nPrivate-Lines: 1\n{b48}\nPrivate-MAC: {x64}',
          'PuTTY-User-Key-File-2: ssh-rsa\r\nEncryption: aes256-cbc\r\nComment: me\r\nPublic-Lines: 1\r\n{b64}\r\nPrivate-Lines: 8\r\n{b64}\r\n{b64}\r\n',
        ],
        miss: [
          'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\n{b64}\n',
          'PuTTY-User-Key-File-9: x\nEncryption: none',
        ],
      },
    },
  ]),
  ...vendor('JSON Web Key', 'https://www.rfc-editor.org/rfc/rfc7517', [
    {
      id: 'jwk-private-key',
      keywords: ['"d"'],
      pattern: '"d"\\s{0,3}:\\s{0,3}"([\\w-]{43,700})"',
      secretGroup: 1,
      entropy: 4.2,
      severity: 'critical',
      examples: {
        match: [
          '{"kty":"EC","crv":"P-256","x":"{w43}","y":"{w43}","d":"{w43}"}',
          '{"kty": "RSA", "e": "AQAB", "d": "{w342}"}',
        ],
        miss: ['{"kty":"EC","crv":"P-256","x":"{w43}","y":"{w43}"}', '{"d":"{x64}"}', '{"d":"{w42}"}'],
      },
    },
    {
      id: 'jwk-symmetric-key',
      keywords: ['"k"'],
      pattern: '"k"\\s{0,3}:\\s{0,3}"([\\w-]{43,200})"',
      secretGroup: 1,
      entropy: 4.2,
      severity: 'critical',
      examples: {
        match: ['{"kty":"oct","alg":"HS256","k":"{w43}"}', '{"k": "{w86}", "kty": "oct"}'],
        miss: ['{"k":"{x64}"}', '{"kid":"{w43}"}'],
      },
    },
  ]),
  ...vendor('age', 'https://age-encryption.org/v1', [
    prefixed('age-secret-key', 'AGE-SECRET-KEY-1', '[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}', '{K58}', 'critical'),
  ]),
  ...vendor('WireGuard', 'https://www.wireguard.com/quickstart/', [
    {
      id: 'wireguard-private-key',
      keywords: ['PrivateKey', 'PresharedKey'],
      pattern: '(?i:PrivateKey|PresharedKey)\\s{0,3}=\\s{0,3}([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)',
      secretGroup: 1,
      entropy: 3.8,
      severity: 'critical',
      examples: {
        match: ['[Interface]\nPrivateKey = {b42}A=', 'PresharedKey={b42}8='],
        miss: ['PublicKey = {b42}A=', 'PrivateKey = {b41}A='],
      },
    },
  ]),
  ...vendor('Nostr', 'https://github.com/nostr-protocol/nips/blob/master/19.md', [
    prefixed('nostr-secret-key', 'nsec1', '[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}', '{k58}', 'critical'),
  ]),
  ...vendor('Bitcoin', 'https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki', [
    prefixed('extended-private-key', 'xprv', '[1-9A-HJ-NP-Za-km-z]{107}', '{c107}', 'critical'),
    near('bitcoin-wif', ['bitcoin', 'privkey', 'wif'], '[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}', 'K{c50}', 'critical', {
      entropy: 3,
    }),
  ]),
  ...vendor('Ethereum', 'https://ethereum.org/developers/docs/accounts/', [
    near(
      'ethereum-private-key',
      ['private_key', 'privatekey', 'eth_key', 'wallet_key', 'deployer_key'],
      '(?:0x)?[0-9a-fA-F]{64}',
      '0x{x64}',
      'critical',
      { entropy: 3 },
    ),
  ]),
  ...vendor('Web frameworks', 'https://docs.djangoproject.com/en/stable/ref/settings/#secret-key', [
    prefixed('django-secret-key', 'django-insecure-', '[a-z0-9!@#$%^&*(_=+)-]{40,60}', '{a40}', 'high'),
    near('rails-master-key', ['rails_master_key', 'master_key'], '[0-9a-f]{32}', '{x32}', 'critical'),
    near('rails-secret-key-base', ['secret_key_base'], '[0-9a-f]{64,128}', '{x64}', 'critical'),
    {
      id: 'laravel-app-key',
      keywords: ['APP_KEY'],
      pattern: 'APP_KEY["\']?\\s{0,3}[=:]\\s{0,3}["\']?base64:([A-Za-z0-9+/]{43}=)',
      secretGroup: 1,
      entropy: 3.8,
      severity: 'critical',
      examples: {
        match: ['APP_KEY=base64:{b43}=', "'APP_KEY' : 'base64:{b43}='"],
        miss: ['APP_KEY=base64:{b42}=', 'APP_NAME=base64:{b43}='],
      },
    },
  ]),
];
