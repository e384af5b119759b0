import { assertNever } from '../kernel/assert-never.ts';
import { BugError } from '../kernel/errors.ts';
import type { Header } from '../schema/header.ts';
import type { RouteAuth } from '../schema/route.ts';
import { decodings, parameterNames } from './decoding.ts';

/** One credential, ours (SECURITY S10): what the agent brings is taken away, then exactly one is put in. */
export interface Injection {
  readonly slot: number;
  readonly scheme: RouteAuth['scheme'];
  readonly name?: string;
}

/** Headers that say who is asking, in lower case. */
const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-auth-token',
  'private-token',
  'job-token',
]);
/** Headers that choose the account a credential acts for. */
const ACCOUNT_HEADERS: ReadonlySet<string> = new Set([
  'openai-organization',
  'openai-project',
  'chatgpt-account-id',
  'anthropic-organization-id',
  'x-goog-user-project',
  'x-amz-security-token',
]);
const CREDENTIAL_PARAMETERS: ReadonlySet<string> = new Set([
  'key',
  'api_key',
  'apikey',
  'access_token',
  'token',
  'auth',
]);

/** `Anthropic-Api-Key`, `X-Access-Token` and whatever else a vendor calls it; not `Idempotency-Key`, not `X-Csrf-Token`. */
const CREDENTIAL_SUFFIX =
  /(?:^|-)(?:(?:api|auth|access|secret|subscription|application)-?key|(?:api|auth|access|bearer|vault|subscription|deploy)-?token)$/;

/** As the servers behind CGI and its heirs see it: `X_Api.Key` is `X-Api-Key` to them. */
export function headerKey(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-');
}

export function isCredentialHeader(name: string): boolean {
  const key = headerKey(name);
  return CREDENTIAL_HEADERS.has(key) || CREDENTIAL_SUFFIX.test(key);
}

/** True when the agent's own request says who is asking, in a header or a parameter; cookies alone do not count. */
export function carriesCredential(headers: readonly Header[], query: string): boolean {
  return (
    headers.some(
      ([name, value]) => (isCredentialHeader(name) && headerKey(name) !== 'cookie') || isKeyProtocol(name, value),
    ) || splitQuery(query).some((pair) => parameterKeys(pair).some((name) => CREDENTIAL_PARAMETERS.has(name)))
  );
}

/** `Sec-WebSocket-Protocol: openai-insecure-api-key.sk-…` and its like. */
function isKeyProtocol(name: string, value: string): boolean {
  return headerKey(name) === 'sec-websocket-protocol' && /key|token|auth|bearer/i.test(value);
}

export function stripCredentials(
  request: { readonly target: string; readonly headers: readonly Header[] },
  auth: RouteAuth,
): { readonly target: string; readonly headers: readonly Header[] } {
  const own = auth.name;
  const headers = request.headers.filter(([name, value]) => {
    const key = headerKey(name);
    const named = own !== undefined && key === headerKey(own);
    return !(isCredentialHeader(name) || ACCOUNT_HEADERS.has(key) || named || isKeyProtocol(name, value));
  });
  const { path, query } = splitTarget(request.target);
  if (query === null) return { target: path, headers };
  const unwanted = new Set([...CREDENTIAL_PARAMETERS, ...(own === undefined ? [] : [parameterKey(own)])]);
  const kept = withoutPairs(query, (pair) => parameterKeys(pair).some((name) => unwanted.has(name)));
  return { target: kept === '' && query !== '' ? path : `${path}?${kept}`, headers };
}

/** The separators between the pairs that stay are those that were sent. */
function withoutPairs(query: string, unwanted: (pair: string) => boolean): string {
  const kept = `&${query}`.match(/[&;][^&;]*/g)?.filter((piece) => !unwanted(piece.slice(1))) ?? [];
  return kept.join('').slice(1);
}

export function splitTarget(target: string): { readonly path: string; readonly query: string | null } {
  const mark = target.indexOf('?');
  return mark === -1 ? { path: target, query: null } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

function splitQuery(query: string): readonly string[] {
  return query.split(/[&;]/);
}

/** The names that some server may read in a pair: decoded any number of times, split where the escapes hid a separator. */
function parameterKeys(pair: string): readonly string[] {
  return [...parameterNames(decodings(pair.split('=', 1)[0] ?? ''))].map(parameterKey);
}

/** To PHP and its heirs `access.token`, `access token` and `access[token` are `access_token`. */
function parameterKey(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '_');
}

/** Headers that a name of `auth` must not be: they frame the message, or say whose it is. */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

/** Why a credential can't be put in as `auth` says, or null. */
export function authProblem({ scheme, name }: RouteAuth): string | null {
  if (scheme !== 'header' || name === undefined) return null;
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return `auth.name ${name} is not the name of a header`;
  return RESERVED_NAMES.has(headerKey(name)) ? `auth.name ${name} is a header that has another meaning` : null;
}

/** Why a value can't travel in the way of a scheme, or null. What is encoded on its way may hold anything. */
export function valueProblem(scheme: RouteAuth['scheme'], value: string): string | null {
  if (scheme === 'Basic' || scheme === 'query') return null;
  if (value.trim() !== value) return 'begins or ends with a space or a line break';
  return /^[ -~]*$/.test(value) ? null : 'has a character that no header can carry';
}

/** Puts the credential in. Called after the scan, which must not see it; nothing scans it again. */
export function injectCredential(
  forward: { readonly target: string; readonly headers: readonly Header[] },
  injection: Injection,
  value: string,
): { readonly target: string; readonly headers: readonly Header[] } {
  const { target, headers } = forward;
  switch (injection.scheme) {
    case 'Bearer':
    case 'token':
      return { target, headers: [...headers, ['Authorization', `${injection.scheme} ${value}`]] };
    case 'Basic':
      return { target, headers: [...headers, ['Authorization', `Basic ${basicCredential(value)}`]] };
    case 'header':
      return { target, headers: [...headers, [nameOf(injection), value]] };
    case 'query': {
      const pair = `${encodeURIComponent(nameOf(injection))}=${encodeURIComponent(value)}`;
      const joint = !target.includes('?') ? '?' : target.endsWith('?') ? '' : '&';
      return { target: `${target}${joint}${pair}`, headers };
    }
    default:
      return assertNever(injection.scheme);
  }
}

function nameOf(injection: Injection): string {
  if (injection.name === undefined) throw new BugError(`scheme ${injection.scheme} without a name`);
  return injection.name;
}

/**
 * RFC 7617. A value with a colon is user and password already; a bare token goes as the password of `x-access-token`,
 * the user name that the code forges take beside any token.
 */
function basicCredential(value: string): string {
  return base64(new TextEncoder().encode(value.includes(':') ? value : `x-access-token:${value}`));
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 3) {
    const group = ((bytes[index] ?? 0) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0);
    const characters = bytes.length - index >= 3 ? 4 : bytes.length - index + 1;
    for (let sextet = 0; sextet < 4; sextet += 1) {
      text += sextet < characters ? ALPHABET.charAt((group >> (18 - 6 * sextet)) & 63) : '=';
    }
  }
  return text;
}
