/** SECURITY S23: whole answers of HTTP/1.1 upstreams, where the ambiguity lies behind the head. */
export interface AnswerInFull {
  readonly why: string;
  readonly method?: string;
  /** What the upstream says, one piece after the other. */
  readonly says: readonly string[];
  /** It ends the connection after that. */
  readonly ends?: true;
  /** What follows the head at the agent, as far as it is certain. */
  readonly reads: string;
  /** Whether the upstream's connection may carry the next request. */
  readonly reused: boolean;
  /** The agent's connection is cut, so that it can see that the answer is not whole. */
  readonly cut?: true;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const length = (count: number, body: string): string => `${OK}Content-Length: ${String(count)}\r\n\r\n${body}`;
const chunked = (body: string): string => `${OK}Transfer-Encoding: chunked\r\n\r\n${body}`;
const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';

const broken = (why: string, body: string): AnswerInFull => ({
  why,
  says: [chunked('2\r\nhi\r\n'), body],
  reads: '2\r\nhi\r\n',
  reused: false,
  cut: true,
});

export const ANSWERS_IN_FULL: readonly AnswerInFull[] = [
  { why: 'as it should be', says: [length(2, 'hi')], reads: 'hi', reused: true },
  { why: 'in pieces', says: ['HTTP/1.1 2', '00 OK\r\nContent-Len', 'gth: 2\r\n\r\nh', 'i'], reads: 'hi', reused: true },
  { why: 'in chunks', says: [chunked('2\r\nhi\r\n0\r\n\r\n')], reads: '2\r\nhi\r\n0\r\n\r\n', reused: true },
  { why: 'capitals and zeros in a chunk size', says: [chunked('00A\r\n0123456789\r\n0\r\n\r\n')], reads: 'a\r\n0123456789\r\n0\r\n\r\n', reused: true },
  { why: 'trailers that nobody asked for', says: [chunked('2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n')], reads: '2\r\nhi\r\n0\r\n\r\n', reused: true },
  { why: 'until the end of the connection', says: [`${OK}\r\nhi`], ends: true, reads: '2\r\nhi\r\n0\r\n\r\n', reused: false },
  { why: 'a second answer behind a length', says: [length(2, `hi${EVIL}`)], reads: 'hi', reused: false },
  { why: 'a second answer behind the last chunk', says: [chunked(`2\r\nhi\r\n0\r\n\r\n${EVIL}`)], reads: '2\r\nhi\r\n0\r\n\r\n', reused: false },
  { why: 'a second answer behind a length of 0', says: [length(0, EVIL)], reads: '', reused: false },
  { why: 'a second answer behind 204', says: [`HTTP/1.1 204 No Content\r\n\r\n${EVIL}`], reads: '', reused: false },
  { why: 'a second answer behind 304', says: [`HTTP/1.1 304 Not Modified\r\nContent-Length: 90\r\n\r\n${EVIL}`], reads: '', reused: false },
  { why: 'a body behind the answer to HEAD', method: 'HEAD', says: [length(90, EVIL)], reads: '', reused: false },
  { why: 'a single byte too many', says: [length(2, 'hix')], reads: 'hi', reused: false },
  { why: 'an empty line behind the answer', says: [length(2, 'hi\r\n')], reads: 'hi', reused: false },
  { why: 'an interim answer', says: [`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${length(2, 'hi')}`], reads: 'hi', reused: true },
  { why: 'a 100 that nobody waits for', says: [`HTTP/1.1 100 Continue\r\n\r\n${length(2, 'hi')}`], reads: 'hi', reused: true },
  { why: 'a connection that it closes', says: [`${OK}Connection: close\r\nContent-Length: 2\r\n\r\nhi`], reads: 'hi', reused: false },
  { why: 'HTTP/1.0', says: ['HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi'], reads: 'hi', reused: false },
  { why: 'NTLM logs the connection in', says: ['HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nhi'], reads: 'hi', reused: false },
  { why: 'Negotiate logs the connection in', says: ['HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate abc\r\nContent-Length: 2\r\n\r\nhi'], reads: 'hi', reused: false },
  { why: 'a body that ends before its length', says: [length(9, 'hi')], ends: true, reads: 'hi', reused: false, cut: true },
  { why: 'chunks that end before the last one', says: [chunked('2\r\nhi\r\n')], ends: true, reads: '2\r\nhi\r\n', reused: false, cut: true },
  { why: 'a last chunk without its empty line', says: [chunked('2\r\nhi\r\n0\r\n')], ends: true, reads: '2\r\nhi\r\n', reused: false, cut: true },
  broken('an extension', '2;a=b\r\nevil\r\n0\r\n\r\n'),
  broken('a size that is none', 'x\r\nevil\r\n0\r\n\r\n'),
  broken('a sign', '+4\r\nevil\r\n0\r\n\r\n'),
  broken('a bare line feed after a size', '4\nevil\r\n0\r\n\r\n'),
  broken('a bare line feed ends the chunks', '0\n\n'),
  broken('a size that wraps', '10000000000000004\r\nevil\r\n0\r\n\r\n'),
  broken('an empty size', '\r\nevil\r\n0\r\n\r\n'),
  broken('a length as trailer', '0\r\nContent-Length: 5\r\n\r\n'),
  broken('a cookie as trailer', '0\r\nSet-Cookie: a=b\r\n\r\n'),
  broken('a folded trailer', '0\r\nX: a\r\n b\r\n\r\n'),
]; // prettier-ignore
