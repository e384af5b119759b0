import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import { parseClientHello } from '../../src/protocol/client-hello.ts';
import { ascii, extension, hello, helloMessage, protocols, records, serverNames, vector } from './support/hello.ts';

const GREASE = [0x0a0a, 0xfafa] as const;
const padded = (size: number): Uint8Array => extension(21, new Uint8Array(size));
/** A hello of exactly so many bytes on the wire, in one record. */
const sized = (bytes: number): Uint8Array => {
  const bare = hello({ extensions: [serverNames('a.example'), padded(0)] }).length;
  return hello({ extensions: [serverNames('a.example'), padded(bytes - bare)] });
};
const patched = (bytes: Uint8Array, at: number, value: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? value : byte));
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

describe('client hellos that stand', () => {
  const read = (sni: string | null, alpn: readonly string[] = [], ech = false) => ({
    kind: 'client-hello',
    sni,
    alpn,
    ech,
  });
  it.each([
    { bytes: hello(), is: read('a.example'), why: 'a name' },
    { bytes: hello({ extensions: [] }), is: read(null), why: 'no name' },
    { bytes: hello({ extensions: null }), is: read(null), why: 'no extensions at all' },
    {
      bytes: hello({ extensions: [protocols('h2', 'http/1.1'), serverNames('B.example')] }),
      is: read('B.example', ['h2', 'http/1.1']),
      why: 'protocols, and the name as it was written',
    },
    {
      bytes: hello({
        extensions: [
          extension(GREASE[0], new Uint8Array(0)),
          serverNames('a.example'),
          protocols('\x0a\x0a', 'h2'),
          extension(GREASE[1], Uint8Array.of(0)),
        ],
      }),
      is: read('a.example', ['\x0a\x0a', 'h2']),
      why: 'GREASE where clients put it (RFC 8701)',
    },
    {
      bytes: hello({ ciphers: Uint8Array.of(0x1a, 0x1a, 0x13, 0x01) }),
      is: read('a.example'),
      why: 'GREASE among the ciphers',
    },
    {
      bytes: hello({ extensions: [serverNames('a.example'), extension(0xfe0d, new Uint8Array(40))] }),
      is: read('a.example', [], true),
      why: 'S24 encrypted_client_hello is seen',
    },
    {
      bytes: hello({ version: [3, 1], sessionId: new Uint8Array(0) }),
      is: read('a.example'),
      why: 'an old version field',
    },
    {
      bytes: joined(hello(), Uint8Array.of(20, 3, 3, 0, 1, 1)),
      is: read('a.example'),
      why: 'what follows in other records is not looked at',
    },
    { bytes: sized(LIMITS.clientHelloBytes), is: read('a.example'), why: 'S24 of exactly the limit' },
    { bytes: records(helloMessage(), 7), is: read('a.example'), why: 'in many records' },
    { bytes: records(helloMessage(), 1), is: read('a.example'), why: 'in records of one byte' },
  ])('$why', ({ bytes, is }) => {
    expect(parseClientHello(bytes)).toEqual(is);
  });
});

describe('G-DENY client hellos that do not', () => {
  const name = (content: Uint8Array): Uint8Array => hello({ extensions: [extension(0, content)] });
  it.each([
    { bytes: sized(LIMITS.clientHelloBytes + 1), why: 'S24 over the limit' },
    { bytes: records(sized(LIMITS.clientHelloBytes).subarray(5), 100), why: 'S24 over the limit by its record headers' },
    { bytes: patched(hello(), 6, 0xff), why: 'a length over the limit, known at once' },
    { bytes: patched(hello(), 0, 23), why: 'not a handshake record' },
    { bytes: patched(hello(), 1, 2), why: 'not a TLS record' },
    { bytes: patched(hello(), 2, 9), why: 'a record version that is none' },
    { bytes: patched(hello(), 5, 2), why: 'a server hello' },
    { bytes: patched(hello(), 9, 2), why: 'SSL 2 inside' },
    { bytes: Uint8Array.of(22, 3, 1, 0, 0), why: 'an empty record' },
    { bytes: Uint8Array.of(22, 3, 1, 0x40, 1), why: 'a record over 16 KiB' },
    { bytes: joined(records(helloMessage(), 50).subarray(0, 55), Uint8Array.of(21, 3, 1, 0, 2, 1, 0)), why: 'an alert between its records' },
    { bytes: records(joined(helloMessage(), Uint8Array.of(0))), why: 'a byte after it in its record' },
    { bytes: records(joined(helloMessage(), helloMessage())), why: 'two in one record' },
    { bytes: hello({ sessionId: new Uint8Array(33) }), why: 'a session id that is too long' },
    { bytes: hello({ ciphers: new Uint8Array(0) }), why: 'no ciphers' },
    { bytes: hello({ ciphers: new Uint8Array(3) }), why: 'half a cipher' },
    { bytes: hello({ compression: new Uint8Array(0) }), why: 'no compression method' },
    { bytes: hello({ tail: Uint8Array.of(0) }), why: 'bytes after the extensions' },
    { bytes: hello({ extensions: [Uint8Array.of(0, 0)] }), why: 'an extension without a length' },
    { bytes: hello({ extensions: [Uint8Array.of(0, 5, 0, 9, 1)] }), why: 'an extension longer than its place' },
    { bytes: hello({ extensions: [serverNames('a.example'), serverNames('b.example')] }), why: 'the name extension twice' },
    { bytes: hello({ extensions: [extension(5, Uint8Array.of(1)), extension(5, Uint8Array.of(1))] }), why: 'any extension twice' },
    { bytes: hello({ extensions: [serverNames('a.example', 'b.example')] }), why: 'two names' },
    { bytes: hello({ extensions: [serverNames()] }), why: 'a list of no names' },
    { bytes: hello({ extensions: [serverNames('')] }), why: 'an empty name' },
    { bytes: hello({ extensions: [serverNames('a.exam\0ple')] }), why: 'NUL in the name' },
    { bytes: hello({ extensions: [serverNames('a example')] }), why: 'a space in the name' },
    { bytes: hello({ extensions: [serverNames('caf\xe9.example')] }), why: 'a name that is not ASCII' },
    { bytes: name(vector(2, joined(Uint8Array.of(1), vector(2, ascii('a.example'))))), why: 'a name of another kind' },
    { bytes: name(joined(vector(2, joined(Uint8Array.of(0), vector(2, ascii('a')))), Uint8Array.of(0))), why: 'a byte after the list' },
    { bytes: name(Uint8Array.of(0, 9, 0, 0, 1, 97)), why: 'a list longer than its place' },
    { bytes: hello({ extensions: [extension(16, vector(2, Uint8Array.of(0)))] }), why: 'an empty protocol' },
    { bytes: hello({ extensions: [extension(16, vector(2, new Uint8Array(0)))] }), why: 'no protocols' },
    { bytes: hello({ extensions: [extension(16, Uint8Array.of(0, 3, 2, 104, 50, 0))] }), why: 'a byte after the protocols' },
    { bytes: ascii('GET / HTTP/1.1\r\n'), why: 'HTTP' },
  ])('$why', ({ bytes }) => {
    expect(parseClientHello(bytes)).toMatchObject({ kind: 'invalid', why: expect.stringMatching(/\w/) });
  });
}); // prettier-ignore

describe('client hellos in pieces', () => {
  it('every prefix waits, in any records', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), (size) => {
        const bytes = records(helloMessage({ extensions: [serverNames('a.example'), protocols('h2')] }), size);
        for (let length = 0; length < bytes.length; length += 1) {
          expect(parseClientHello(bytes.subarray(0, length))).toEqual({ kind: 'need-more' });
        }
        expect(parseClientHello(bytes)).toMatchObject({ kind: 'client-hello', sni: 'a.example', alpn: ['h2'] });
      }),
      { numRuns: 40 },
    );
  });

  it('any bytes at all: no exception, and a prefix never has another verdict than the whole', () => {
    const base = hello({ extensions: [serverNames('a.example'), protocols('h2'), padded(20)] });
    const changes = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(changes, fc.nat(base.length), (list, cut) => {
        const bytes = list.reduce((before, [at, value]) => patched(before, at, value), base);
        const whole = parseClientHello(bytes);
        const partial = parseClientHello(bytes.subarray(0, cut));
        if (partial.kind !== 'need-more') expect(partial.kind).toBe(whole.kind);
      }),
      { numRuns: 2000 },
    );
  });

  it('S24 one that has not ended within the bound is refused there', () => {
    const long = records(sized(LIMITS.clientHelloBytes - 100).subarray(5), 100);
    expect(parseClientHello(long.subarray(0, LIMITS.clientHelloBytes))).toEqual({ kind: 'need-more' });
    expect(parseClientHello(long.subarray(0, LIMITS.clientHelloBytes + 1))).toMatchObject({ kind: 'invalid' });
  });
});

describe('a real client', () => {
  it.each([
    {
      options: { servername: 'api.example.com', ALPNProtocols: ['h2', 'http/1.1'] },
      is: { sni: 'api.example.com', alpn: ['h2', 'http/1.1'] },
    },
    { options: { servername: '', maxVersion: 'TLSv1.2' } as const, is: { sni: null, alpn: [] } },
  ])('$is', async ({ options, is }) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const client = tls.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ...options });
    const failed = once(client, 'error');
    const [peer] = (await accepted) as [net.Socket];
    const [bytes] = (await once(peer, 'data')) as [Buffer];
    expect(parseClientHello(bytes)).toEqual({ kind: 'client-hello', ech: false, ...is });
    peer.destroy();
    await failed;
    server.close();
  });
});
