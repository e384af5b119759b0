import { err, ok, type Result } from '../../kernel/result.ts';
import type { Header } from '../../schema/header.ts';
import { byteClass } from '../bytes.ts';

/** Header lists between HTTP/1.1 and HTTP/2: the grammar both share, what we write, and what an upstream answers. */

const LOWER_TOKEN = byteClass(
  (byte) =>
    (byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 122) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(byte)),
);
const VALUE = byteClass((byte) => byte === 9 || (byte >= 32 && byte < 127));
/** As in answers over HTTP/1.1: bytes over 126 can't change framing. */
const LOOSE_VALUE = byteClass((byte) => byte === 9 || (byte >= 32 && byte !== 127));

/** RFC 9113 section 8.2.2: a message that has one of these was made for, or by, something else. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

export function isConnectionField(name: string): boolean {
  return CONNECTION_FIELDS.has(name);
}

export function isFieldName(name: string): boolean {
  return name !== '' && allIn(LOWER_TOKEN, name);
}

/** Strict, as in requests; blanks at the ends would be lost on the way through HTTP/1.1. */
export function isFieldValue(value: string): boolean {
  return allIn(VALUE, value) && value === value.trim();
}

/** The flat list that HTTP/2 stacks hand out. */
export function pairsOf(flat: readonly string[]): readonly Header[] {
  const pairs: Header[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) pairs.push([flat[index] ?? '', flat[index + 1] ?? '']);
  return pairs;
}

/** An HTTP/1.1 message's fields as a stream carries them: lower case, nothing of the connection. */
export function streamFields(headers: readonly Header[]): readonly Header[] {
  return headers
    .map(([name, value]): Header => [name.toLowerCase(), value])
    .filter(([name]) => !CONNECTION_FIELDS.has(name) && name !== 'host' && name !== 'te');
}

export interface StreamAnswer {
  readonly status: number;
  readonly headers: readonly Header[];
}

/** An upstream's header list, interim or final. An answer that means one thing to some and another to others is none. */
export function translateAnswer(fields: readonly Header[]): Result<StreamAnswer, string> {
  const headers: Header[] = [];
  let status: number | null = null;
  for (const [name, value] of fields) {
    if (name === ':status') {
      if (status !== null || headers.length > 0 || !/^[1-5]\d\d$/.test(value)) return err('malformed :status');
      status = Number(value);
      continue;
    }
    const refused = refuseAnswerField(name, value);
    if (refused !== null) return err(refused);
    headers.push([name, value]);
  }
  if (status === null) return err('no :status');
  return status === 101 ? err('101 in HTTP/2') : ok({ status, headers });
}

/** Trailers of either direction; which names may be trailers at all is judged where HTTP/1.1's are. */
export function translateTrailers(fields: readonly Header[]): Result<readonly Header[], string> {
  for (const [name, value] of fields) {
    if (name.startsWith(':')) return err('a pseudo-header in the trailers');
    if (!isFieldName(name) || CONNECTION_FIELDS.has(name)) return err('a name that is no trailer');
    if (!isFieldValue(value)) return err('a character in a trailer that may not be there');
  }
  return ok(fields);
}

function refuseAnswerField(name: string, value: string): string | null {
  if (name.startsWith(':')) return 'an unknown pseudo-header';
  if (!isFieldName(name)) return 'a malformed header name';
  if (CONNECTION_FIELDS.has(name) || name === 'te' || name === 'host') return `${name} in an answer over HTTP/2`;
  return allIn(LOOSE_VALUE, value) ? null : 'a control character in an answer';
}

function allIn(table: Uint8Array, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (table[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}
