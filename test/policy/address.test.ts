import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkAddresses, forbiddenBecause } from '../../src/policy/address.ts';
import { normaliseHost, type NormalHost } from '../../src/policy/host.ts';

function hostOf(text: string): NormalHost {
  const host = normaliseHost(text);
  if (!host.ok) throw new Error(host.error);
  return host.value;
}
const NAMED = { host: hostOf('api.example.com'), literal: false };

/** First and last of each block, and the neighbours outside: `null` is globally reachable. */
const ROWS: readonly (readonly [address: string, why: RegExp | null])[] = [
  ['0.0.0.0', /this network/],
  ['0.255.255.255', /this network/],
  ['1.0.0.0', null],
  ['9.255.255.255', null],
  ['10.0.0.0', /private/],
  ['10.255.255.255', /private/],
  ['11.0.0.0', null],
  ['100.63.255.255', null],
  ['100.64.0.0', /shared/],
  ['100.100.100.200', /shared|metadata/],
  ['100.127.255.255', /shared/],
  ['100.128.0.0', null],
  ['126.255.255.255', null],
  ['127.0.0.1', /loopback/],
  ['127.255.255.255', /loopback/],
  ['128.0.0.0', null],
  ['168.63.129.15', null],
  ['168.63.129.16', /metadata/],
  ['168.63.129.17', null],
  ['169.253.255.255', null],
  ['169.254.0.0', /link-local/],
  ['169.254.169.254', /metadata/],
  ['169.254.255.255', /link-local/],
  ['169.255.0.0', null],
  ['172.15.255.255', null],
  ['172.16.0.0', /private/],
  ['172.31.255.255', /private/],
  ['172.32.0.0', null],
  ['191.255.255.255', null],
  ['192.0.0.0', /protocol assignments/],
  ['192.0.0.170', /protocol assignments/],
  ['192.0.0.192', /protocol assignments/],
  ['192.0.1.0', null],
  ['192.0.2.1', /documentation/],
  ['192.0.3.0', null],
  ['192.31.196.1', null],
  ['192.52.193.1', null],
  ['192.88.99.1', /6to4/],
  ['192.167.255.255', null],
  ['192.168.0.0', /private/],
  ['192.168.255.255', /private/],
  ['192.169.0.0', null],
  ['192.175.48.1', null],
  ['198.17.255.255', null],
  ['198.18.0.0', /benchmarking/],
  ['198.19.255.255', /benchmarking/],
  ['198.20.0.0', null],
  ['198.51.100.7', /documentation/],
  ['203.0.113.7', /documentation/],
  ['223.255.255.255', null],
  ['224.0.0.1', /multicast/],
  ['239.255.255.255', /multicast/],
  ['240.0.0.0', /reserved/],
  ['255.255.255.255', /reserved/],
  ['::', /unspecified/],
  ['::1', /loopback/],
  ['::2', /disguise/],
  ['::7f00:1', /disguise.*127\.0\.0\.1/],
  ['::ffff:7f00:1', /disguise.*127\.0\.0\.1/],
  ['::ffff:127.0.0.1', /disguise.*127\.0\.0\.1/],
  ['::ffff:808:808', /disguise.*8\.8\.8\.8/],
  ['::ffff:0:a00:1', /disguise.*10\.0\.0\.1/],
  ['64:ff9b::a00:1', /10\.0\.0\.1 behind NAT64/],
  ['64:ff9b::a9fe:a9fe', /169\.254\.169\.254 behind NAT64/],
  ['64:ff9b::808:808', null],
  ['64:ff9b:1::808:808', /local-use translation/],
  ['100::1', /discard/],
  ['100:0:0:1::1', /dummy/],
  ['1fff:ffff::1', /outside global unicast/],
  ['2000::1', null],
  ['2001::1', /disguise/],
  ['2001:0:4136:e378:8000:63bf:80ff:fffe', /disguise.*127\.0\.0\.1/],
  ['2001:1::', /protocol assignments/],
  ['2001:1::1', null],
  ['2001:1::2', null],
  ['2001:1::3', null],
  ['2001:1::4', /protocol assignments/],
  ['2001:2::1', /protocol assignments/],
  ['2001:3::1', null],
  ['2001:4:112::1', null],
  ['2001:4:113::1', /protocol assignments/],
  ['2001:10::1', /protocol assignments/],
  ['2001:20::1', null],
  ['2001:3f:ffff::1', null],
  ['2001:40::1', /protocol assignments/],
  ['2001:1ff:ffff::1', /protocol assignments/],
  ['2001:200::1', null],
  ['2001:db7:ffff::1', null],
  ['2001:db8::1', /documentation/],
  ['2001:db9::1', null],
  ['2002:7f00:1::1', /disguise.*127\.0\.0\.1/],
  ['2002:808:808::1', /disguise.*8\.8\.8\.8/],
  ['2003::1', null],
  ['2606:4700:4700::1111', null],
  ['2620:4f:8000::1', null],
  ['3ffe::1', null],
  ['3fff::1', /documentation/],
  ['3fff:fff:ffff::1', /documentation/],
  ['3fff:1000::1', null],
  ['4000::1', /outside global unicast/],
  ['5f00::1', /segment routing/],
  ['fc00::1', /unique local/],
  ['fd00:ec2::254', /metadata/],
  ['fe80::1', /link-local/],
  ['fec0::1', /site-local/],
  ['ff02::1', /multicast/],
];

describe('S21 only globally reachable addresses', () => {
  it.each(ROWS)('%s: %s', (address, why) => {
    const found = forbiddenBecause(address);
    if (why === null) expect(found).toBeNull();
    else expect(found).toMatch(why);
  });
});

/** Texts that other parsers read as an address of their own choosing. */
const ODD = [
  ...['', 'a', '1', '1.1', '1.1.1', '1.1.1.1.', '.1.1.1.1', ' 1.1.1.1', '1.1.1.1 ', '1.1.1.1/8', '1.1.1.256'],
  ...['01.1.1.1', '010.1.1.1', '08.1.1.1', '0x1.1.1.1', '1.1.1.0x7f', '0177.0.0.1', '16843009', '0x01010101'],
  ...['[2606:4700::1]', '2606:4700::1%eth0', 'fe80::1%1', '2606:4700::1.1.1.1', '2606:4700:::1', '2606:4700::12345'],
  ...['１.1.1.1', '1。1.1.1', '1.1.1.1\0', '-1.1.1.1', '+1.1.1.1', '1e0.1.1.1'],
];

describe('S21 an answer has one spelling', () => {
  it.each(ODD)('%j is refused', (text) => {
    expect(forbiddenBecause(text)).not.toBeNull();
    expect(checkAddresses(NAMED, [text], []).ok).toBe(false);
    expect(checkAddresses({ host: hostOf('1.1.1.1'), literal: true }, [text], []).ok).toBe(false);
  });
});

describe('S21 all answers count', () => {
  it('lets all through in their order', () => {
    const answers = ['1.1.1.1', '2606:4700::1', '9.9.9.9'];
    expect(checkAddresses(NAMED, answers, ['192.0.2.1'])).toEqual({ ok: true, value: answers });
  });

  it('refuses a name without an address', () => {
    expect(checkAddresses(NAMED, [], []).ok).toBe(false);
  });

  it.each([0, 1, 2])('refuses all for one bad answer, at place %i', (place) => {
    const answers = ['1.1.1.1', '9.9.9.9'].toSpliced(place, 0, '10.0.0.1');
    expect(checkAddresses(NAMED, answers, [])).toMatchObject({ ok: false, error: expect.stringContaining('10.0.0.1') });
  });

  const OWN: readonly (readonly [answer: string, own: string])[] = [
    ['1.1.1.1', '1.1.1.1'],
    ['2606:4700::1', '2606:4700:0:0::1'],
    ['2606:4700::a', '2606:4700::A'],
    ['2606:4700::1', '2606:4700::1%eth0'],
    ['64:ff9b::101:101', '1.1.1.1'],
  ];
  it.each(OWN)('%s is refused on a machine that has %s', (answer, own) => {
    expect(checkAddresses(NAMED, [answer], ['192.0.2.9', own])).toMatchObject({
      ok: false,
      error: expect.stringContaining('this machine'),
    });
  });
});

describe('S21 a literal opens itself and nothing else', () => {
  const OPENED: readonly (readonly [host: string, answer: string, opened: boolean])[] = [
    ['10.0.0.1', '10.0.0.1', true],
    ['127.0.0.1', '127.0.0.1', true],
    ['::1', '::1', true],
    ['fd00::1', 'fd00:0:0::1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['10.0.0.1', '::ffff:10.0.0.1', false],
    ['10.0.0.1', '64:ff9b::a00:1', false],
    ['1.1.1.1', '9.9.9.9', false],
    ['::1', '127.0.0.1', false],
  ];
  it.each(OPENED)('the route names %s, the address is %s: %s', (host, answer, opened) => {
    expect(checkAddresses({ host: hostOf(host), literal: true }, [answer], [answer]).ok).toBe(opened);
  });

  it('not even beside itself', () => {
    expect(checkAddresses({ host: hostOf('10.0.0.1'), literal: true }, ['10.0.0.1', '10.0.0.2'], []).ok).toBe(false);
  });
});

describe('S21 properties', () => {
  it('no text that is no address is let through, and none throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4Extended(), fc.ipV6(), fc.domain()), (text) => {
        const plainV4 = /^(?:\d{1,3}\.){3}\d{1,3}$/.test(text);
        if (forbiddenBecause(text) === null) expect(plainV4 || text.includes(':')).toBe(true);
      }),
    );
  });

  it('whatever is forbidden in IPv4 is forbidden in every IPv6 form of it', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        if (forbiddenBecause(address) === null) return;
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
        const [high, low] = [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
        for (const form of [
          `::${high}:${low}`,
          `::ffff:${high}:${low}`,
          `::ffff:${address}`,
          `64:ff9b::${high}:${low}`,
        ])
          expect(forbiddenBecause(form), form).not.toBeNull();
        expect(forbiddenBecause(`2002:${high}:${low}::1`)).not.toBeNull();
      }),
    );
  });
});
