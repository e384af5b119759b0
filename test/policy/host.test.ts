import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  authorityText,
  isLiteral,
  matchesHost,
  normaliseHost,
  parseAuthority,
  parseHostSpec,
} from '../../src/policy/host.ts';

const NAMES: readonly (readonly [raw: string, normal: string | null, why: string])[] = [
  ['example.com', 'example.com', 'as it is'],
  ['EXAMPLE.com', 'example.com', 'letter case'],
  ['example.com.', 'example.com', 'the root dot'],
  ['example.com..', null, 'two dots at the end'],
  ['.example.com', null, 'an empty first label'],
  ['a..b', null, 'an empty label'],
  ['.', null, 'the root'],
  ['', null, 'nothing'],
  ['localhost', 'localhost', 'a single label'],
  ['a_b.example.com', 'a_b.example.com', 'underscores stand in real names'],
  ['-a.example.com', null, 'a dash first'],
  ['a-.example.com', null, 'a dash last'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example', 'punycode'],
  ['bücher.example', 'xn--bcher-kva.example', 'IDNA'],
  ['BÜCHER.example', 'xn--bcher-kva.example', 'IDNA and letter case'],
  ['bu\u0308cher.example', 'xn--bcher-kva.example', 'IDNA composes'],
  ['faß.example', 'xn--fa-hia.example', 'the sharp s stays one'],
  ['ｅｘａｍｐｌｅ.com', 'example.com', 'full-width letters fold'],
  ['example。com', 'example.com', 'an ideographic dot is a dot'],
  ['ex\u00adample.com', 'example.com', 'a soft hyphen is nothing'],
  ['exam\u200bple.com', 'example.com', 'a zero-width space is nothing'],
  ['ⓔxample.com', 'example.com', 'circled letters fold'],
  ['xn--', null, 'empty punycode'],
  ['a b', null, 'a space'],
  ['a\tb', null, 'a tab, which URL parsers drop'],
  ['a\nb', null, 'a line end, which URL parsers drop'],
  ['a\0b', null, 'NUL'],
  ['a/b', null, 'a path'],
  ['a?b', null, 'a query'],
  ['a#b', null, 'a fragment'],
  ['a@b', null, 'a user name'],
  ['a\\b', null, 'a backslash'],
  ['a%2eb', null, 'an escape'],
  ['a%b', null, 'a percent sign'],
  ['a:80', null, 'a port is no part of a host'],
  ['*.example.com', null, 'a wildcard is a pattern, not a host'],
  ['a,b', null, 'a comma'],
  ["a'b", null, 'a quote'],
  ['a"b', null, 'a double quote'],
  ['a!b', null, 'an exclamation mark'],
  ['a$b', null, 'a dollar sign'],
  ['a(b)', null, 'parentheses'],
  [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`, 'the longest label'],
  [`${'a'.repeat(64)}.example`, null, 'a label too long'],
  [`${'a.'.repeat(126)}a`, `${'a.'.repeat(126)}a`, 'the longest name'],
  [`${'a.'.repeat(127)}a`, null, 'a name too long'],
  ['192.0.2.1', '192.0.2.1', 'IPv4'],
  ['192.0.2.1.', '192.0.2.1', 'IPv4 with a dot'],
  ['192.0.513', '192.0.2.1', 'three parts'],
  ['192.513', '192.0.2.1', 'two parts'],
  ['3221225985', '192.0.2.1', 'one part'],
  ['0300.0.2.1', '192.0.2.1', 'octal'],
  ['0xc0.0.2.1', '192.0.2.1', 'hexadecimal'],
  ['0xc0000201', '192.0.2.1', 'hexadecimal whole'],
  ['１９２.0.2.1', '192.0.2.1', 'full-width digits'],
  ['127.1', '127.0.0.1', 'short loopback'],
  ['0', '0.0.0.0', 'zero'],
  ['256.0.0.1', null, 'a byte too large'],
  ['1.2.3.4.5', null, 'five numbers'],
  ['1.2.3.08', null, 'no octal digit'],
  ['a.1', null, 'a number last is an address to URL parsers'],
  ['1.a', '1.a', 'a number first is a name'],
  ['4294967296', null, 'a number too large'],
  ['::1', '::1', 'IPv6 bare'],
  ['[::1]', '::1', 'IPv6 in brackets'],
  ['[0:0:0:0:0:0:0:1]', '::1', 'IPv6 in full'],
  ['2001:DB8::A', '2001:db8::a', 'IPv6 in capitals'],
  ['[::ffff:192.0.2.1]', '::ffff:c000:201', 'mapped'],
  ['[fe80::1%25eth0]', null, 'a zone'],
  ['fe80::1%eth0', null, 'a zone, bare'],
  ['[::1', null, 'half a bracket'],
  ['::1]', null, 'the other half'],
  ['[a.example]', null, 'a name in brackets'],
  ['[]', null, 'empty brackets'],
  ['1:2:3', null, 'too few groups'],
  // Facts of the URL standard's own tests (toascii.json, urltestdata.json of web-platform-tests).
  ['ab--c', 'ab--c', 'dashes in the third and fourth place'],
  ['xn--a', 'xn--a', 'punycode that decodes to nothing: letters to DNS, and to us'],
  ['xn--zn7c.com', 'xn--zn7c.com', 'punycode of the replacement character: the same'],
  ['xn--1ug.example', 'xn--1ug.example', 'punycode of a joiner without its neighbours: the same'],
  ['\u200d.example', null, 'such a joiner, written out'],
  ['\u064a.1', null, 'writing directions mixed in a name that ends in a number'],
  ['xn--tešla', null, 'punycode with a letter that it can not hold'],
  ['\ufffd.com', null, 'the replacement character'],
  ['0x7f.1', '127.0.0.1', 'hexadecimal and short'],
  ['0x', '0.0.0.0', 'hexadecimal of nothing'],
  ['0x.0x.0', '0.0.0.0', 'hexadecimal of nothing, in parts'],
  ['192.0.2.0x01', '192.0.2.1', 'one part in hexadecimal'],
  ['00000000000300.0xffffff', '192.255.255.255', 'octal with many zeros, and hexadecimal for the rest'],
  ['0300.0x1000000', null, 'more than an address holds'],
  ['1.2.3.4.', '1.2.3.4', 'an address with the root dot'],
  ['1.2.3.4..', null, 'an address with two'],
  ['foo.0x4', null, 'a last label that is a number in hexadecimal'],
  ['foo.09', null, 'a last label that is no number in octal'],
  ['127.0.0.1.nip.io', '127.0.0.1.nip.io', 'a name that resolves to what it spells: judged by its address'],
  ['[::127.0.0.1]', '::7f00:1', 'the compatible form'],
  ['[64:ff9b::7f00:1]', '64:ff9b::7f00:1', 'NAT64'],
  ['[1::1::1]', null, 'two gaps'],
  ['[::1.2.3]', null, 'a short IPv4 tail'],
  ['[0:0:0:0:0:0:0:0:0]', null, 'nine groups'],
];

describe('G-DENY a host has one form', () => {
  it.each(NAMES)('%j is %j: %s', (raw, normal) => {
    const host = normaliseHost(raw);
    expect(host.ok ? host.value : null).toBe(normal);
  });

  it('normalising again changes nothing', () => {
    const raw = fc.oneof(
      fc.domain(),
      fc.ipV4Extended(),
      fc.ipV6(),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom(...Array.from('aA.-_0x127[]:%ßé*')) }),
    );
    fc.assert(
      fc.property(raw, (text) => {
        const once = normaliseHost(text);
        if (once.ok) expect(normaliseHost(once.value)).toEqual(once);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('G-DENY host specifications', () => {
  const SPECS: readonly (readonly [spec: string, pattern: object | null])[] = [
    ['a.example', { kind: 'exact', host: 'a.example', port: null }],
    ['A.Example.', { kind: 'exact', host: 'a.example', port: null }],
    ['a.example:8443', { kind: 'exact', host: 'a.example', port: 8443 }],
    ['*.example.com', { kind: 'wildcard', host: 'example.com', port: null }],
    ['*.example.com:80', { kind: 'wildcard', host: 'example.com', port: 80 }],
    ['*.com', { kind: 'wildcard', host: 'com', port: null }],
    ['192.0.2.1', { kind: 'literal', host: '192.0.2.1', port: null }],
    ['192.513:80', { kind: 'literal', host: '192.0.2.1', port: 80 }],
    ['[::1]:80', { kind: 'literal', host: '::1', port: 80 }],
    ['::1', { kind: 'literal', host: '::1', port: null }],
    ['*', null],
    ['*.', null],
    ['*.*.example.com', null],
    ['a.*.example.com', null],
    ['a*.example.com', null],
    ['**.example.com', null],
    ['*example.com', null],
    ['*.192.0.2.1', null],
    ['*.127.1', null],
    ['*.[::1]', null],
    ['a.example:0', null],
    ['a.example:65536', null],
    ['a.example:', null],
    ['a.example:x', null],
    ['a.example:+1', null],
    ['a.example:080x', null],
    ['https://a.example', null],
    ['a.example/', null],
  ];
  it.each(SPECS)('%j', (spec, pattern) => {
    const parsed = parseHostSpec(spec);
    expect(parsed.ok ? parsed.value : null).toEqual(pattern);
  });

  it('an authority is read back as it was written', () => {
    const authority = fc.record({
      host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
      port: fc.option(fc.integer({ min: 1, max: 65_535 })),
    });
    fc.assert(
      fc.property(authority, ({ host, port }) => {
        const normal = normaliseHost(host);
        if (!normal.ok) return;
        const text = authorityText({ host: normal.value, port });
        expect(parseAuthority(text)).toEqual({ ok: true, value: { host: normal.value, port } });
      }),
    );
  });
});

describe('G-DENY what a pattern covers', () => {
  const COVERED: readonly (readonly [spec: string, host: string, covered: boolean])[] = [
    ['a.example', 'a.example', true],
    ['a.example', 'b.a.example', false],
    ['a.example', 'xa.example', false],
    ['*.a.example', 'b.a.example', true],
    ['*.a.example', 'c.b.a.example', true],
    ['*.a.example', 'a.example', false],
    ['*.a.example', 'xa.example', false],
    ['*.a.example', 'a.example.evil.example', false],
    ['*.1.example', '1.1.example', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['::1', '127.0.0.1', false],
  ];
  it.each(COVERED)('%s covers %s: %s', (spec, text, covered) => {
    const [pattern, host] = [parseHostSpec(spec), normaliseHost(text)];
    expect(pattern.ok && host.ok && matchesHost(pattern.value, host.value)).toBe(covered);
  });

  it('S21 a wildcard never covers its apex, and no address', () => {
    fc.assert(
      fc.property(fc.domain(), fc.oneof(fc.ipV4(), fc.ipV6()), (apex, address) => {
        const pattern = parseHostSpec(`*.${apex}`);
        const [name, literal, below] = [apex, address, `a.${apex}`].map(normaliseHost);
        if (!pattern.ok || name?.ok !== true || literal?.ok !== true || below?.ok !== true) return;
        expect(matchesHost(pattern.value, name.value)).toBe(false);
        expect(isLiteral(literal.value)).toBe(true);
        expect(matchesHost(pattern.value, literal.value)).toBe(false);
        expect(matchesHost(pattern.value, below.value)).toBe(true);
      }),
    );
  });
});
