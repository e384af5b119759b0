import { err, ok, type Result } from '../../kernel/result.ts';
import type { Header } from '../../schema/header.ts';
import { isConnectionField, isFieldName, isFieldValue } from './fields.ts';

/**
 * An HTTP/2 request's header list in the words of HTTP/1.1, so that one parser and one decision judge both. What the two
 * protocols could read differently is invalid here (RFC 9113 section 8, SECURITY S23). Names, methods, targets and
 * values meet the grammar of `http1/head.ts` afterwards; this file keeps what it gives from splitting a line there.
 */
export interface StreamRequest {
  readonly method: string;
  readonly target: string;
  /** Fields as HTTP/1.1 has them: Host first, cookies in one line, nothing that concerns the connection. */
  readonly headers: readonly Header[];
  /** The declared length of the body, or null when only the stream's end tells. */
  readonly length: number | null;
  /** Extended CONNECT for a WebSocket (RFC 8441): an upgrade in the words of HTTP/1.1. */
  readonly webSocket: boolean;
}

const PSEUDO = new Set([':method', ':scheme', ':authority', ':path', ':protocol']);
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const DECIMAL = /^(?:0|[1-9]\d{0,15})$/;

/** `endsWithHead`: the stream has no body. */
export function translateRequest(fields: readonly Header[], endsWithHead: boolean): Result<StreamRequest, string> {
  const split = splitPseudo(fields);
  if (!split.ok) return split;
  const { pseudo, regular } = split.value;
  const line = requestLine(pseudo);
  if (!line.ok) return line;
  const authority = authorityOf(pseudo, regular);
  if (!authority.ok) return authority;
  const length = declaredLength(regular, endsWithHead);
  if (!length.ok) return length;
  const kept = regular.filter(([name]) => name !== 'host' && name !== 'cookie' && name !== 'te');
  const crumbs = regular.filter(([name, value]) => name === 'cookie' && value !== '').map(([, value]) => value);
  const cookies: readonly Header[] = crumbs.length === 0 ? [] : [['cookie', crumbs.join('; ')]];
  const headers: readonly Header[] = [['host', authority.value], ...kept, ...cookies];
  return ok({ ...line.value, headers, length: length.value });
}

interface SplitFields {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly regular: readonly Header[];
}

function splitPseudo(fields: readonly Header[]): Result<SplitFields, string> {
  const pseudo = new Map<string, string>();
  const regular: Header[] = [];
  for (const [name, value] of fields) {
    if (!isFieldValue(value)) return err('a character in a field value that may not be there');
    if (name.startsWith(':')) {
      if (!PSEUDO.has(name)) return err('an unknown pseudo-header');
      if (regular.length > 0) return err('a pseudo-header after a header');
      if (pseudo.has(name)) return err('a pseudo-header twice');
      pseudo.set(name, value);
      continue;
    }
    const refused = refuseField(name, value);
    if (refused !== null) return err(refused);
    regular.push([name, value]);
  }
  return ok({ pseudo, regular });
}

function refuseField(name: string, value: string): string | null {
  if (!isFieldName(name)) return 'a header name that is not lower-case letters';
  if (isConnectionField(name)) return `${name} concerns a connection and has no place in a stream`;
  if (name === 'te' && value !== 'trailers') return 'te other than trailers';
  return null;
}

function requestLine(
  pseudo: ReadonlyMap<string, string>,
): Result<Pick<StreamRequest, 'method' | 'target' | 'webSocket'>, string> {
  const method = pseudo.get(':method');
  const scheme = pseudo.get(':scheme');
  const path = pseudo.get(':path');
  const protocol = pseudo.get(':protocol');
  if (method === undefined || !METHOD.test(method)) return err('no :method, or not a method');
  if (method === 'CONNECT' && protocol === undefined) {
    if (scheme !== undefined || path !== undefined) return err('CONNECT with :scheme or :path');
    return ok({ method, target: (pseudo.get(':authority') ?? '').replaceAll(/\s/g, ''), webSocket: false });
  }
  if (scheme !== 'https') return err('a :scheme that is not the connection’s');
  if (path === undefined || path === '') return err('no :path');
  if (/[\s#]/.test(path)) return err('a character in :path that must be escaped');
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return err(':path is not a path');
  if (protocol === undefined) return ok({ method, target: path, webSocket: false });
  if (method !== 'CONNECT') return err(':protocol without CONNECT');
  if (protocol !== 'websocket') return err('a :protocol other than websocket');
  return ok({ method: 'GET', target: path, webSocket: true });
}

/** Both may be there and must then be the same text; a server takes one of them, and not all the same one. */
function authorityOf(pseudo: ReadonlyMap<string, string>, regular: readonly Header[]): Result<string, string> {
  const hosts = regular.filter(([name]) => name === 'host').map(([, value]) => value);
  const [host] = hosts;
  if (hosts.length > 1) return err('more than one host');
  const authority = pseudo.get(':authority') ?? host;
  if (authority === undefined || authority === '') return err('no :authority');
  if (authority.includes('@')) return err('a user name in :authority');
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return err(':authority and host differ');
  return ok(authority);
}

function declaredLength(regular: readonly Header[], endsWithHead: boolean): Result<number | null, string> {
  const lengths = regular.filter(([name]) => name === 'content-length').map(([, value]) => value);
  const [text] = lengths;
  if (text === undefined) return ok(null);
  if (lengths.length > 1 || !DECIMAL.test(text)) return err('malformed content-length');
  const length = Number(text);
  if (!Number.isSafeInteger(length)) return err('malformed content-length');
  if (endsWithHead && length > 0) return err('a content-length on a stream without a body');
  return ok(length);
}
