import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ok } from '../../src/kernel/result.ts';
import { exchangeRaw, openTcp, openTls, reasonOf, send, statusOf, type Way } from './support/agent.ts';
import { ask, openH2 } from './support/h2.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, type Origin } from './support/origin.ts';

/**
 * The host that is matched is the host that is dialled, on every way in: each name is written as an agent may write it,
 * and either the one server that it means answers, or none is reached at all. The readings are the URL standard's
 * (https://url.spec.whatwg.org/#host-parsing).
 */
const API = 'api.example.com';
const IDN = 'xn--bcher-kva.example';

interface Spelling {
  readonly text: string;
  /** Whose answer comes; null for nobody's. */
  readonly reaches: 'api' | 'idn' | 'literal' | null;
  readonly why: string;
}

// prettier-ignore
const NAMES: readonly Spelling[] = [
  { text: API, reaches: 'api', why: 'as the route has it' },
  { text: 'API.eXample.COM', reaches: 'api', why: 'letter case' },
  { text: 'api.example.com.', reaches: 'api', why: 'the root dot' },
  { text: IDN, reaches: 'idn', why: 'punycode' },
  { text: 'XN--BCHER-KVA.EXAMPLE.', reaches: 'idn', why: 'punycode in capitals, with the root dot' },
  { text: 'api.example.com..', reaches: null, why: 'two root dots' },
  { text: '.api.example.com', reaches: null, why: 'an empty label' },
  { text: 'example.com', reaches: null, why: 'the domain above' },
  { text: 'deep.api.example.com', reaches: null, why: 'a name below' },
  { text: 'xapi.example.com', reaches: null, why: 'a name that ends alike' },
  { text: 'api.example.com.evil.example', reaches: null, why: 'a name that begins alike' },
  { text: 'api.example.com.127.0.0.1.nip.io', reaches: null, why: 'a name that carries its address' },
  { text: 'api-example.com', reaches: null, why: 'a dash for a dot' },
  { text: 'xn--bcher-kva.example.evil.example', reaches: null, why: 'punycode that begins alike' },
  { text: 'xn--bcher-kvb.example', reaches: null, why: 'other punycode' },
  { text: 'b\u00fccher.example', reaches: null, why: 'a letter that no head holds' },
  { text: 'api%2eexample.com', reaches: null, why: 'an escape' },
  { text: 'api.example.com%00.evil.example', reaches: null, why: 'an escaped NUL' },
  { text: 'api.example.com%2f.evil.example', reaches: null, why: 'an escaped slash' },
  { text: 'api.example.com\\.evil.example', reaches: null, why: 'a backslash, which URL parsers take for a slash' },
  { text: 'api.example.com@evil.example', reaches: null, why: 'user information before another host' },
  { text: 'evil.example@api.example.com', reaches: null, why: 'user information before the host' },
  { text: 'api.example.com,evil.example', reaches: null, why: 'two names' },
  { text: 'api.example.com;evil.example', reaches: null, why: 'a semicolon' },
  { text: 'api.example.com\tevil.example', reaches: null, why: 'a tab, which URL parsers drop' },
  { text: 'api.exam\tple.com', reaches: null, why: 'a tab within' },
  { text: 'api.example.com#.evil.example', reaches: null, why: 'a fragment' },
  { text: '[api.example.com]', reaches: null, why: 'a name in brackets' },
  { text: '*.example.com', reaches: null, why: 'a pattern' },
  { text: '169.254.169.254', reaches: null, why: 'the metadata address' },
  { text: '[::ffff:169.254.169.254]', reaches: null, why: 'the same, mapped' },
  { text: '[fd00:ec2::254]', reaches: null, why: 'the same of IPv6' },
  { text: '[fe80::1%25eth0]', reaches: null, why: 'a zone' },
  { text: '[fe80::1%eth0]', reaches: null, why: 'a zone without its escape' },
  { text: '0', reaches: null, why: 'this host' },
  { text: 'localhost', reaches: null, why: 'a name of our own loopback' },
  { text: 'localhost.localdomain', reaches: null, why: 'another' },
];

/** With the port of the one address that a route names; both ways of plain HTTP carry one. */
// prettier-ignore
const ADDRESSES: readonly Spelling[] = [
  { text: '127.0.0.1', reaches: 'literal', why: 'as the route has it' },
  { text: '127.0.0.1.', reaches: 'literal', why: 'the root dot' },
  { text: '127.1', reaches: 'literal', why: 'two parts' },
  { text: '127.0.1', reaches: 'literal', why: 'three parts' },
  { text: '2130706433', reaches: 'literal', why: 'one number' },
  { text: '0x7f000001', reaches: 'literal', why: 'one in hexadecimal' },
  { text: '0X7F.1', reaches: 'literal', why: 'hexadecimal and short' },
  { text: '0177.0.0.1', reaches: 'literal', why: 'octal' },
  { text: '017700000001', reaches: 'literal', why: 'octal whole' },
  { text: '127.0.0.2', reaches: null, why: 'its neighbour' },
  { text: '127.0.0.1.nip.io', reaches: null, why: 'a name that resolves to it' },
  { text: '7f000001.nip.io', reaches: null, why: 'the same in hexadecimal' },
  { text: '127-0-0-1.sslip.example', reaches: null, why: 'the same with dashes' },
  { text: 'localhost', reaches: null, why: 'a name for it' },
  { text: '[::1]', reaches: null, why: 'the loopback of IPv6' },
  { text: '[::ffff:127.0.0.1]', reaches: null, why: 'mapped' },
  { text: '[::ffff:7f00:1]', reaches: null, why: 'mapped, in hexadecimal' },
  { text: '[::127.0.0.1]', reaches: null, why: 'compatible' },
  { text: '[64:ff9b::7f00:1]', reaches: null, why: 'NAT64' },
  { text: '[64:ff9b::127.0.0.1]', reaches: null, why: 'NAT64, dotted' },
  { text: '[2002:7f00:1::]', reaches: null, why: '6to4' },
  { text: '127.0.0.1.5', reaches: null, why: 'five numbers' },
  { text: '127.0.0.08', reaches: null, why: 'no octal digit' },
  { text: '127.0.0.256', reaches: null, why: 'a number too large' },
  { text: '4294967296', reaches: null, why: 'more than an address holds' },
  { text: '127.0.0.1%20', reaches: null, why: 'an escaped blank' },
];

// prettier-ignore
const PORTS: readonly Spelling[] = [
  { text: `${API}:80`, reaches: 'api', why: 'the port of its scheme' },
  { text: `${API}:0080`, reaches: 'api', why: 'with zeros before it' },
  { text: `${API}:81`, reaches: null, why: 'a port that no route covers' },
  { text: `${API}:0`, reaches: null, why: 'no port' },
  { text: `${API}:65616`, reaches: null, why: '80 beyond the last one' },
  { text: `${API}:-80`, reaches: null, why: 'a sign' },
  { text: `${API}:+80`, reaches: null, why: 'another' },
  { text: `${API}:8o`, reaches: null, why: 'a letter' },
  { text: `${API}:80:80`, reaches: null, why: 'two ports' },
  { text: `${API}:80@evil.example`, reaches: null, why: 'what would be a password' },
];

let harness: Harness;
let encrypted: Origin;
let plain: Readonly<Record<'api' | 'idn' | 'literal', Origin>>;
let literalPort = '';

beforeAll(async () => {
  encrypted = await startOrigin(answering('api'));
  const startPlain = (name: string): Promise<Origin> => startOrigin(answering(name), { tls: false });
  plain = { api: await startPlain('api'), idn: await startPlain('idn'), literal: await startPlain('literal') };
  literalPort = String(plain.literal.port);
  harness = await startHarness({
    routes: [{ host: API }, { host: IDN }, { host: `127.0.0.1:${literalPort}` }, { host: '*.wild.example' }],
    origins: { [`${API}:443`]: encrypted, [`${API}:80`]: plain.api, [`${IDN}:80`]: plain.idn },
    resolver: { resolve: () => Promise.resolve(ok(['127.0.0.1'])) },
  });
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  for (const origin of [encrypted, ...Object.values(plain)]) await origin[Symbol.asyncDispose]();
});

interface Reached {
  readonly status: number;
  readonly text: string;
  readonly reason: string | undefined;
}

async function speak(role: 'proxy' | 'http', request: string): Promise<Reached> {
  const socket = await openTcp(harness.port(role));
  const text = await exchangeRaw(socket, Buffer.from(`${request}Connection: close\r\n\r\n`), null);
  socket.destroy();
  return { status: statusOf(text), text: text.split('\r\n\r\n')[1] ?? '', reason: reasonOf(text) };
}

const absolute = (authority: string): Promise<Reached> =>
  speak('proxy', `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n`);
const byHost = (authority: string): Promise<Reached> => speak('http', `GET / HTTP/1.1\r\nHost: ${authority}\r\n`);

const PLAIN_WAYS = [
  { way: 'the absolute form', reach: absolute },
  { way: 'Host, transparently', reach: byHost },
];

const connections = (): number =>
  [encrypted, ...Object.values(plain)].reduce((sum, origin) => sum + origin.connections(), 0);

describe.each(PLAIN_WAYS)('S21 G-DENY the host that is matched is the host that is dialled: $way', ({ reach }) => {
  const rows = (): readonly Spelling[] => [
    ...NAMES,
    ...PORTS,
    ...ADDRESSES.map((row) => ({ ...row, text: `${row.text}:${literalPort}` })),
  ];

  it('each spelling reaches whom it means, or nobody', async () => {
    for (const { text, reaches, why } of rows()) {
      const before = connections();
      const reached = await reach(text);
      const told = `${JSON.stringify(text)}: ${why}`;
      if (reaches !== null) {
        expect({ status: reached.status, text: reached.text }, told).toEqual({ status: 200, text: reaches });
        continue;
      }
      expect([400, 403], told).toContain(reached.status);
      expect(reached.reason, told).toBeDefined();
      expect(connections(), told).toBe(before);
    }
    expect(harness.bugs).toEqual([]);
  });

  it('a name that leads to a private address is refused, whatever it is called', async () => {
    for (const name of ['127.0.0.1.wild.example', 'rebind.wild.example', '7f000001.wild.example'])
      expect(await reach(name), name).toMatchObject({ status: 403, reason: 'address_refused' });
  });

  it('of an absolute URL and a Host that differ, neither is dialled', async () => {
    const before = connections();
    const pairs = [
      [API, IDN],
      [IDN, API],
      [API, `127.0.0.1:${literalPort}`],
      [API, `${API}:81`],
    ];
    for (const [url = '', host = ''] of pairs) {
      const reached = await speak('proxy', `GET http://${url}/ HTTP/1.1\r\nHost: ${host}\r\n`);
      expect(reached, `${url} and ${host}`).toMatchObject({ status: 403, reason: 'host_mismatch' });
    }
    expect(connections()).toBe(before);
  });
});

/** What no client hello can carry as a name: Node.js would not send it. */
const SENDABLE = NAMES.filter(({ text }) => /^[\w.-]+$/.test(text) && !/^[\d.]+$/.test(text));

describe.each<Way>(['connect', 'transparent-tls'])('S21 G-DENY the same for TLS by %s', (way) => {
  it('each spelling in CONNECT, SNI and Host reaches whom it means, or nobody', async () => {
    for (const { text, reaches, why } of SENDABLE.filter((row) => row.reaches !== 'idn')) {
      const before = connections();
      const told = `${text}: ${why}`;
      const reached = await overTls(text, way);
      if (reaches !== null) expect(reached, told).toEqual({ status: 200, text: 'api' });
      else {
        expect(reached.text, told).not.toBe('api');
        expect(connections(), told).toBe(before);
      }
    }
  });

  it('each spelling of :authority is the name of its connection, or refused', async () => {
    using agent = await openH2(harness, API, way);
    for (const { text, reaches, why } of [...SENDABLE, ...PORTS]) {
      const before = encrypted.seen.length;
      const { status, body } = await ask(agent, { ':path': '/', ':authority': text });
      const told = `${text}: ${why}`;
      // Here the port of the scheme is 443.
      if (reaches === 'api' && !text.includes(':')) expect([status, String(body)], told).toEqual([200, 'api']);
      else {
        expect([0, 400, 421], told).toContain(status);
        expect(encrypted.seen.length, told).toBe(before);
      }
    }
    expect(harness.bugs).toEqual([]);
  });
});

async function overTls(name: string, way: Way): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const options = { servername: name, checkServerIdentity: () => undefined };
    const socket = await openTls(harness, name, way, options);
    const text = await exchangeRaw(socket, `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`, null);
    socket.destroy();
    return { status: statusOf(text), text: text.split('\r\n\r\n')[1] ?? '' };
  } catch (failure) {
    // Closed before or during the handshake: nothing was reached.
    return { status: 0, text: String(failure) };
  }
}

describe('S21 redirects', () => {
  it('go to the agent, which is decided upon again', async () => {
    const elsewhere = 'http://169.254.169.254/latest/meta-data';
    await using redirecting = await startOrigin(answering('', { location: elsewhere }, 302));
    await using own = await startHarness({ routes: [{ host: API }], origins: { [`${API}:443`]: redirecting } });
    const answer = await send(own, `https://${API}/`);
    expect([answer.status, answer.headers.location]).toEqual([302, elsewhere]);
    expect(own.gateway.counters().upstreamDialled).toBe(1);
    const socket = await openTcp(own.port('proxy'));
    const text = await exchangeRaw(socket, `GET ${elsewhere} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n`, '\r\n\r\n');
    expect(reasonOf(text)).toBe('no_route');
    socket.destroy();
    await once(socket, 'close');
  });
});
