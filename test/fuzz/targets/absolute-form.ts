import assert from 'node:assert/strict';
import { readFacts } from '../../../src/egress/request.ts';
import { bracketed, normaliseHost } from '../../../src/policy/host.ts';
import { parseRequestHead } from '../../../src/protocol/http1/head.ts';
import type { FuzzTarget } from '../target.ts';

/**
 * The target of a request to the explicit proxy: the host that the policy is asked about is the one that the URL
 * standard finds in it, the port too, and what is forwarded is the rest of it as it came.
 */
export const absoluteForm: FuzzTarget = {
  name: 'absolute-form',
  corpus: [
    'http://api.example.com/',
    'http://API.example.com.:8080/a/../b?c=d',
    'HTTP://[2001:db8::1]:80/x',
    'http://192.0.513/',
    'http://0xc0.0.2.1:0080?q',
    'http://xn--bcher-kva.example/%2e%2e/a',
    'http://a_b.example//c;d=e',
    'http://u:p@a.example/',
    'https://a.example:443/',
    '/just/a/path',
    'a.example:443',
  ],
  dictionary: [
    'http://',
    'HTTP:',
    '//',
    '@',
    ':',
    ':80',
    ':65536',
    '[',
    ']',
    '[::1]',
    '::ffff:7f00:1',
    '.',
    '%2e',
    '?',
    '/',
    '\\',
    ';',
    '127.1',
    '0x7f',
    '017700000001',
    'xn--',
    ',',
    '*',
  ],
  iterations: 4000,
  check(input) {
    const target = Buffer.from(input).toString('latin1');
    const parsed = parseRequestHead(Buffer.from(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`, 'latin1'));
    if (parsed.kind !== 'head' || parsed.head.target !== target) return;
    const facts = readFacts({ kind: 'proxy' }, parsed.head);
    if (!facts.ok) return;
    const { authority, target: forwarded, scheme } = facts.value;
    assert.equal(scheme, 'http');
    assert.ok(forwarded.startsWith('/'), 'what is forwarded is no path');
    assert.ok(`${target}/`.includes(forwarded.slice(1)), 'what is forwarded was not in it');
    assert.deepEqual(normaliseHost(authority.host), { ok: true, value: authority.host }, 'a host with another form');
    const url = URL.parse(target);
    assert.ok(url !== null, 'a host where the URL standard finds none');
    assert.equal(url.username + url.password, '');
    assert.equal(url.hostname.replace(/\.$/, ''), bracketed(authority.host));
    assert.equal(url.port === '' ? 80 : Number(url.port), authority.port);
  },
};
