import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport, type ClientOptions } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { ROUTES_FILE } from '../../src/schema/supervise-service.ts';
import { ProposalQueue } from '../../src/supervise/queue.ts';
import { createSuperviseServer } from '../../src/supervise/server.ts';
import { SUPERVISE_LIMITS } from '../../src/supervise/limits.ts';

/** The server on a port of this machine, with the official client at the other end. */
class Served implements AsyncDisposable {
  readonly places: { readonly asked: string; readonly answers: string };
  readonly queue: ProposalQueue;
  readonly faults: Error[] = [];
  readonly #root = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-mcp-'));
  readonly #server: http.Server;

  constructor(waitMs: number) {
    this.places = { asked: path.join(this.#root, 'asked'), answers: path.join(this.#root, 'answers') };
    fs.mkdirSync(this.places.asked);
    fs.mkdirSync(this.places.answers);
    this.queue = new ProposalQueue(this.places, systemClock);
    this.#server = createSuperviseServer({
      document: {
        slug: 'reviewer-k3x9q',
        listenerFd: 6,
        askedDirectory: this.places.asked,
        answersDirectory: this.places.answers,
      },
      clock: systemClock,
      version: '1',
      onFault: (failure) => this.faults.push(failure),
      waitMs,
    });
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return address === null || typeof address === 'string' ? 0 : address.port;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${String(this.port)}/mcp`);
  }

  approve(id: string): void {
    const granted = this.queue.read(id)?.proposal.route;
    if (granted === undefined) throw new Error('no such proposal');
    this.queue.answer(id, { event: 'claimed', by: 'x', atMs: systemClock.now() });
    const more = { scope: 'run', granted, generation: 2, untilMs: null, note: 'fine' } as const;
    this.queue.answer(id, { event: 'approved', by: 'x', at: systemClock.timestamp(), ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
    fs.rmSync(this.#root, { recursive: true, force: true });
  }
}

const ASK = { host: 'api.example.com', matches: [{ methods: ['GET'] }], reason: 'to read' };

async function connected(served: Served, client: Client): Promise<Client & AsyncDisposable> {
  await client.connect(new StreamableHTTPClientTransport(served.url));
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

const REVISIONS: readonly { readonly revision: string; readonly options: ClientOptions }[] = [
  { revision: '2026-07-28', options: { versionNegotiation: { mode: { pin: '2026-07-28' } } } },
  { revision: '2025-11-25', options: { supportedProtocolVersions: ['2025-11-25'] } },
  { revision: '2025-06-18', options: { supportedProtocolVersions: ['2025-06-18'] } },
];

describe.each(REVISIONS)('MCP $revision', ({ options }) => {
  const newClient = (): Client => new Client({ name: 'test', version: '1' }, structuredClone(options));

  it('lists the tools, with schemas for what goes in and what comes out', async () => {
    await using served = await new Served(1_000).listen();
    await using client = await connected(served, newClient());
    const { tools } = await client.listTools();
    const names = ['allow', 'egress-block', 'proposal-status', 'list-egress-routes', 'capability-block', 'report'];
    expect(tools.map(({ name }) => name)).toEqual(names);
    for (const { inputSchema } of tools) expect(inputSchema.type).toBe('object');
    expect(served.faults).toEqual([]);
  });

  it('H12 waits a bounded time, tells of it, and then says pending: no error', async () => {
    await using served = await new Served(400).listen();
    await using client = await connected(served, newClient());
    const told: number[] = [];
    const answer = await client.callTool(
      { name: 'allow', arguments: ASK },
      { onprogress: ({ progress }) => told.push(progress) },
    );
    expect(answer.isError ?? false).toBe(false);
    expect(answer.structuredContent).toMatchObject({ status: 'pending' });
    expect(told.length).toBeGreaterThan(0);
    expect(served.queue.list()).toHaveLength(1);
  });

  it('answers as soon as there is an answer', async () => {
    await using served = await new Served(20_000).listen();
    await using client = await connected(served, newClient());
    const asking = client.callTool({ name: 'allow', arguments: ASK });
    const state = await pollUntil('the proposal', 10_000, () => served.queue.list()[0] ?? null);
    served.approve(state.proposal.id);
    expect((await asking).structuredContent).toMatchObject({ status: 'approved', granted: { host: ASK.host } });
  });

  it('refuses what no agent may ask for (S32)', async () => {
    await using served = await new Served(100).listen();
    await using client = await connected(served, newClient());
    const rows = [
      { ...ASK, host: '*.com' },
      { ...ASK, host: '*.github.io' },
      { ...ASK, host: '10.0.0.1' },
      { ...ASK, host: '[::1]' },
      { ...ASK, host: 'supervise' },
      { ...ASK, host: 'a.example:443', port: 8443 },
      { ...ASK, matches: [{ paths: [{ type: 'regex', value: '(a+)+$\\1' }] }] },
      { ...ASK, auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' } },
      { ...ASK, tls: 'passthrough' },
      { ...ASK, placeholders: [] },
      { ...ASK, role: 'x' },
      { ...ASK, reason: ' ' },
      { ...ASK, reason: 'x'.repeat(2_001) },
      { ...ASK, matches: [{}] },
    ];
    for (const parameters of rows) {
      const answer = await client
        .callTool({ name: 'allow', arguments: parameters })
        .catch((failure: unknown) => failure);
      const refused = answer instanceof Error || (typeof answer === 'object' && answer !== null && 'isError' in answer);
      expect(refused, JSON.stringify(parameters)).toBe(true);
    }
    expect(served.queue.list()).toEqual([]);
  });

  it('answers routes and proposals from memory, and takes notes', async () => {
    await using served = await new Served(100).listen();
    await using client = await connected(served, newClient());
    const snapshot = { generation: 4, routes: [{ host: 'a.example' }] };
    fs.writeFileSync(path.join(served.places.answers, ROUTES_FILE), `${JSON.stringify(snapshot)}\n`);
    expect((await client.callTool({ name: 'list-egress-routes' })).structuredContent).toEqual(snapshot);
    const unknown = await client.callTool({ name: 'proposal-status', arguments: { id: 'abcdef12' } });
    expect(unknown.isError).toBe(true);
    expect((await client.callTool({ name: 'report', arguments: { text: 'git is missing' } })).isError ?? false).toBe(
      false,
    );
    expect(
      (await client.callTool({ name: 'capability-block', arguments: { dockerfile: 'FROM x', reason: 'y' } })).isError,
    ).toBe(true);
  });
});

describe('bounds of the server', () => {
  it('a caller that goes away is not waited for, and its proposal stays', async () => {
    await using served = await new Served(30_000).listen();
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(served.url));
    const abort = new AbortController();
    const asking = client.callTool({ name: 'allow', arguments: ASK }, { signal: abort.signal }).catch(() => 'gone');
    await pollUntil('the proposal', 10_000, () => served.queue.list()[0] ?? null);
    abort.abort();
    expect(await asking).toBe('gone');
    await client.close();
    expect(served.queue.list()).toMatchObject([{ status: 'pending' }]);
  });

  it('new proposals run out politely, and the same ask again does not', async () => {
    await using served = await new Served(0).listen();
    await using client = await connected(served, new Client({ name: 'test', version: '1' }));
    const { burst } = SUPERVISE_LIMITS.proposals;
    const statuses: unknown[] = [];
    for (let index = 0; index <= burst; index += 1) {
      const parameters = { host: `h${String(index)}.example`, reason: 'x' };
      const { structuredContent } = await client.callTool({ name: 'allow', arguments: parameters });
      statuses.push(structuredContent);
    }
    expect(statuses.at(-2)).toMatchObject({ status: 'pending' });
    expect(statuses.at(-1)).toMatchObject({ status: 'refused', message: expect.stringContaining('few minutes') });
    const again = await client.callTool({ name: 'allow', arguments: { host: 'h0.example', reason: 'y' } });
    expect(again.structuredContent).toMatchObject({ status: 'pending' });
  });

  const JSON_TYPE = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  it.each([
    { why: 'another path', request: { path: '/' }, status: 404 },
    { why: 'another name of the host', request: { headers: { host: 'evil.example' } }, status: 403 },
    { why: 'a page of another origin', request: { headers: { origin: 'https://evil.example' } }, status: 403 },
    { why: 'a body over the bound', request: { body: `"${'x'.repeat(SUPERVISE_LIMITS.requestBytes)}"` }, status: 413 },
    { why: 'what is not JSON', request: { body: '{' }, status: 400 },
    { why: 'its own name', request: { headers: { host: 'supervise:9100' } }, status: 200 },
  ])('$why: $status', async ({ request, status }) => {
    await using served = await new Served(0).listen();
    const {
      path: place = '/mcp',
      headers = {},
      body = list,
    } = { path: undefined, headers: undefined, body: undefined, ...request };
    const sent = http.request({
      port: served.port,
      host: '127.0.0.1',
      path: place,
      method: 'POST',
      headers: { ...JSON_TYPE, ...headers },
    });
    sent.on('error', () => undefined);
    sent.end(body);
    const [response] = await once(sent, 'response');
    expect(response).toMatchObject({ statusCode: status });
    sent.destroy();
  });

  it('too many requests are told to wait', async () => {
    await using served = await new Served(0).listen();
    const statuses: number[] = [];
    for (let index = 0; index < SUPERVISE_LIMITS.requests.burst + 20; index += 1) {
      const response = await fetch(served.url, { method: 'POST', headers: JSON_TYPE, body: list });
      statuses.push(response.status);
      await response.arrayBuffer();
    }
    expect(statuses[0]).toBe(200);
    expect(statuses).toContain(429);
  });
});
