/** Response heads. Verdicts: `STATUS FRAMING` when accepted, `invalid`, `framing`, or `need-more`. */
export interface ResponseVector {
  readonly bytes: string;
  /** The method of the request that is answered; GET when not given. */
  readonly method?: string;
  readonly verdict: string;
  readonly why: string;
}

const answer = (status: string, headers = ''): string => `HTTP/1.1 ${status}\r\n${headers}\r\n`;
const ok = (headers: string): string => answer('200 OK', headers);

export const RESPONSES: readonly ResponseVector[] = [
  // What passes.
  { bytes: ok('Content-Length: 5\r\n'), verdict: '200 length 5', why: 'a length' },
  { bytes: ok('Content-Length: 0\r\n'), verdict: '200 none', why: 'a length of nothing' },
  { bytes: ok('content-length:7\r\n'), verdict: '200 length 7', why: 'names have no case' },
  { bytes: ok('Transfer-Encoding: chunked\r\n'), verdict: '200 chunked', why: 'chunked' },
  { bytes: ok('transfer-encoding: Chunked\r\n'), verdict: '200 chunked', why: 'codings have no case' },
  { bytes: ok(''), verdict: '200 until-close', why: 'neither: the end of the connection ends it' },
  { bytes: 'HTTP/1.0 200 OK\r\n\r\n', verdict: '200 until-close', why: 'HTTP/1.0 as it was' },
  { bytes: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n', verdict: '200 length 2', why: 'HTTP/1.0 with a length' },
  { bytes: answer('200', 'Content-Length: 1\r\n'), verdict: '200 length 1', why: 'no reason phrase' },
  { bytes: answer('200 ', 'Content-Length: 1\r\n'), verdict: '200 length 1', why: 'an empty reason phrase' },
  { bytes: answer('200 All  is\twell!', 'Content-Length: 1\r\n'), verdict: '200 length 1', why: 'spaces in the reason' },
  { bytes: answer('404 Pas trouv\xe9', 'Content-Length: 1\r\n'), verdict: '404 length 1', why: 'obs-text in the reason' },
  { bytes: ok('X-A: caf\xe9\r\nContent-Length: 1\r\n'), verdict: '200 length 1', why: 'obs-text in a value' },
  { bytes: ok('Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 1\r\n'), verdict: '200 length 1', why: 'repeated fields' },
  { bytes: ok('X-Empty:\r\nContent-Length: 1\r\n'), verdict: '200 length 1', why: 'an empty value' },
  { bytes: answer('204 No Content'), verdict: '204 none', why: 'no content by its status' },
  { bytes: answer('204 No Content', 'Content-Length: 0\r\n'), verdict: '204 none', why: 'and says so' },
  { bytes: answer('304 Not Modified', 'ETag: "a"\r\n'), verdict: '304 none', why: 'not modified' },
  { bytes: answer('304 Not Modified', 'Content-Length: 500\r\n'), verdict: '304 none', why: 'how long it would have been' },
  { bytes: answer('100 Continue'), verdict: '100 none', why: 'interim' },
  { bytes: answer('103 Early Hints', 'Link: </a.css>\r\n'), verdict: '103 none', why: 'interim with fields' },
  { bytes: answer('101 Switching Protocols', 'Upgrade: x\r\nConnection: upgrade\r\n'), verdict: '101 none', why: 'the driver asks for none' },
  { bytes: ok('Content-Length: 500\r\n'), method: 'HEAD', verdict: '200 none', why: 'HEAD never has a body' },
  { bytes: ok('Transfer-Encoding: chunked\r\n'), method: 'HEAD', verdict: '200 none', why: 'HEAD, chunked' },
  { bytes: ok(''), method: 'HEAD', verdict: '200 none', why: 'HEAD without a length' },
  { bytes: ok(''), method: 'CONNECT', verdict: '200 none', why: 'the tunnel begins' },
  { bytes: answer('407 No', 'Content-Length: 3\r\n'), method: 'CONNECT', verdict: '407 length 3', why: 'CONNECT refused, with a body' },
  { bytes: answer('500 Oops', 'Content-Length: 3\r\n'), verdict: '500 length 3', why: 'errors have bodies' },
  { bytes: answer('599 Own', 'Content-Length: 3\r\n'), verdict: '599 length 3', why: 'a status we don’t know, of a class we do' },
  { bytes: answer('206 Partial', 'Content-Range: bytes 0-1/9\r\nContent-Length: 2\r\n'), verdict: '206 length 2', why: 'a range' },
  { bytes: answer('205 Reset', 'Content-Length: 0\r\n'), verdict: '205 none', why: 'reset content' },
  { bytes: `${ok('Content-Length: 2\r\n')}okHTTP/1.1 999`, verdict: '200 length 2', why: 'what follows is not looked at' },

  // The status line.
  { bytes: `\r\n${ok('')}`, verdict: 'invalid', why: 'an empty line in front' },
  { bytes: 'HTTP/2 200 OK\r\n\r\n', verdict: 'invalid', why: 'another version' },
  { bytes: 'HTTP/1.2 200 OK\r\n\r\n', verdict: 'invalid', why: 'a minor version nobody defined' },
  { bytes: 'http/1.1 200 OK\r\n\r\n', verdict: 'invalid', why: 'the name has a case' },
  { bytes: 'ICY 200 OK\r\n\r\n', verdict: 'invalid', why: 'Shoutcast' },
  { bytes: '<html>', verdict: 'invalid', why: 'HTTP/0.9, known at the first byte' },
  { bytes: 'SSH-2.0-OpenSSH_9.2\r\n', verdict: 'invalid', why: 'another protocol' },
  { bytes: 'HTTP/1.1  200 OK\r\n\r\n', verdict: 'invalid', why: 'two spaces' },
  { bytes: 'HTTP/1.1\t200 OK\r\n\r\n', verdict: 'invalid', why: 'a tab' },
  { bytes: 'HTTP/1.1 20 OK\r\n\r\n', verdict: 'invalid', why: 'two digits' },
  { bytes: 'HTTP/1.1 2000 OK\r\n\r\n', verdict: 'invalid', why: 'four digits' },
  { bytes: 'HTTP/1.1 099 OK\r\n\r\n', verdict: 'invalid', why: 'below the first class' },
  { bytes: 'HTTP/1.1 600 OK\r\n\r\n', verdict: 'invalid', why: 'above the last class' },
  { bytes: 'HTTP/1.1 +20 OK\r\n\r\n', verdict: 'invalid', why: 'a sign' },
  { bytes: 'HTTP/1.1 200OK\r\n\r\n', verdict: 'invalid', why: 'no space before the reason' },
  { bytes: 'HTTP/1.1 OK\r\n\r\n', verdict: 'invalid', why: 'no status' },
  { bytes: 'HTTP/1.1 200 a\x01b\r\n\r\n', verdict: 'invalid', why: 'a control character in the reason' },
  { bytes: 'HTTP/1.1 200 a\0b\r\n\r\n', verdict: 'invalid', why: 'NUL in the reason' },
  { bytes: 'GET / HTTP/1.1\r\n\r\n', verdict: 'invalid', why: 'a request' },

  // Line ends and fields.
  { bytes: 'HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n', verdict: 'invalid', why: 'bare line feed after the status line' },
  { bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 1\n\r\n', verdict: 'invalid', why: 'bare line feed after a field' },
  { bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\n', verdict: 'invalid', why: 'bare line feed ends the head' },
  { bytes: ok('X-A: a\rb\r\n'), verdict: 'invalid', why: 'carriage return in a value' },
  { bytes: ok('X-A: a\r\n b\r\n'), verdict: 'invalid', why: 'folded by a space' },
  { bytes: ok('X-A: a\r\n\tContent-Length: 9\r\n'), verdict: 'invalid', why: 'folded by a tab' },
  { bytes: ok('Content-Length : 5\r\n'), verdict: 'invalid', why: 'a space before the colon' },
  { bytes: ok('X A: a\r\n'), verdict: 'invalid', why: 'a space in a name' },
  { bytes: ok(': a\r\n'), verdict: 'invalid', why: 'no name' },
  { bytes: ok('X-A\r\n'), verdict: 'invalid', why: 'no colon' },
  { bytes: ok('X-\xc4: a\r\n'), verdict: 'invalid', why: 'a name that is not ASCII' },
  { bytes: ok('X-A: a\0\r\n'), verdict: 'invalid', why: 'NUL in a value' },
  { bytes: ok('X-A: a\x1bb\r\n'), verdict: 'invalid', why: 'escape: it would reach a terminal' },
  { bytes: ok('X-A: 1\r\n'.repeat(201)), verdict: 'invalid', why: 'more than 200 fields' },
  { bytes: ok(`X-A: ${'a'.repeat(64 * 1024)}\r\n`), verdict: 'invalid', why: 'a head over 64 KiB' },

  // Where the message ends.
  { bytes: ok('Content-Length: 5\r\nContent-Length: 6\r\n'), verdict: 'framing', why: 'two lengths' },
  { bytes: ok('Content-Length: 5\r\nContent-Length: 5\r\n'), verdict: 'framing', why: 'two equal lengths' },
  { bytes: ok('Content-Length: 5,5\r\n'), verdict: 'framing', why: 'two in one line' },
  { bytes: ok('Content-Length: five\r\n'), verdict: 'framing', why: 'no number' },
  { bytes: ok('Content-Length: +5\r\n'), verdict: 'framing', why: 'a sign' },
  { bytes: ok('Content-Length: 9007199254740992\r\n'), verdict: 'framing', why: '2^53' },
  { bytes: ok('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'), verdict: 'framing', why: 'length and chunked' },
  { bytes: ok('Transfer-Encoding: gzip\r\n'), verdict: 'framing', why: 'a coding that is not chunked' },
  { bytes: ok('Transfer-Encoding: gzip, chunked\r\n'), verdict: 'framing', why: 'two codings' },
  { bytes: ok('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), verdict: 'framing', why: 'chunked twice' },
  { bytes: ok('Transfer-Encoding: identity\r\n'), verdict: 'framing', why: 'identity' },
  { bytes: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', verdict: 'framing', why: 'chunked on 1.0' },
  { bytes: answer('204 No Content', 'Content-Length: 5\r\n'), verdict: 'framing', why: '204 with a body, to those who believe the length' },
  { bytes: answer('204 No Content', 'Transfer-Encoding: chunked\r\n'), verdict: 'framing', why: '204 with chunks' },
  { bytes: answer('304 Not Modified', 'Transfer-Encoding: chunked\r\n'), verdict: 'framing', why: '304 with chunks' },
  { bytes: answer('100 Continue', 'Content-Length: 5\r\n'), verdict: 'framing', why: 'interim with a body' },
  { bytes: answer('103 Hints', 'Transfer-Encoding: chunked\r\n'), verdict: 'framing', why: 'interim with chunks' },
  { bytes: ok('Content-Length: 1\r\nContent-Length: 2\r\n'), method: 'HEAD', verdict: 'framing', why: 'HEAD does not make it right' },

  // Unfinished.
  { bytes: '', verdict: 'need-more', why: 'nothing yet' },
  { bytes: 'HTTP/1', verdict: 'need-more', why: 'the first letters' },
  { bytes: 'HTTP/1.1 200 OK\r\nContent-Le', verdict: 'need-more', why: 'in the middle of a name' },
  { bytes: ok('Content-Length: 5\r\n').slice(0, -1), verdict: 'need-more', why: 'all but the last byte' },
]; // prettier-ignore
