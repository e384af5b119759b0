import assert from 'node:assert/strict';
import { parseRequestHead } from '../../../src/protocol/http1/head.ts';
import { translateRequest } from '../../../src/protocol/http2/request.ts';
import type { Header } from '../../../src/schema/header.ts';
import type { FuzzTarget } from '../target.ts';

/** Lines `name=value` as a header list: what is let through is one request to the parser behind, with those fields. */
export const http2Requests: FuzzTarget = {
  name: 'http2-requests',
  corpus: [
    ':method=GET\0:scheme=https\0:authority=a.example\0:path=/\0x-a=b',
    ':method=POST\0:scheme=https\0:authority=a.example\0:path=/a?b=c\0content-length=5\0cookie=a=b\0cookie=c=d',
    ':method=CONNECT\0:authority=a.example:443',
    ':method=CONNECT\0:protocol=websocket\0:scheme=https\0:authority=a.example\0:path=/ws',
    ':method=OPTIONS\0:scheme=https\0:path=*\0host=a.example\0te=trailers',
  ],
  dictionary: [
    '\0',
    '=',
    ':path=',
    'host=',
    '\r\n',
    '\n',
    ' ',
    'transfer-encoding=chunked',
    'Upper=',
    '\x7f',
    '#',
    '@',
  ],
  iterations: 6000,
  check(input, random) {
    const fields = Buffer.from(input).toString('latin1').split('\0').map(pair);
    const translated = translateRequest(fields, random.below(2) === 0);
    if (!translated.ok) return;
    const { method, target, headers } = translated.value;
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const bytes = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
    const parsed = parseRequestHead(bytes);
    assert.notEqual(parsed.kind, 'need-more', 'a head without an end');
    if (parsed.kind !== 'head') return;
    assert.equal(parsed.consumed, bytes.length, 'something follows the head');
    assert.deepEqual(parsed.head, { method, target, version: '1.1', headers });
  },
};

function pair(text: string): Header {
  const at = text.indexOf('=');
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
