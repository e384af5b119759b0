import assert from 'node:assert/strict';
import {
  authorityText,
  isLiteral,
  matchesHost,
  normaliseHost,
  parseAuthority,
  parseHostSpec,
} from '../../../src/policy/host.ts';
import type { FuzzTarget } from '../target.ts';

/**
 * The host that is matched is the host that is dialled: a normal form is its own normal form, the URL standard's parser
 * agrees with it, and a name that an exact pattern matches is that very name.
 */
export const hostNames: FuzzTarget = {
  name: 'host-names',
  corpus: [
    'api.example.com',
    'API.Example.COM.',
    'xn--mnchen-3ya.example:8443',
    '127.1',
    '0x7f.0.0.1',
    '017700000001',
    '[::ffff:127.0.0.1]:443',
    '::1',
    '[fe80::1%25eth0]',
    '10.0.0.1.nip.io',
    'a_b.example',
    '*.example.com',
  ],
  dictionary: [
    '.',
    ':',
    '[',
    ']',
    '%',
    '0x',
    '0',
    'xn--',
    '*.',
    '@',
    '/',
    '\\',
    '\t',
    '\xe3\x80\x82',
    '\xc2\xad',
    '::',
    '-',
    '_',
    ':443',
  ],
  iterations: 4000,
  check(input) {
    const text = Buffer.from(input).toString('utf8');
    const host = normaliseHost(text);
    if (host.ok) {
      const again = normaliseHost(host.value);
      assert.ok(again.ok && again.value === host.value, `${host.value} has another normal form`);
      const url = URL.parse(`https://${host.value.includes(':') ? `[${host.value}]` : host.value}/`);
      assert.equal(url?.hostname.replace(/^\[|\]$/g, ''), host.value, 'a URL of it leads elsewhere');
      assert.match(host.value, /^[0-9a-z_.:-]+$/);
    }
    const authority = parseAuthority(text);
    if (authority.ok) {
      const again = parseAuthority(authorityText(authority.value));
      assert.deepEqual(again, authority, 'it reads otherwise once written');
    }
    const spec = parseHostSpec(text);
    if (!spec.ok || !host.ok) return;
    const { kind, host: own } = spec.value;
    if (matchesHost(spec.value, host.value)) {
      if (kind === 'wildcard') assert.ok(host.value.endsWith(`.${own}`) && !isLiteral(host.value));
      else assert.equal(host.value, own);
    }
  },
};
