import type { Header } from '../../../src/schema/header.ts';

/** SECURITY S23: header lists of HTTP/2 requests and what becomes of each. `null`: refused as no request. */
export interface StreamRequestVector {
  readonly why: string;
  readonly fields: readonly Header[];
  readonly ended?: boolean;
  /** Method, target and Host in the words of HTTP/1.1. */
  readonly becomes: string | null;
  /** The gateway's answer to what is a request and is refused all the same. */
  readonly status?: number;
  /** The HTTP/2 stack takes the field out before anybody sees it: the request goes on without it. */
  readonly stripped?: true;
}

const LINE: readonly Header[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
  [':path', '/'],
];
const line = (changes: Readonly<Record<string, string | null>>): readonly Header[] => {
  const kept = LINE.flatMap(([name, value]): readonly Header[] => {
    const changed = changes[name];
    return changed === null ? [] : [[name, changed ?? value]];
  });
  const added = Object.entries(changes).filter(([name]) => !LINE.some(([known]) => known === name));
  return [...kept, ...added.flatMap(([name, value]): readonly Header[] => (value === null ? [] : [[name, value]]))];
};
const withFields = (...fields: readonly Header[]): readonly Header[] => [...LINE, ...fields];
const FINE = 'GET / a.example';

export const STREAM_REQUESTS: readonly StreamRequestVector[] = [
  { why: 'as it should be', fields: LINE, becomes: FINE },
  { why: 'a query', fields: line({ ':path': '/a?b=c' }), becomes: 'GET /a?b=c a.example' },
  { why: 'a port', fields: line({ ':authority': 'a.example:8443' }), becomes: 'GET / a.example:8443', status: 421 },
  { why: 'the asterisk of OPTIONS', fields: line({ ':method': 'OPTIONS', ':path': '*' }), becomes: 'OPTIONS * a.example', status: 403 },
  { why: 'host that says the same', fields: withFields(['host', 'a.example']), becomes: FINE },
  { why: 'host in other letters', fields: withFields(['host', 'A.EXAMPLE']), becomes: FINE },
  { why: 'host alone', fields: [...line({ ':authority': null }), ['host', 'a.example']], becomes: FINE },
  { why: 'te: trailers', fields: withFields(['te', 'trailers']), becomes: FINE },
  { why: 'a header without a value', fields: withFields(['x-empty', '']), becomes: FINE },
  { why: 'a tab inside a value', fields: withFields(['x-tab', 'a\tb']), becomes: FINE },
  { why: 'CONNECT, which the policy refuses', fields: [[':method', 'CONNECT'], [':authority', 'a.example:443']], becomes: 'CONNECT a.example:443 a.example:443', status: 403 },
  { why: 'extended CONNECT', fields: line({ ':method': 'CONNECT', ':protocol': 'websocket' }), becomes: 'GET / a.example', status: 403 },
  { why: 'no :method', fields: line({ ':method': null }), becomes: null },
  { why: 'an empty :method', fields: line({ ':method': '' }), becomes: null },
  { why: 'a space in :method', fields: line({ ':method': 'GET /admin' }), becomes: null },
  { why: 'a line break in :method', fields: line({ ':method': 'GET\r\nX: y' }), becomes: null },
  { why: 'a colon in :method', fields: line({ ':method': 'GET:' }), becomes: null },
  { why: 'no :scheme', fields: line({ ':scheme': null }), becomes: null },
  { why: ':scheme http on a TLS connection', fields: line({ ':scheme': 'http' }), becomes: null },
  { why: ':scheme in capitals', fields: line({ ':scheme': 'HTTPS' }), becomes: null },
  { why: ':scheme with an authority in it', fields: line({ ':scheme': 'https://b.example' }), becomes: null },
  { why: 'no :path', fields: line({ ':path': null }), becomes: null },
  { why: 'an empty :path', fields: line({ ':path': '' }), becomes: null },
  { why: 'a relative :path', fields: line({ ':path': 'a' }), becomes: null },
  { why: 'an absolute :path', fields: line({ ':path': 'https://b.example/' }), becomes: null },
  { why: 'the asterisk of another method', fields: line({ ':path': '*' }), becomes: null },
  { why: 'a space in :path', fields: line({ ':path': '/a HTTP/1.1' }), becomes: null },
  { why: 'a tab in :path', fields: line({ ':path': '/a\tb' }), becomes: null },
  { why: 'a line break in :path', fields: line({ ':path': '/\r\nHost: b.example' }), becomes: null },
  { why: 'a line feed in :path', fields: line({ ':path': '/\nX: y' }), becomes: null },
  { why: 'NUL in :path', fields: line({ ':path': '/\u0000' }), becomes: null },
  { why: 'a byte over 126 in :path', fields: line({ ':path': '/\u00e9' }), becomes: null },
  { why: 'a fragment in :path', fields: line({ ':path': '/a#b' }), becomes: null },
  { why: 'neither :authority nor host', fields: line({ ':authority': null }), becomes: null },
  { why: 'an empty :authority', fields: line({ ':authority': '' }), becomes: null },
  { why: 'a user name in :authority', fields: line({ ':authority': 'u@a.example' }), becomes: null },
  { why: 'a line break in :authority', fields: line({ ':authority': 'a.example\r\nX: y' }), becomes: null },
  { why: 'a blank at the end of :authority', fields: line({ ':authority': 'a.example ' }), becomes: null },
  { why: 'host that says something else', fields: withFields(['host', 'b.example']), becomes: null },
  { why: 'host that says it with a port', fields: withFields(['host', 'a.example:443']), becomes: null },
  { why: 'two hosts', fields: [...line({ ':authority': null }), ['host', 'a.example'], ['host', 'a.example']], becomes: null },
  { why: ':method twice', fields: [...LINE, [':method', 'GET']], becomes: null },
  { why: ':path twice', fields: [[':path', '/x'], ...LINE], becomes: null },
  { why: ':authority twice', fields: [[':authority', 'b.example'], ...LINE], becomes: null },
  { why: 'a pseudo-header after a header', fields: [['x-a', 'b'], ...LINE], becomes: null },
  { why: 'an unknown pseudo-header', fields: [[':x', 'y'], ...LINE], becomes: null },
  { why: ':status in a request', fields: [[':status', '200'], ...LINE], becomes: null },
  { why: ':protocol without CONNECT', fields: line({ ':protocol': 'websocket' }), becomes: null },
  { why: ':protocol other than websocket', fields: line({ ':method': 'CONNECT', ':protocol': 'connect-udp' }), becomes: null },
  { why: 'CONNECT with :path', fields: line({ ':method': 'CONNECT' }), becomes: null },
  { why: 'capitals in a name', fields: withFields(['X-Upper', 'a']), becomes: null },
  { why: 'an empty name', fields: withFields(['', 'a']), becomes: null, stripped: true },
  { why: 'a space in a name', fields: withFields(['x y', 'a']), becomes: null, stripped: true },
  { why: 'a colon in a name', fields: withFields(['x:y', 'a']), becomes: null, stripped: true },
  { why: 'a line break in a name', fields: withFields(['x\r\nhost', 'b.example']), becomes: null, stripped: true },
  { why: 'NUL in a name', fields: withFields(['x\u0000', 'a']), becomes: null, stripped: true },
  { why: 'a byte over 126 in a name', fields: withFields(['x\u00e9', 'a']), becomes: null, stripped: true },
  { why: 'CR LF in a value', fields: withFields(['x-a', 'b\r\nhost: b.example']), becomes: null, stripped: true },
  { why: 'LF in a value', fields: withFields(['x-a', 'b\nc: d']), becomes: null, stripped: true },
  { why: 'CR in a value', fields: withFields(['x-a', 'b\rc']), becomes: null, stripped: true },
  { why: 'NUL in a value', fields: withFields(['x-a', 'b\u0000']), becomes: null, stripped: true },
  { why: 'DEL in a value', fields: withFields(['x-a', 'b\u007f']), becomes: null, stripped: true },
  { why: 'a byte over 126 in a value', fields: withFields(['x-a', 'caf\u00e9']), becomes: null },
  { why: 'a blank before a value', fields: withFields(['x-a', ' b']), becomes: null, stripped: true },
  { why: 'a blank after a value', fields: withFields(['x-a', 'b ']), becomes: null, stripped: true },
  { why: 'connection', fields: withFields(['connection', 'close']), becomes: null },
  { why: 'keep-alive', fields: withFields(['keep-alive', 'timeout=5']), becomes: null },
  { why: 'proxy-connection', fields: withFields(['proxy-connection', 'close']), becomes: null },
  { why: 'transfer-encoding', fields: withFields(['transfer-encoding', 'chunked']), becomes: null },
  { why: 'upgrade', fields: withFields(['upgrade', 'websocket']), becomes: null },
  { why: 'http2-settings', fields: withFields(['http2-settings', 'AAMAAABk']), becomes: null },
  { why: 'te other than trailers', fields: withFields(['te', 'gzip']), becomes: null },
  { why: 'te with more than trailers', fields: withFields(['te', 'trailers, deflate']), becomes: null },
  { why: 'a content-length twice', fields: withFields(['content-length', '1'], ['content-length', '1']), ended: false, becomes: null },
  { why: 'a content-length with a sign', fields: withFields(['content-length', '+1']), ended: false, becomes: null },
  { why: 'a content-length with a leading zero', fields: withFields(['content-length', '01']), ended: false, becomes: null },
  { why: 'a content-length in hex', fields: withFields(['content-length', '0x1']), ended: false, becomes: null },
  { why: 'a list as content-length', fields: withFields(['content-length', '1,1']), ended: false, becomes: null },
  { why: 'a content-length beyond all numbers', fields: withFields(['content-length', '99999999999999999']), ended: false, becomes: null },
  { why: 'a content-length without a body', fields: withFields(['content-length', '5']), ended: true, becomes: null },
  { why: 'a content-length of 0 without a body', fields: withFields(['content-length', '0']), ended: true, becomes: FINE },
]; // prettier-ignore
