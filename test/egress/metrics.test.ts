import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LabelledCounter } from '../../src/egress/metric-kinds.ts';
import { renderMetrics } from '../../src/protocol/prometheus.ts';
import { readExposition, valueOf, type ReadFamily } from '../protocol/support/exposition.ts';
import { exchangeRaw, openTcp, openTunnel, send } from './support/agent.ts';
import { ask, openH2 } from './support/h2.ts';
import { startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const DOWN = 'down.example.com';
const SECRET = 'tok_live_M3tr1c5hd7Wm2pXv91LtR5';

function read({ gateway }: Harness): ReadonlyMap<string, ReadFamily> {
  return readExposition(renderMetrics(gateway.metrics()));
}

describe('metrics of a gateway', () => {
  test('count each request once, by verdict, reason and protocol, as the records have it', async () => {
    await using origin = await startOrigin(answering('an answer'));
    await using harness = await startHarness({
      routes: [{ host: HOST }, { host: DOWN }],
      origins: { [`${HOST}:443`]: origin, [`${DOWN}:443`]: { address: '127.0.0.1', port: 1 } },
      knownValues: { KEY: SECRET },
    });
    await send(harness, `https://${HOST}/a/private/path`);
    await send(harness, `https://${HOST}/b`, { method: 'POST', body: `x=${SECRET}` });
    await send(harness, `https://${DOWN}/`);
    using agent = await openH2(harness, HOST);
    await ask(agent, { ':path': '/c' });
    await ask(agent, { ':path': '/d', 'content-type': 'application/grpc+proto' });
    const { socket } = await openTunnel(harness, 'unlisted.example.net:443');
    socket.destroy();
    const records = await harness.ended(6);

    const families = read(harness);
    const requests = (labels: Record<string, string>): number | undefined =>
      valueOf(families, 'bot_bottle_requests_total', labels);
    expect(requests({ decision: 'allow', reason: 'allowed', protocol: 'http1' })).toBe(1);
    expect(requests({ decision: 'allow', reason: 'allowed', protocol: 'http2' })).toBe(1);
    expect(requests({ decision: 'allow', reason: 'allowed', protocol: 'grpc' })).toBe(1);
    expect(requests({ decision: 'deny', reason: 'known_secret', protocol: 'http1' })).toBe(1);
    expect(requests({ decision: 'allow', reason: 'upstream_unreachable', protocol: 'http1' })).toBe(1);
    expect(requests({ decision: 'deny', reason: 'no_route', protocol: 'http1' })).toBe(1);
    const counted = families.get('bot_bottle_requests_total')?.samples.reduce((sum, { value }) => sum + value, 0);
    expect(counted).toBe(records.length);
    expect(valueOf(families, 'bot_bottle_request_seconds_count')).toBe(records.length);

    const sum = (pick: (record: (typeof records)[number]) => number): number =>
      records.reduce((total, record) => total + pick(record), 0);
    expect(valueOf(families, 'bot_bottle_body_bytes_total', { direction: 'sent' })).toBe(
      sum(({ bytes }) => bytes.sent),
    );
    expect(valueOf(families, 'bot_bottle_body_bytes_total', { direction: 'received' })).toBe(
      sum(({ bytes }) => bytes.received),
    );
    const wholeMs = sum(({ timings }) => timings.endedMs);
    expect(valueOf(families, 'bot_bottle_request_seconds_sum')).toBeCloseTo(wholeMs / 1000, 9);
    const reached = records.filter(({ timings }) => timings.connectedMs !== null);
    expect(valueOf(families, 'bot_bottle_request_phase_seconds_count', { phase: 'connect' })).toBe(reached.length);
    expect(valueOf(families, 'bot_bottle_findings_total', { rule: 'known_secret' })).toBe(
      sum(({ findings }) => findings.length),
    );
    expect(valueOf(families, 'bot_bottle_upstream_errors_total', { reason: 'upstream_unreachable' })).toBe(1);
    // One for each of three connections of HTTP/1.1 and the one of HTTP/2.
    expect(valueOf(families, 'bot_bottle_tls_handshakes_total', { side: 'agent', outcome: 'full' })).toBe(4);
    expect(valueOf(families, 'bot_bottle_routes')).toBe(2);
    expect(harness.bugs).toEqual([]);
  });

  test('hold no host, no path and no value, and grow by nothing that an agent can make up', async () => {
    await using harness = await startHarness({ routes: [{ host: HOST }], knownValues: { KEY: SECRET } });
    const seen = (): number => [...read(harness).values()].reduce((sum, { samples }) => sum + samples.length, 0);
    const odd = async (index: number): Promise<void> => {
      const { socket } = await openTunnel(harness, `h${String(index)}.example.net:443`);
      socket.destroy();
      const request = `M${String(index)} http://${HOST}/p${String(index)}/${SECRET} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
      const other = await openTcp(harness.port('proxy'));
      await exchangeRaw(other, request, '\r\n\r\n');
      other.destroy();
    };
    await odd(0);
    await harness.ended(2);
    const before = seen();
    for (let index = 1; index <= 20; index += 1) await odd(index);
    await harness.ended(42);
    expect(seen()).toBe(before);
    const text = renderMetrics(harness.gateway.metrics());
    for (const word of [SECRET, HOST, 'example.net', '/p', 'M1', '127.0.0.1']) expect(text).not.toContain(word);
  });

  test('a count by labels has an end', () => {
    const counter = new LabelledCounter(['a', 'b']);
    for (let index = 0; index < 1000; index += 1) counter.add([String(index), 'x']);
    const { samples } = counter.family({ name: 'n_total', help: 'h' });
    expect(samples.length).toBeLessThanOrEqual(257);
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(1000);
    expect(samples.at(-1)?.labels).toEqual({ a: 'other', b: 'other' });
  });

  test.each(['transparent-http', 'proxy'] as const)('G-NET are not told to agents (%s)', async (way) => {
    await using harness = await startHarness({ routes: [{ host: HOST }] });
    const socket = await openTcp(harness.port(way === 'proxy' ? 'proxy' : 'http'));
    const target = way === 'proxy' ? 'http://_egress.local/metrics' : '/metrics';
    const answer = await exchangeRaw(socket, `GET ${target} HTTP/1.1\r\nHost: _egress.local\r\n\r\n`, 'else.\n');
    socket.destroy();
    expect(answer).toContain('404 Not Found');
    expect(answer).not.toContain('bot_bottle_');
  });

  test('every family that there is stands in the documentation', async () => {
    await using harness = await startHarness({ routes: [{ host: HOST }] });
    const document = readFileSync('docs/metrics.md', 'utf8');
    const missing = harness.gateway.metrics().filter(({ name }) => !document.includes(`\`${name}\``));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });
});
