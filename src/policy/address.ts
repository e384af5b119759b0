import ipaddr from 'ipaddr.js';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Permit } from './permit.ts';

/**
 * Which addresses may be dialled (SECURITY S21): only globally reachable ones, by the IANA special-purpose registries
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry), unless the route names
 * that very address. One bad answer among several refuses them all: it is a rebinding in the making.
 */
const FORBIDDEN_V4: readonly (readonly [cidr: string, why: string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared address space'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local, cloud metadata'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'IETF protocol assignments'],
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'AS112'],
  ['192.52.193.0/24', 'AMT'],
  ['192.88.99.0/24', '6to4 relay'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'AS112'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['168.63.129.16/32', 'cloud metadata'],
  ['100.100.100.200/32', 'cloud metadata'],
];
const FORBIDDEN_V6: readonly (readonly [cidr: string, why: string])[] = [
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['64:ff9b:1::/48', 'local-use translation'],
  ['100::/64', 'discard'],
  ['100:0:0:1::/64', 'dummy prefix'],
  ['2001:2::/48', 'benchmarking'],
  ['2001:10::/28', 'deprecated ORCHID'],
  ['2001:20::/28', 'ORCHIDv2'],
  ['2001:db8::/32', 'documentation'],
  ['2620:4f:8000::/48', 'AS112'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment routing'],
  ['fc00::/7', 'unique local, cloud metadata'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
];
/** Forms that carry an IPv4 address inside; what they carry is judged too. */
const CARRIERS = {
  mapped: '::ffff:0:0/96',
  compatible: '::/96',
  translated: '::ffff:0:0:0/96',
  nat64: '64:ff9b::/96',
  sixToFour: '2002::/16',
  teredo: '2001::/32',
} as const;

type Range = readonly [network: ipaddr.IPv4 | ipaddr.IPv6, bits: number, why: string];
const parseRanges = (list: readonly (readonly [string, string])[]): readonly Range[] =>
  list.map(([cidr, why]) => [...ipaddr.parseCIDR(cidr), why] as const);
const RANGES_V4 = parseRanges(FORBIDDEN_V4);
const RANGES_V6 = parseRanges(FORBIDDEN_V6);

/** The answers in order when all of them may be dialled, else why not. */
export function checkAddresses(
  permit: Pick<Permit, 'literal' | 'host'>,
  answers: readonly string[],
  hostAddresses: readonly string[],
): Result<readonly string[], string> {
  if (answers.length === 0) return err(`${permit.host} has no address`);
  if (permit.literal) return ok(answers);
  const own = new Set(hostAddresses.map(canonical));
  for (const answer of answers) {
    const why = own.has(canonical(answer)) ? 'an address of this machine' : forbiddenBecause(answer);
    if (why !== null) return err(`${permit.host} resolves to ${answer}, which is ${why}`);
  }
  return ok(answers);
}

/** Why an address is not globally reachable, or null when it is. */
export function forbiddenBecause(text: string): string | null {
  if (!ipaddr.isValid(text) || text.includes('%')) return 'not a plain address';
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv4) return inRanges(address, RANGES_V4);
  const plain = inRanges(address, RANGES_V6);
  if (plain !== null) return plain;
  const carried = carriedV4(address);
  if (carried !== null) return `an IPv4 address in disguise (${carried.toString()})`;
  const globalUnicast = address.match(ipaddr.IPv6.parse('2000::'), 3);
  return globalUnicast ? null : 'outside global unicast';
}

/** IPv6 forms are refused whatever they carry: nobody's honest AAAA answer looks so, and the translation is not ours to know. */
function carriedV4(address: ipaddr.IPv6): ipaddr.IPv4 | null {
  const bytes = address.toByteArray();
  for (const [form, cidr] of Object.entries(CARRIERS)) {
    const [network, bits] = ipaddr.IPv6.parseCIDR(cidr);
    if (!address.match(network, bits)) continue;
    const from = form === 'sixToFour' ? 2 : 12;
    const inverted = form === 'teredo' ? 0xff : 0;
    return new ipaddr.IPv4(bytes.slice(from, from + 4).map((byte) => byte ^ inverted));
  }
  return null;
}

function inRanges(address: ipaddr.IPv4 | ipaddr.IPv6, ranges: readonly Range[]): string | null {
  const found = ranges.find(([network, bits]) => {
    if (address instanceof ipaddr.IPv4) return network instanceof ipaddr.IPv4 && address.match(network, bits);
    return network instanceof ipaddr.IPv6 && address.match(network, bits);
  });
  return found?.[2] ?? null;
}

function canonical(text: string): string {
  const bare = text.split('%', 1)[0] ?? text;
  return ipaddr.isValid(bare) ? ipaddr.parse(bare).toNormalizedString() : bare;
}
