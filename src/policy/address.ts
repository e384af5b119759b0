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
  ['192.88.99.0/24', '6to4 relay'],
  ['192.168.0.0/16', 'private'],
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
  ['2001::/23', 'IETF protocol assignments'],
  ['2001:db8::/32', 'documentation'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment routing'],
  ['fc00::/7', 'unique local, cloud metadata'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
];
/** What the registry opens again below `2001::/23`. */
const REACHABLE_V6: readonly (readonly [cidr: string, why: string])[] = [
  ['2001:1::1/128', 'Port Control Protocol anycast'],
  ['2001:1::2/128', 'TURN anycast'],
  ['2001:1::3/128', 'DNS-SD service registration anycast'],
  ['2001:3::/32', 'AMT'],
  ['2001:4:112::/48', 'AS112'],
  ['2001:20::/28', 'ORCHIDv2'],
  ['2001:30::/28', 'drone remote identification'],
];
/** IPv6 forms with an IPv4 address inside: refused whatever they carry, for nobody's honest answer looks so. */
const DISGUISES = [
  { form: 'mapped', range: ipaddr.IPv6.parseCIDR('::ffff:0:0/96'), at: 12, inverted: 0 },
  { form: 'compatible', range: ipaddr.IPv6.parseCIDR('::/96'), at: 12, inverted: 0 },
  { form: 'translated', range: ipaddr.IPv6.parseCIDR('::ffff:0:0:0/96'), at: 12, inverted: 0 },
  { form: '6to4', range: ipaddr.IPv6.parseCIDR('2002::/16'), at: 2, inverted: 0 },
  { form: 'Teredo', range: ipaddr.IPv6.parseCIDR('2001::/32'), at: 12, inverted: 0xff },
] as const;
/** `::` and `::1`, which are no IPv4 addresses although they lie among the compatible ones. */
const ONE_AND_NONE = ipaddr.IPv6.parseCIDR('::/127');
/** RFC 6052: what DNS64 answers for every IPv4 host where the network is IPv6 only; judged by what it carries. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

type Range = readonly [network: ipaddr.IPv4 | ipaddr.IPv6, bits: number, why: string];
const parseRanges = (list: readonly (readonly [string, string])[]): readonly Range[] =>
  list.map(([cidr, why]) => [...ipaddr.parseCIDR(cidr), why] as const);
const RANGES_V4 = parseRanges(FORBIDDEN_V4);
const RANGES_V6 = parseRanges(FORBIDDEN_V6);
const OPEN_V6 = parseRanges(REACHABLE_V6);

/** The answers in order when all of them may be dialled, else why not. */
export function checkAddresses(
  permit: Pick<Permit, 'literal' | 'host'>,
  answers: readonly string[],
  hostAddresses: readonly string[],
): Result<readonly string[], string> {
  if (answers.length === 0) return err(`${permit.host} has no address`);
  if (permit.literal) return onlyItself(permit.host, answers);
  const own = new Set(hostAddresses.map(endpoint));
  for (const answer of answers) {
    const why = own.has(endpoint(answer)) ? 'an address of this machine' : forbiddenBecause(answer);
    if (why !== null) return err(`${permit.host} resolves to ${answer}, which is ${why}`);
  }
  return ok(answers);
}

/** A route that names an address opens that one, whatever else an answer might hold. */
function onlyItself(host: string, answers: readonly string[]): Result<readonly string[], string> {
  const other = answers.find((answer) => !isPlain(answer) || canonical(answer) !== canonical(host));
  return other === undefined ? ok(answers) : err(`the route names ${host}, not ${other}`);
}

/** Why an address is not globally reachable, or null when it is. */
export function forbiddenBecause(text: string): string | null {
  if (!ipaddr.isValid(text) || text.includes('%')) return 'not a plain address';
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv4) return isPlain(text) ? inRanges(address, RANGES_V4) : 'not a plain address';
  return forbiddenV6(address) ?? (isPlain(text) ? null : 'not a plain address');
}

/** One spelling, one address: no octal, hexadecimal or short IPv4 (`0177.1`), no zone, no dotted tail. */
function isPlain(text: string): boolean {
  if (text.includes(':')) return ipaddr.IPv6.isValid(text) && !/[%.]/.test(text);
  return /^(?:(?:0|[1-9]\d{0,2})(?:\.|$)){4}$/.test(text) && ipaddr.IPv4.isValid(text);
}

function forbiddenV6(address: ipaddr.IPv6): string | null {
  if (inRanges(address, OPEN_V6) !== null) return null;
  const nat64 = address.match(NAT64) ? carriedBy(address, 12) : null;
  if (nat64 !== null) {
    const why = inRanges(nat64, RANGES_V4);
    return why === null ? null : `${nat64.toString()} behind NAT64, ${why}`;
  }
  const disguised = DISGUISES.find(({ range }) => address.match(range));
  if (disguised !== undefined && !address.match(ONE_AND_NONE)) {
    const carried = carriedBy(address, disguised.at, disguised.inverted);
    return `an IPv4 address in disguise (${carried.toString()}, ${disguised.form})`;
  }
  const globalUnicast = address.match(GLOBAL_UNICAST);
  return inRanges(address, RANGES_V6) ?? (globalUnicast ? null : 'outside global unicast');
}

function carriedBy(address: ipaddr.IPv6, at: number, inverted = 0): ipaddr.IPv4 {
  return new ipaddr.IPv4(
    address
      .toByteArray()
      .slice(at, at + 4)
      .map((byte) => byte ^ inverted),
  );
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

/** Where a connection to `text` ends: behind NAT64 that is the IPv4 address inside. */
function endpoint(text: string): string {
  const plain = canonical(text);
  const address = ipaddr.isValid(plain) ? ipaddr.parse(plain) : null;
  return address instanceof ipaddr.IPv6 && address.match(NAT64) ? carriedBy(address, 12).toString() : plain;
}
