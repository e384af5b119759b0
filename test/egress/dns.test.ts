import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DnsAnswerer } from '../../src/egress/dns.ts';

/** dns-packet is a second implementation of the format: it writes our questions and reads our answers. */
const answerer = new DnsAnswerer({
  allows: (name) => name === 'api.example.com' || name.endsWith('.cdn.example'),
  onQuery: () => undefined,
});

/** The types that the declarations of dns-packet leave out are known to its code all the same. */
type QuestionType = dnsPacket.RecordType | 'HTTPS' | 'ANY';

function question(name: string, type: QuestionType = 'A', id = 7): Buffer {
  const query = { type: 'query', id, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type, name, class: 'IN' }] };
  return dnsPacket.encode(query as dnsPacket.Packet);
}

function ask(message: Uint8Array): ReturnType<typeof dnsPacket.decode> | null {
  const answer = answerer.answer(message);
  return answer === null ? null : dnsPacket.decode(Buffer.from(answer));
}

describe('G-NET the DNS answerer', () => {
  it.each([
    { name: 'api.example.com', type: 'A', rcode: 'NOERROR', answers: ['127.0.0.2'], why: 'an allowed name' },
    { name: 'API.Example.COM', type: 'A', rcode: 'NOERROR', answers: ['127.0.0.2'], why: 'names have no case' },
    { name: 'a.b.cdn.example', type: 'A', rcode: 'NOERROR', answers: ['127.0.0.2'], why: 'below a wildcard' },
    {
      name: 'api.example.com',
      type: 'AAAA',
      rcode: 'NOERROR',
      answers: [],
      why: 'no data, so that A is tried at once',
    },
    { name: 'api.example.com', type: 'TXT', rcode: 'NOERROR', answers: [], why: 'S24 nothing but A has data' },
    {
      name: 'api.example.com',
      type: 'HTTPS',
      rcode: 'NOERROR',
      answers: [],
      why: 'S24 no keys for an encrypted client hello',
    },
    { name: 'api.example.com', type: 'ANY', rcode: 'NOERROR', answers: [], why: 'ANY is a type like others' },
    { name: 'egress', type: 'A', rcode: 'NOERROR', answers: ['127.0.0.2'], why: 'a name of the bundle' },
    { name: '_egress.local', type: 'A', rcode: 'NOERROR', answers: ['127.0.0.2'], why: 'a name of the bundle' },
    { name: 'git-gate', type: 'AAAA', rcode: 'NOERROR', answers: [], why: 'the bundle has no IPv6 address' },
    { name: 'example.com', type: 'A', rcode: 'NXDOMAIN', answers: [], why: 'not allowed' },
    {
      name: 'secret-data.attacker.example',
      type: 'A',
      rcode: 'NXDOMAIN',
      answers: [],
      why: 'what would carry data out',
    },
    { name: 'secret-data.api.example.com', type: 'A', rcode: 'NXDOMAIN', answers: [], why: 'below an exact name' },
    { name: 'cdn.example', type: 'A', rcode: 'NXDOMAIN', answers: [], why: 'the apex is not below itself' },
    { name: '.', type: 'NS', rcode: 'NXDOMAIN', answers: [], why: 'the root' },
  ] as const)('$name $type → $rcode $answers ($why)', ({ name, type, rcode, answers }) => {
    const answer = ask(question(name, type));
    expect(answer).toMatchObject({ id: 7, type: 'response', rcode });
    expect(answer?.answers?.map((record) => 'data' in record && record.data)).toEqual(answers);
  });

  it('keeps allowed names short-lived, so that a reload is felt', () => {
    const [record] = ask(question('api.example.com'))?.answers ?? [];
    expect(record).toMatchObject({ ttl: 5 });
  });

  it.each([
    { message: Buffer.alloc(0), why: 'nothing' },
    { message: Buffer.alloc(11), why: 'less than a header' },
    { message: question('api.example.com').subarray(0, 20), why: 'a torn question' },
    {
      message: Buffer.from(answerer.answer(question('api.example.com')) ?? []),
      why: 'an answer: two answerers must not talk for ever',
    },
    {
      message: dnsPacket.encode({
        type: 'query',
        id: 1,
        questions: [
          { type: 'A', name: 'api.example.com' },
          { type: 'A', name: 'api.example.com' },
        ],
      }),
      why: 'two questions',
    },
    {
      message: dnsPacket.encode({
        type: 'query',
        id: 1,
        flags: 5 << 11,
        questions: [{ type: 'A', name: 'a.example' }],
      }),
      why: 'an update',
    },
    {
      message: Buffer.concat([question('a.example').subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]),
      why: 'a pointer to itself',
    },
    { message: Buffer.alloc(5000, question('api.example.com')), why: 'beyond the bound' },
  ])('drops $why', ({ message }) => {
    expect(answerer.answer(message)).toBeNull();
  });

  it('says NXDOMAIN to a class other than IN', () => {
    const chaos = dnsPacket.encode({
      type: 'query',
      id: 1,
      questions: [{ type: 'TXT', name: 'api.example.com', class: 'CH' }],
    });
    expect(ask(chaos)?.answers).toEqual([]);
  });

  it('never says more of a query than its question, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const answer = answerer.answer(bytes);
        if (answer === null) return;
        const echoed = answer.subarray(12, answer.length - (answer[7] === 1 ? 16 : 0));
        expect(Buffer.from(bytes).subarray(12, 12 + echoed.length)).toEqual(Buffer.from(echoed));
      }),
      { numRuns: 2000 },
    );
  });

  it('answers over UDP, and over TCP several questions that arrive in one piece', async () => {
    const udp = createSocket('udp4');
    answerer.serveUdp(udp);
    await new Promise<void>((resolve) => {
      udp.bind(0, '127.0.0.1', resolve);
    });
    const client = createSocket('udp4');
    client.send(question('api.example.com'), udp.address().port, '127.0.0.1');
    const [datagram] = (await once(client, 'message')) as [Buffer];
    expect(dnsPacket.decode(datagram).answers).toHaveLength(1);
    client.close();
    udp.close();

    const tcp = createServer((socket) => {
      answerer.serveTcp(socket);
    });
    await new Promise<void>((resolve) => {
      tcp.listen(0, '127.0.0.1', resolve);
    });
    const framed = [question('api.example.com', 'A', 1), question('no.example', 'A', 2)].flatMap((message) => [
      Buffer.of(0, message.length),
      message,
    ]);
    const stream = connect((tcp.address() as AddressInfo).port, '127.0.0.1');
    stream.write(Buffer.concat(framed));
    let received = Buffer.alloc(0);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length > 2 + received.readUInt16BE(0) + 2) break;
    }
    expect(dnsPacket.decode(received.subarray(2)).id).toBe(1);
    stream.destroy();
    tcp.close();
  });
});
