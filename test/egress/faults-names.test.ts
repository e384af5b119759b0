import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import dnsPacket from 'dns-packet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSystemResolver } from '../../src/platform/dns.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, type Origin } from './support/origin.ts';
import { askHttp1, askHttp2 } from './support/raw-answer.ts';

const HOST = 'api.example.com';
/** The same gateway reaches this one without asking any name server. */
const PINNED = 'pinned.example.com';

type Reply = (query: dnsPacket.Packet) => Buffer | null;
const rcode =
  (code: number): Reply =>
  (query) =>
    reply(query, [], code);
const addresses =
  (...values: readonly string[]): Reply =>
  (query) =>
    reply(query, values, 0);

function reply(query: dnsPacket.Packet, values: readonly string[], code: number): Buffer {
  const [question] = query.questions ?? [];
  const name = question?.name ?? '';
  const answers = values
    .map((data) => ({ type: data.includes(':') ? ('AAAA' as const) : ('A' as const), name, ttl: 0, data }))
    .filter(({ type }) => type === question?.type);
  const questions = query.questions ?? [];
  return dnsPacket.encode({ type: 'response', id: query.id ?? 0, flags: code, questions, answers });
}

interface Row {
  readonly why: string;
  /** What each question is answered; the last one stands for all that follow. */
  readonly replies: Reply;
  readonly told: { readonly status: number; readonly reason: string };
}

const unresolved = (why: string, replies: Reply): Row => ({
  why,
  replies,
  told: { status: 502, reason: 'resolve_failed' },
});
const barred = (why: string, replies: Reply): Row => ({
  why,
  replies,
  told: { status: 403, reason: 'address_refused' },
});

const ROWS: readonly Row[] = [
  unresolved('is silent', () => null),
  unresolved('knows no such name', rcode(3)),
  unresolved('fails', rcode(2)),
  unresolved('refuses', rcode(5)),
  unresolved('has no address for it', addresses()),
  unresolved('answers with garbage', () => Buffer.from('garbage that is no message')),
  unresolved('answers with half a message', (query) => reply(query, ['192.0.2.7'], 0).subarray(0, 20)),
  unresolved('answers another question', (query) => reply({ ...query, id: ((query.id ?? 0) + 1) % 65_536 }, ['192.0.2.7'], 0)),
  barred('says loopback', addresses('127.0.0.1')),
  barred('says a private address', addresses('10.0.0.7')),
  barred('says loopback, mapped', addresses('::ffff:127.0.0.1')),
  barred('says one good address and one bad', addresses('192.0.2.7', '169.254.169.254')),
]; // prettier-ignore

describe('a name server that', () => {
  let server: Socket;
  let origin: Origin;
  let harness: Harness;
  let replies: Reply = rcode(3);
  let questions = 0;

  beforeAll(async () => {
    server = createSocket('udp4');
    server.on('message', (message, peer) => {
      questions += 1;
      const answer = replies(dnsPacket.decode(message));
      if (answer !== null) server.send(answer, peer.port, peer.address);
    });
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    origin = await startOrigin(answering('fine'), { name: PINNED });
    harness = await startHarness({
      routes: [{ host: HOST }, { host: PINNED }],
      origins: { [`${PINNED}:443`]: origin },
      resolver: createSystemResolver({ servers: [`127.0.0.1:${String(server.address().port)}`], timeoutMs: 400 }),
    });
  });
  afterAll(async () => {
    await harness[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
    server.close();
  });

  describe.each([
    { agent: 'h1', ask: askHttp1 },
    { agent: 'h2', ask: askHttp2 },
  ])('for an agent of $agent', ({ ask }) => {
    it.each(ROWS)('$why', async (row) => {
      const before = (await harness.ended(0)).length;
      replies = row.replies;
      expect(await ask(harness, HOST)).toMatchObject({ ...row.told, whole: true });
      expect(await ask(harness, PINNED)).toMatchObject({ status: 200, body: 'fine' });
      const records = (await harness.ended(before + 2)).slice(before);
      expect(records).toMatchObject([
        { ...row.told, ended: 'complete' },
        { status: 200, reason: 'allowed', ended: 'complete' },
      ]);
      expect(harness.bugs).toEqual([]);
    });
  });

  it('S21 changes its mind is asked anew for every connection, and what it says is checked every time', async () => {
    const script: readonly (readonly [Reply, number])[] = [
      [rcode(3), 502],
      [addresses('127.0.0.1'), 403],
      [addresses('fd00::1'), 403],
      [rcode(2), 502],
      [addresses('10.1.2.3', '127.0.0.1'), 403],
    ];
    const statuses: number[] = [];
    for (const [next] of script) {
      const before = questions;
      replies = next;
      statuses.push((await askHttp1(harness, HOST)).status);
      expect(questions).toBeGreaterThan(before);
    }
    expect(statuses).toEqual(script.map(([, status]) => status));
    expect(harness.gateway.counters().upstreamDialled).toBe(origin.connections());
  });
});
