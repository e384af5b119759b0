import { err, ok, type Result } from '../../kernel/result.ts';
import type { Header, RequestHead, ResponseHead } from './head.ts';

/**
 * Where a message ends (RFC 9112 section 6), refused whenever two readers could disagree: Transfer-Encoding beside
 * Content-Length, repeated lengths even when equal, any coding but a single `chunked`.
 */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

const valuesOf = (headers: readonly Header[], wanted: string): readonly string[] =>
  headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);

interface Declared {
  readonly length: number | null;
  readonly chunked: boolean;
}

function declared(head: { version: '1.0' | '1.1'; headers: readonly Header[] }): Result<Declared, string> {
  const lengths = valuesOf(head.headers, 'content-length');
  const codings = valuesOf(head.headers, 'transfer-encoding');
  if (codings.length > 0) {
    if (lengths.length > 0) return err('both Content-Length and Transfer-Encoding');
    if (head.version === '1.0') return err('Transfer-Encoding on HTTP/1.0');
    if (codings.length !== 1 || codings[0]?.toLowerCase() !== 'chunked')
      return err('a Transfer-Encoding other than chunked');
    return ok({ length: null, chunked: true });
  }
  if (lengths.length === 0) return ok({ length: null, chunked: false });
  const [text] = lengths;
  if (lengths.length > 1 || text === undefined || !/^(?:0|[1-9]\d{0,15})$/.test(text))
    return err('malformed Content-Length');
  const length = Number(text);
  return Number.isSafeInteger(length) ? ok({ length, chunked: false }) : err('Content-Length too large');
}

export function requestFraming(head: RequestHead): Result<Framing, string> {
  const found = declared(head);
  if (!found.ok) return found;
  const { chunked, length } = found.value;
  // RFC 9110 section 9.3.6: to some readers what follows is a body, to others the tunnel already.
  if (head.method === 'CONNECT' && (chunked || (length !== null && length > 0))) return err('CONNECT has no body');
  if (chunked) return ok({ kind: 'chunked' });
  return ok(length === null || length === 0 ? { kind: 'none' } : { kind: 'length', length });
}

export function responseFraming(head: ResponseHead, requestMethod: string): Result<Framing, string> {
  const found = declared(head);
  if (!found.ok) return found;
  const { chunked, length } = found.value;
  const { status } = head;
  // A CONNECT that was accepted: what follows is the tunnel.
  if (requestMethod === 'CONNECT' && status >= 200 && status < 300) return ok({ kind: 'none' });
  if (status < 200 || status === 204 || status === 304) {
    // 304 may say how long the body would be. Readers that believe the fields of the others would wait for one.
    const promisesBody = chunked || (status !== 304 && length !== null && length > 0);
    return promisesBody ? err(`a body promised by a ${String(status)}`) : ok({ kind: 'none' });
  }
  if (requestMethod === 'HEAD') return ok({ kind: 'none' });
  if (chunked) return ok({ kind: 'chunked' });
  if (length === null) return ok({ kind: 'until-close' });
  return ok(length === 0 ? { kind: 'none' } : { kind: 'length', length });
}

/** Whether the connection may serve another message after this one (RFC 9112 section 9.3). */
export function keepAlive(head: RequestHead | ResponseHead): boolean {
  const tokens = tokensOf(head.headers, 'connection');
  // Nobody defined Proxy-Connection, but other parsers close on it.
  if (tokens.includes('close') || tokensOf(head.headers, 'proxy-connection').includes('close')) return false;
  return head.version === '1.1' || tokens.includes('keep-alive');
}

function tokensOf(headers: readonly Header[], name: string): readonly string[] {
  return valuesOf(headers, name).flatMap((value) => value.split(',').map((token) => token.trim().toLowerCase()));
}
