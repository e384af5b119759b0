import assert from 'node:assert/strict';
import { keepAlive, requestFraming, responseFraming } from '../../../src/protocol/http1/framing.ts';
import {
  parseRequestHead,
  parseResponseHead,
  serialiseRequestHead,
  serialiseResponseHead,
  type Header,
} from '../../../src/protocol/http1/head.ts';
import { REQUESTS } from '../../protocol/vectors/requests.ts';
import { RESPONSES } from '../../protocol/vectors/responses.ts';
import type { SeededRandom } from '../random.ts';
import type { FuzzTarget } from '../target.ts';

const WORDS = [
  '\r\n', '\n', '\r', '\r\n\r\n', ' ', '\t', ':', '\0', '\x7f', '\xff', 'Host: b\r\n', 'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n', ', chunked', 'HTTP/1.1', 'HTTP/1.0', '%0d%0a', '#', '?', '//', '@', '[::1]', '*',
] as const; // prettier-ignore
const short = (rows: readonly { readonly bytes: string }[]): readonly string[] =>
  rows.map(({ bytes }) => bytes).filter((bytes) => bytes.length < 1000);

/** The grammar once more, as expressions: nothing that our tables let through may fall outside. */
function checkHeaders(headers: readonly Header[], value: RegExp): void {
  for (const [name, text] of headers) {
    assert.match(name, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
    assert.match(text, value);
  }
}

function checkPrefix(
  parse: (bytes: Uint8Array) => { readonly kind: string },
  input: Uint8Array,
  random: SeededRandom,
): void {
  const partial = parse(input.subarray(0, random.below(input.length + 1)));
  if (partial.kind !== 'need-more') assert.equal(partial.kind, parse(input).kind, 'a prefix has another verdict');
}

const endOf = (input: Uint8Array, consumed: number): string =>
  Buffer.from(input.subarray(0, consumed)).toString('latin1').slice(-4);

export const requestHead: FuzzTarget = {
  name: 'request-head',
  corpus: short(REQUESTS),
  dictionary: WORDS,
  iterations: 4000,
  check(input, random) {
    checkPrefix(parseRequestHead, input, random);
    const parsed = parseRequestHead(input);
    if (parsed.kind !== 'head') return;
    const { head, consumed } = parsed;
    assert.equal(endOf(input, consumed), '\r\n\r\n');
    assert.match(head.method, /^[A-Z-]+$/);
    assert.match(head.target, /^[!"$-~]+$/);
    checkHeaders(head.headers, /^(?:[!-~](?:[\t -~]*[!-~])?)?$/);
    assert.ok(head.headers.filter(([name]) => name.toLowerCase() === 'host').length <= 1);
    keepAlive(head);
    const framing = requestFraming(head);
    if (framing.ok && framing.value.kind === 'length') assert.ok(Number.isSafeInteger(framing.value.length));
    if (head.version !== '1.1') return;
    const again = parseRequestHead(written(serialiseRequestHead(head.method, head.target, head.headers)));
    assert.deepEqual(again.kind === 'head' ? again.head : again, head);
  },
};

export const responseHead: FuzzTarget = {
  name: 'response-head',
  corpus: short(RESPONSES),
  dictionary: WORDS,
  iterations: 4000,
  check(input, random) {
    checkPrefix(parseResponseHead, input, random);
    const parsed = parseResponseHead(input);
    if (parsed.kind !== 'head') return;
    const { head, consumed } = parsed;
    assert.equal(endOf(input, consumed), '\r\n\r\n');
    assert.ok(head.status >= 100 && head.status < 600);
    assert.match(head.statusText, /^[\t -~\x80-\xff]*$/);
    checkHeaders(head.headers, /^[\t -~\x80-\xff]*$/);
    responseFraming(head, random.pick(['GET', 'HEAD', 'CONNECT']));
    const again = parseResponseHead(written(serialiseResponseHead(head.status, head.statusText, head.headers)));
    assert.deepEqual(again.kind === 'head' ? again.head : again, { ...head, version: '1.1' });
  },
};

function written(head: string): Uint8Array {
  return Buffer.from(head, 'latin1');
}
