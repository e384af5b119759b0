import { BugError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { Header } from '../../schema/header.ts';
import { allIn, asciiBytes, byteClass, latin1Text } from '../bytes.ts';

/**
 * HTTP/1 heads, strictly: the grammar of RFC 9112 without any of its tolerances. What two parsers could read in two
 * ways (bare LF, folded lines, space before the colon, control characters) is invalid here, because the parser behind
 * us may read it the other way. Framing is judged in `framing.ts`; meaning in `policy/`.
 */
export type { Header };

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly version: '1.0' | '1.1';
  readonly headers: readonly Header[];
}
export interface ResponseHead {
  readonly version: '1.0' | '1.1';
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly Header[];
}
export type ParsedRequestHead =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'head'; readonly head: RequestHead; readonly consumed: number }
  | { readonly kind: 'invalid'; readonly status: 400 | 414 | 431 | 505; readonly why: string };
export type ParsedResponseHead =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'head'; readonly head: ResponseHead; readonly consumed: number }
  | { readonly kind: 'invalid'; readonly status: 400 | 414 | 431 | 505; readonly why: string };

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;
const COLON = 58;

const isAlphaNumeric = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
/** token, RFC 9110 section 5.6.2 */
const TOKEN = byteClass((byte) => isAlphaNumeric(byte) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(byte)));
/** Printable ASCII without space; `#` never belongs on the wire. */
const TARGET = byteClass((byte) => byte > 32 && byte < 127 && byte !== 35);
/** field-content without obs-text: a byte over 126 has no one reading. */
const VALUE = byteClass((byte) => byte === TAB || (byte >= 32 && byte < 127));
/** Reason phrases and header values of answers: obs-text passes, it can't change framing. */
const LOOSE_VALUE = byteClass((byte) => byte === TAB || (byte >= 32 && byte !== 127));

/**
 * The methods of IANA's registry and of UPnP that other servers know. Case counts: `get` is GET to some and not to
 * others, so it is nothing here.
 */
const METHODS: ReadonlySet<string> = new Set([
  'ACL', 'BIND', 'CHECKOUT', 'CONNECT', 'COPY', 'DELETE', 'GET', 'HEAD', 'LINK', 'LOCK', 'M-SEARCH', 'MERGE',
  'MKACTIVITY', 'MKCALENDAR', 'MKCOL', 'MOVE', 'NOTIFY', 'OPTIONS', 'PATCH', 'POST', 'PROPFIND', 'PROPPATCH', 'PURGE',
  'PUT', 'QUERY', 'REBIND', 'REPORT', 'SEARCH', 'SUBSCRIBE', 'TRACE', 'UNBIND', 'UNLINK', 'UNLOCK', 'UNSUBSCRIBE',
]); // prettier-ignore

interface Invalid {
  readonly kind: 'invalid';
  readonly status: 400 | 414 | 431 | 505;
  readonly why: string;
}
const invalid = (why: string, status: Invalid['status'] = 400): Invalid => ({ kind: 'invalid', status, why });

/** The end of the head (index after CRLFCRLF), -1 when more is needed, or why it can never become one. */
function findEnd(bytes: Uint8Array): number | Invalid {
  const limit = Math.min(bytes.length, LIMITS.httpHeadBytes);
  for (let index = 0; index < limit; index += 1) {
    const byte = bytes[index];
    if (byte === 0) return invalid('NUL in the head');
    if (byte === LF) {
      if (bytes[index - 1] !== CR) return invalid('line feed without carriage return');
      if (index >= 3 && bytes[index - 2] === LF && bytes[index - 3] === CR) return index + 1;
    } else if (index > 0 && bytes[index - 1] === CR) {
      return invalid('carriage return without line feed');
    }
  }
  if (bytes.length < LIMITS.httpHeadBytes) return -1;
  const firstLineFits = bytes.subarray(0, LIMITS.httpHeadBytes).includes(LF);
  return firstLineFits ? invalid('the head is too large', 431) : invalid('the first line is too long', 414);
}

/** Lines as bytes, and as text with one character per byte. */
interface Section {
  readonly bytes: Uint8Array;
  readonly text: string;
}

function lineEnd(bytes: Uint8Array, from: number): number {
  let index = from;
  while (bytes[index] !== CR) index += 1;
  return index;
}

export function parseRequestHead(bytes: Uint8Array): ParsedRequestHead {
  const early = earlyRefusal(bytes);
  if (early !== null) return early;
  const end = findEnd(bytes);
  if (end === -1) return { kind: 'need-more' };
  if (typeof end !== 'number') return end;
  const section = { bytes, text: latin1Text(bytes, end) };
  const firstEnd = lineEnd(bytes, 0);
  const line = parseRequestLine(section, firstEnd);
  if ('kind' in line) return line;
  const headers = parseFields(section, firstEnd + 2, end - 2, VALUE);
  if ('kind' in headers) return headers;
  const hosts = headers.filter(([name]) => name.toLowerCase() === 'host');
  if (hosts.length > 1) return invalid('more than one Host');
  if (hosts.length === 0 && line.version === '1.1') return invalid('no Host');
  return { kind: 'head', head: { ...line, headers }, consumed: end };
}

/** Refused before the end of the head is there: nothing that follows could make it right. */
function earlyRefusal(bytes: Uint8Array): Invalid | null {
  const first = bytes[0];
  if (first !== undefined && TOKEN[first] !== 1) return invalid('the request does not begin with a method');
  return null;
}

function parseRequestLine(
  { bytes, text }: Section,
  end: number,
): Invalid | { method: string; target: string; version: '1.0' | '1.1' } {
  const methodEnd = bytes.indexOf(SPACE);
  if (methodEnd < 1 || methodEnd >= end) return invalid('malformed request line');
  const targetEnd = bytes.indexOf(SPACE, methodEnd + 1);
  if (targetEnd <= methodEnd + 1 || targetEnd >= end) return invalid('malformed request line');
  const method = text.slice(0, methodEnd);
  if (!METHODS.has(method)) return invalid('an unknown method');
  if (!allIn(TARGET, bytes, methodEnd + 1, targetEnd)) return invalid('a character in the target that must be escaped');
  const target = text.slice(methodEnd + 1, targetEnd);
  const version = text.slice(targetEnd + 1, end);
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    return /^HTTP\/\d\.\d$/.test(version) ? invalid('not HTTP/1.1 or 1.0', 505) : invalid('malformed version');
  }
  if (!isTargetForm(method, target)) return invalid('the target has no form that its method allows');
  return { method, target, version: version === 'HTTP/1.1' ? '1.1' : '1.0' };
}

/** The four forms of RFC 9112 section 3.2: authority, asterisk, origin, absolute. Nobody needs a user name in one. */
function isTargetForm(method: string, target: string): boolean {
  if (method === 'CONNECT') return /^(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}$/.test(target);
  if (target === '*') return method === 'OPTIONS';
  return target.startsWith('/') || /^https?:\/\/(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d{1,5})?(?:[/?]|$)/i.test(target);
}

/** Field lines from `from` up to `to` (exclusive, after the last line's CRLF). */
function parseFields(section: Section, from: number, to: number, values: Uint8Array): Invalid | readonly Header[] {
  const headers: Header[] = [];
  for (let start = from; start < to;) {
    const end = lineEnd(section.bytes, start);
    if (headers.length >= LIMITS.httpHeaderCount) return invalid('too many headers', 431);
    const header = parseField(section, start, end, values);
    if ('kind' in header) return header;
    headers.push(header);
    start = end + 2;
  }
  return headers;
}

function parseField({ bytes, text }: Section, start: number, end: number, values: Uint8Array): Invalid | Header {
  if (bytes[start] === SPACE || bytes[start] === TAB) return invalid('folded header line');
  const colon = bytes.indexOf(COLON, start);
  if (colon <= start || colon >= end) return invalid('header line without a name');
  if (!allIn(TOKEN, bytes, start, colon)) return invalid('malformed header name');
  let from = colon + 1;
  let to = end;
  while (from < to && (bytes[from] === SPACE || bytes[from] === TAB)) from += 1;
  while (to > from && (bytes[to - 1] === SPACE || bytes[to - 1] === TAB)) to -= 1;
  if (!allIn(values, bytes, from, to)) return invalid('a control or non-ASCII character in a header value');
  return [text.slice(start, colon), text.slice(from, to)];
}

const RESPONSE_START = asciiBytes('HTTP/1.');
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/;

export function parseResponseHead(bytes: Uint8Array): ParsedResponseHead {
  if (RESPONSE_START.some((byte, index) => index < bytes.length && bytes[index] !== byte)) {
    return invalid('the answer does not begin with HTTP/1');
  }
  const end = findEnd(bytes);
  if (end === -1) return { kind: 'need-more' };
  if (typeof end !== 'number') return end;
  const section = { bytes, text: latin1Text(bytes, end) };
  const firstEnd = lineEnd(bytes, 0);
  const match = STATUS_LINE.exec(section.text.slice(0, firstEnd));
  if (match === null || !allIn(LOOSE_VALUE, bytes, 0, firstEnd)) return invalid('malformed status line');
  const headers = parseFields(section, firstEnd + 2, end - 2, LOOSE_VALUE);
  if ('kind' in headers) return headers;
  const head: ResponseHead = {
    version: match[1] === '1' ? '1.1' : '1.0',
    status: Number(match[2]),
    statusText: match[3] ?? '',
    headers,
  };
  return { kind: 'head', head, consumed: end };
}

/** Trailer section of a chunked body: the same field grammar. `bytes` ends with the empty line. */
export function parseTrailers(bytes: Uint8Array): readonly Header[] | string {
  const headers = parseFields({ bytes, text: latin1Text(bytes, bytes.length) }, 0, bytes.length - 2, VALUE);
  return 'kind' in headers ? headers.why : headers;
}

/** A head as text, one character per byte: whoever writes it encodes it as Latin-1. */
export function serialiseRequestHead(method: string, target: string, headers: readonly Header[]): string {
  if (!METHODS.has(method) || !allCharacters(TARGET, target))
    throw new BugError('a malformed line in a serialised head');
  return serialise(`${method} ${target} HTTP/1.1`, headers);
}

export function serialiseResponseHead(status: number, statusText: string, headers: readonly Header[]): string {
  return serialise(`HTTP/1.1 ${String(status)} ${statusText}`, headers);
}

/** What we write ourselves can't split a head: that would be our bug, and the connection dies of it. */
function serialise(firstLine: string, headers: readonly Header[]): string {
  if (SPLITS_A_LINE.test(firstLine)) throw new BugError('a line break in a serialised head');
  let text = `${firstLine}\r\n`;
  for (const [name, value] of headers) {
    if (!FIELD_NAME.test(name)) throw new BugError('a malformed name in a serialised head');
    if (SPLITS_A_LINE.test(value)) throw new BugError('a line break in a serialised head');
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Line breaks, NUL, and what is no byte. */
const SPLITS_A_LINE = /[\r\n\0\u0100-\uffff]/;

function allCharacters(table: Uint8Array, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (table[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}
