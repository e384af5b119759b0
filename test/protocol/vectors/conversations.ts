/**
 * SECURITY S23: whole connections of HTTP/1.1 and what becomes of them, where the ambiguity lies in more than one head.
 * `statuses` are all that the agent is answered; `upstream` is all that leaves, as `METHOD target [body]`.
 */
export interface Conversation {
  readonly why: string;
  readonly way: 'tunnel' | 'transparent' | 'proxy';
  /** What the agent sends, one piece after the other; a plain GET of /last follows where it still can. */
  readonly sends: readonly string[];
  readonly statuses: readonly number[];
  readonly upstream: readonly string[];
}

const HOST = 'Host: a.example\r\n';
const LAST = 'GET /last []';
const SMUGGLED = `GET /admin HTTP/1.1\r\n${HOST}\r\n`;
const post = (headers: string, body: string): string => `POST /p HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);
const get = (headers: string): string => `GET / HTTP/1.1\r\n${HOST}${headers}\r\n`;

const refused = (why: string, sent: string, status = 400, way: Conversation['way'] = 'tunnel'): Conversation => ({
  why,
  way,
  sends: [sent],
  statuses: [status],
  upstream: [],
});
const passes = (why: string, sent: string, upstream: readonly string[], way: Conversation['way'] = 'tunnel') => ({
  why,
  way,
  sends: [sent],
  statuses: [...upstream.map(() => 200), 200],
  upstream: [...upstream, LAST],
});
/** Answered without an upstream, on a connection that goes on. */
const denied = (why: string, sent: string, status: number, way: Conversation['way'] = 'tunnel'): Conversation => ({
  why,
  way,
  sends: [sent],
  statuses: [status, 200],
  upstream: [LAST],
});

const HOSTS: readonly Conversation[] = [
  passes('Host in capitals and with its dot is the same name', 'GET / HTTP/1.1\r\nHost: A.EXAMPLE.\r\n\r\n', ['GET / []']),
  passes('Host with the port that the scheme implies', 'GET / HTTP/1.1\r\nHost: a.example:443\r\n\r\n', ['GET / []']),
  denied('Host of another name than the tunnel', 'GET / HTTP/1.1\r\nHost: b.example\r\n\r\n', 403),
  denied('Host with another port than the tunnel', 'GET / HTTP/1.1\r\nHost: a.example:8443\r\n\r\n', 403),
  denied('Host with a user name', 'GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n', 400),
  denied('an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400),
  denied('Host with a path', 'GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n', 400),
  denied('two names in one Host', 'GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n', 400),
  denied('an address in octal as Host', 'GET / HTTP/1.1\r\nHost: 0177.0.0.1\r\n\r\n', 403),
  denied('the absolute form inside a tunnel', `GET http://a.example/x HTTP/1.1\r\n${HOST}\r\n`, 400),
  denied('the absolute form of another host inside a tunnel', `GET http://b.example/x HTTP/1.1\r\n${HOST}\r\n`, 400),
  denied('the absolute form by transparent HTTP', `GET http://a.example/x HTTP/1.1\r\n${HOST}\r\n`, 400, 'transparent'),
  denied('the absolute form of another host by transparent HTTP', `GET http://b.example/ HTTP/1.1\r\n${HOST}\r\n`, 400, 'transparent'),
  denied('CONNECT inside a tunnel', `CONNECT a.example:443 HTTP/1.1\r\n${HOST}\r\n`, 403),
  denied('the asterisk of OPTIONS, which no route means', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 403),
  refused('transparent HTTP of 1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', 400, 'transparent'),
  denied('transparent HTTP to a host without a route', 'GET / HTTP/1.1\r\nHost: b.example\r\n\r\n', 403, 'transparent'),
  passes('the proxy takes the absolute form', `GET http://a.example/x?y HTTP/1.1\r\n${HOST}\r\n`, ['GET /x?y []'], 'proxy'),
  passes('the absolute form without a path means /', `GET http://a.example HTTP/1.1\r\n${HOST}\r\n`, ['GET / []'], 'proxy'),
  passes('the absolute form with a query alone', `GET http://a.example?x HTTP/1.1\r\n${HOST}\r\n`, ['GET /?x []'], 'proxy'),
  passes('the scheme in capitals', `GET HTTP://A.example/ HTTP/1.1\r\n${HOST}\r\n`, ['GET / []'], 'proxy'),
  denied('the absolute form against another Host', 'GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n', 403, 'proxy'),
  denied('the absolute form of another host against an allowed Host', `GET http://b.example/ HTTP/1.1\r\n${HOST}\r\n`, 403, 'proxy'),
  denied('the absolute form with another port than Host', `GET http://a.example:8080/ HTTP/1.1\r\n${HOST}\r\n`, 403, 'proxy'),
  refused('https by the absolute form', `GET https://a.example/ HTTP/1.1\r\n${HOST}\r\n`, 400, 'proxy'),
  refused('the origin form to the proxy', `GET / HTTP/1.1\r\n${HOST}\r\n`, 400, 'proxy'),
  denied('CONNECT to a host without a route', 'CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n', 403, 'proxy'),
  refused('CONNECT with a length', `CONNECT a.example:443 HTTP/1.1\r\n${HOST}Content-Length: 4\r\n\r\nGET `, 400, 'proxy'),
]; // prettier-ignore

const SMUGGLING: readonly Conversation[] = [
  passes('a request inside a body is a body', post(`Content-Length: ${String(SMUGGLED.length)}\r\n`, SMUGGLED), [`POST /p [${SMUGGLED}]`]),
  passes('and inside a chunk too', chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`), [`POST /p [${SMUGGLED}]`]),
  passes('what follows a body is the next request', post('Content-Length: 2\r\n', `hi${SMUGGLED}`), ['POST /p [hi]', 'GET /admin []']),
  passes('what follows the last chunk is the next request', chunked(`2\r\nhi\r\n0\r\n\r\n${SMUGGLED}`), ['POST /p [hi]', 'GET /admin []']),
  passes('GET with a body', `GET / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`, ['GET / [abc]']),
  passes('a body for DELETE', `DELETE / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`, ['DELETE / [abc]']),
  refused('CL.TE: the length covers the smuggled request', post('Content-Length: 60\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`)),
  refused('TE.CL: the chunk covers it', post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `2a\r\n${SMUGGLED}\r\n0\r\n\r\n`)),
  refused('TE.TE: one coding hidden by a space', post('Transfer-Encoding: chunked\r\nTransfer-Encoding : x\r\n', '0\r\n\r\n')),
  refused('TE.TE: one coding hidden by a tab', post('Transfer-Encoding:\tchunked, x\r\n', '0\r\n\r\n')),
  refused('TE.TE: a line that folds the coding', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n')),
  refused('TE.TE: a vertical tab before the coding', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')),
  refused('TE.TE: another letter for k', post('Transfer-Encoding: chun\xe2\x84\xaaed\r\n', '0\r\n\r\n')),
  refused('CL.0: a length that the smuggled request contradicts', post('Content-Length: 0\r\nContent-Length: 40\r\n', SMUGGLED)),
  refused('a length hidden behind a bare carriage return', post('X: y\rContent-Length: 40\r\n', SMUGGLED)),
  refused('a length hidden behind NUL', post('Content-Length: 0\0\r\n', SMUGGLED)),
  refused('a length named by the Connection field is still a length', `POST /p HTTP/1.1\r\n${HOST}Connection: content-length\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy`),
  passes('Connection can not take the length away', post('Connection: content-length\r\nContent-Length: 2\r\n', 'hi'), ['POST /p [hi]']),
  passes('Connection can not take the Host away', get('Connection: host\r\n'), ['GET / []']),
  passes('a length in Trailer’s company', post('Trailer: x-a\r\nContent-Length: 2\r\n', 'hi'), ['POST /p [hi]']),
  refused('an expectation nobody knows', post('Expect: 200-ok\r\nContent-Length: 2\r\n', ''), 417),
  { why: 'HTTP/1.0 ends after its answer', way: 'tunnel', sends: ['GET / HTTP/1.0\r\n\r\n'], statuses: [200], upstream: ['GET / []'] },
  { why: 'what follows a request that closes is not read', way: 'tunnel', sends: [get('Connection: close\r\n'), SMUGGLED], statuses: [200], upstream: ['GET / []'] },
  { why: 'the good request before a bad one is answered, and nothing after it', way: 'tunnel', sends: [get(''), 'GET /a b HTTP/1.1\r\n\r\n', SMUGGLED], statuses: [200, 400], upstream: ['GET / []'] },
  { why: 'an empty line between two requests is none of them', way: 'tunnel', sends: [get(''), '\r\n', SMUGGLED], statuses: [200, 400], upstream: ['GET / []'] },
  { why: 'the HTTP/2 preface on a connection of HTTP/1.1', way: 'tunnel', sends: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], statuses: [400], upstream: [] },
]; // prettier-ignore

const CHUNKS: readonly Conversation[] = [
  passes('capitals in a size', chunked('A\r\n0123456789\r\n0\r\n\r\n'), ['POST /p [0123456789]']),
  passes('zeros before a size', chunked('0002\r\nhi\r\n0\r\n\r\n'), ['POST /p [hi]']),
  passes('a last chunk of several zeros', chunked('2\r\nhi\r\n000\r\n\r\n'), ['POST /p [hi]']),
  passes('a trailer', chunked('2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n'), ['POST /p [hi]']),
  passes('no data at all', chunked('0\r\n\r\n'), ['POST /p []']),
  refused('an extension', chunked('2;a=b\r\nhi\r\n0\r\n\r\n')),
  refused('an extension with a quoted line end', chunked('2;a="\r\n"\r\nhi\r\n0\r\n\r\n')),
  refused('a semicolon with nothing behind it', chunked('2;\r\nhi\r\n0\r\n\r\n')),
  refused('a space after the size', chunked('2 \r\nhi\r\n0\r\n\r\n')),
  refused('a space before the size', chunked(' 2\r\nhi\r\n0\r\n\r\n')),
  refused('a sign', chunked('+2\r\nhi\r\n0\r\n\r\n')),
  refused('a negative size', chunked('-2\r\nhi\r\n0\r\n\r\n')),
  refused('0x', chunked('0x2\r\nhi\r\n0\r\n\r\n')),
  refused('an underscore between digits', chunked('0_2\r\nhi\r\n0\r\n\r\n')),
  refused('no digit', chunked('\r\nhi\r\n0\r\n\r\n')),
  refused('a letter that is no digit', chunked('g\r\nhi\r\n0\r\n\r\n')),
  refused('a size beyond 2^53', chunked('fffffffffffffff\r\nhi\r\n0\r\n\r\n')),
  refused('a size that wraps to 2 in 64 bits', chunked('10000000000000002\r\nhi\r\n0\r\n\r\n')),
  refused('a bare line feed after the size', chunked('2\nhi\r\n0\r\n\r\n')),
  refused('a bare carriage return after the size', chunked('2\rhi\r\n0\r\n\r\n')),
  refused('a bare line feed after the data', chunked('2\r\nhi\n0\r\n\r\n')),
  refused('no line end after the data', chunked('2\r\nhi0\r\n\r\n')),
  refused('more data than its size', chunked('2\r\nhiya\r\n0\r\n\r\n')),
  refused('less data than its size', chunked('4\r\nhi\r\n0\r\n\r\nGET')),
  refused('a bare line feed ends the trailers', chunked('2\r\nhi\r\n0\r\n\n')),
  refused('a size line without end', chunked(`${'0'.repeat(300)}2\r\nhi\r\n0\r\n\r\n`)),
  refused('a length as trailer', chunked('2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n')),
  refused('a coding as trailer', chunked('2\r\nhi\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n')),
  refused('Host as trailer', chunked('2\r\nhi\r\n0\r\nHost: b.example\r\n\r\n')),
  refused('a credential as trailer', chunked('2\r\nhi\r\n0\r\nAuthorization: x\r\n\r\n')),
  refused('a method as trailer', chunked('2\r\nhi\r\n0\r\nX-HTTP-Method-Override: DELETE\r\n\r\n')),
  refused('a folded trailer', chunked('2\r\nhi\r\n0\r\nX: a\r\n b\r\n\r\n')),
  refused('a trailer with a space before its colon', chunked('2\r\nhi\r\n0\r\nX : a\r\n\r\n')),
  refused('a trailer without a colon', chunked('2\r\nhi\r\n0\r\nGET /admin HTTP/1.1\r\n\r\n')),
]; // prettier-ignore

/** Bodies that go wrong when a part of them has left: what broke them stays here, and no whole request arrives. */
export const BROKEN_LATE: readonly { readonly why: string; readonly begin: string; readonly then: string }[] = [
  { why: 'a chunk size that is none', begin: chunked('2\r\nhi\r\n'), then: 'x\r\n' },
  { why: 'a chunk extension', begin: chunked('2\r\nhi\r\n'), then: '2;a=b\r\nhi\r\n0\r\n\r\n' },
  { why: 'a last chunk with an extension', begin: chunked('2\r\nhi\r\n'), then: '0;a=b\r\n\r\n' },
  { why: 'a bare line feed at the end', begin: chunked('2\r\nhi\r\n'), then: '0\n\n' },
  { why: 'a chunk longer than its size', begin: chunked('2\r\nhi'), then: 'ya\r\n0\r\n\r\n' },
  { why: 'a length as trailer', begin: chunked('2\r\nhi\r\n'), then: '0\r\nContent-Length: 9\r\n\r\n' },
  { why: 'a folded trailer', begin: chunked('2\r\nhi\r\n'), then: '0\r\nX: a\r\n b\r\n\r\n' },
  { why: 'trailers beyond their bound', begin: chunked('2\r\nhi\r\n'), then: `0\r\nX: ${'a'.repeat(17 * 1024)}\r\n\r\n` },
]; // prettier-ignore

export const CONVERSATIONS: readonly Conversation[] = [...HOSTS, ...SMUGGLING, ...CHUNKS];
