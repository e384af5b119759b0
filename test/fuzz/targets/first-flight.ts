import assert from 'node:assert/strict';
import { parseClientHello } from '../../../src/protocol/client-hello.ts';
import { classifyFirstBytes } from '../../../src/protocol/first-bytes.ts';
import { extension, hello, helloMessage, protocols, records, serverNames } from '../../protocol/support/hello.ts';
import type { FuzzTarget } from '../target.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const parts = {
  extensions: [serverNames('a.example'), protocols('h2', 'http/1.1'), extension(0xfe0d, new Uint8Array(9))],
};

export const firstFlight: FuzzTarget = {
  name: 'first-flight',
  corpus: [
    text(hello()),
    text(hello(parts)),
    text(hello({ extensions: null })),
    text(records(helloMessage(parts), 20)),
    text(records(helloMessage(parts), 1)),
    'GET / HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n',
  ],
  dictionary: [
    '\x16\x03\x01',
    '\x00\x00',
    '\x01',
    '\xff\xff',
    '\x00\x01',
    text(serverNames('b.example')),
    text(protocols('h3')),
    text(extension(0x0a0a, new Uint8Array(0))),
  ],
  iterations: 6000,
  check(input, random) {
    const begun = input.subarray(0, random.below(input.length + 1));
    const [first, whole] = [classifyFirstBytes(begun), classifyFirstBytes(input)];
    if (first !== 'need-more') assert.equal(first, whole);
    const [partial, parsed] = [parseClientHello(begun), parseClientHello(input)];
    if (partial.kind === 'client-hello') assert.deepEqual(partial, parsed);
    else if (partial.kind === 'invalid') assert.equal(parsed.kind, 'invalid');
    if (parsed.kind !== 'client-hello') return;
    assert.equal(whole, 'tls', 'a hello that does not begin like one');
    if (parsed.sni !== null) assert.match(parsed.sni, /^[!-~]+$/);
  },
};
