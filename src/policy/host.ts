import type { Brand } from '../kernel/brand.ts';
import { err, ok, type Result } from '../kernel/result.ts';

/**
 * The one host matcher and normaliser. The host that is matched is the host that is dialled, so every spelling of a
 * name (letter case, IDNA, trailing dot, odd IPv4 forms) becomes one form here, by the URL standard's host parser,
 * and nowhere else.
 */
export type NormalHost = Brand<string, 'NormalHost'>;

export interface HostPattern {
  /** `wildcard`: any depth below `host`, never `host` itself, never an address. */
  readonly kind: 'exact' | 'wildcard' | 'literal';
  readonly host: string;
  readonly port: number | null;
}

/** RFC 1035 section 2.3.4, without the trailing dot. */
const NAME_MAX = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** What no URL has in its host, and what would end one. */
const NO_HOST = /[\s/?#@\\%<>^|`{}]/;

export function normaliseHost(raw: string): Result<NormalHost, string> {
  if (raw === '') return err('no host');
  if (NO_HOST.test(raw)) return err('a character that no host has');
  const bracketed = raw.startsWith('[');
  const literal = raw.includes(':') && !bracketed ? `[${raw}]` : raw;
  const url = `http://${literal}/`;
  const hostname = URL.parse(url)?.hostname;
  if (hostname === undefined) return err('not a host name or address');
  if (hostname.startsWith('[')) return ok(hostname.slice(1, -1) as NormalHost);
  return normaliseName(hostname.endsWith('.') ? hostname.slice(0, -1) : hostname);
}

function normaliseName(name: string): Result<NormalHost, string> {
  if (name === '' || name.length > NAME_MAX) return err('a name that is empty or too long');
  const wellFormed = name.split('.').every((label) => LABEL.test(label));
  return wellFormed ? ok(name as NormalHost) : err('a label that no name has');
}

/** True for what `normaliseHost` gives for an address: dotted IPv4, or IPv6 without brackets. */
export function isLiteral(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

export function parseHostSpec(spec: string): Result<HostPattern, string> {
  const wildcard = spec.startsWith('*.');
  const rest = wildcard ? spec.slice(2) : spec;
  if (rest.includes('*')) return err('a `*` stands only at the beginning, as `*.example.com`');
  const authority = parseAuthority(rest);
  if (!authority.ok) return authority;
  const { host, port } = authority.value;
  if (!isLiteral(host)) return ok({ kind: wildcard ? 'wildcard' : 'exact', host, port });
  return wildcard ? err('a wildcard over an address') : ok({ kind: 'literal', host, port });
}

/** `name`, `name:port`, `[v6]`, `[v6]:port`, or a bare v6 address. */
export function parseAuthority(
  text: string,
): Result<{ readonly host: NormalHost; readonly port: number | null }, string> {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text);
  const bareV6 = match === null && (text.match(/:/g)?.length ?? 0) > 1 && !text.includes('[');
  const [, hostText, portText] = match ?? [null, bareV6 ? text : '', undefined];
  const host = normaliseHost(hostText);
  if (!host.ok) return host;
  if (portText === undefined) return ok({ host: host.value, port: null });
  const port = Number(portText);
  return port >= 1 && port <= 65_535 ? ok({ host: host.value, port }) : err('a port outside 1 to 65535');
}

/** The counterpart of `parseAuthority`: IPv6 in brackets, the port where there is one. */
export function authorityText(authority: { readonly host: string; readonly port: number | null }): string {
  const { host, port } = authority;
  const name = isLiteral(host) && host.includes(':') ? `[${host}]` : host;
  return port === null ? name : `${name}:${String(port)}`;
}

export function matchesHost(pattern: HostPattern, host: NormalHost): boolean {
  if (pattern.kind === 'wildcard') return liesBelow(host, pattern.host);
  return pattern.host === host;
}

/** Whether a name lies below another, at any depth; never of an address, never of the name itself. */
export function liesBelow(host: string, above: string): boolean {
  return !isLiteral(host) && host.endsWith(`.${above}`);
}

/** What is kept for a host: under its own name, else under the longest name that it lies below. */
export function mostSpecific<Kept>(
  host: NormalHost,
  exact: ReadonlyMap<string, Kept>,
  wildcards: ReadonlyMap<string, Kept>,
): Kept | undefined {
  const own = exact.get(host);
  if (own !== undefined || wildcards.size === 0 || isLiteral(host)) return own;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const above = wildcards.get(host.slice(dot + 1));
    if (above !== undefined) return above;
  }
  return undefined;
}

/** Whether a place to listen on can be reached from this machine alone. */
export function isLoopbackHost(host: string): boolean {
  const normal = normaliseHost(host);
  if (!normal.ok) return false;
  return normal.value === 'localhost' || normal.value === '::1' || /^127\.\d+\.\d+\.\d+$/.test(normal.value);
}

/** A host as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
