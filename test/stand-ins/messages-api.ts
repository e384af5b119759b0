import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { z } from 'zod';

/**
 * A stand-in for https://api.anthropic.com: the Messages API as Claude Code uses it, with scripted answers, on
 * loopback. It keeps every request whole, so that a test can say which credential arrived and what the agent sent.
 * Event shapes: https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  /** Lower-case names; a repeated header keeps all its values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
}

/** What the assistant says in one turn. */
export type Turn =
  | { readonly kind: 'text'; readonly text: string; readonly holdAfterFirstDelta?: Promise<void> }
  | { readonly kind: 'bash'; readonly command: string };

export interface MessagesApiOptions {
  /** Absent: plain HTTP, for callers that end TLS themselves. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Answers whatever is not the Messages API; default 404. A test that plays the gateway gives 403. */
  readonly elsewhere?: number;
  /** Called with the tool results that the conversation already holds. */
  readonly turn: (toolResults: readonly string[]) => Turn;
}

export interface MessagesApi extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  /** Outputs of the tools that the agent ran, as it sent them back. */
  toolResults(): readonly string[];
}

const TextBlock = z.looseObject({ type: z.literal('text'), text: z.string() });
const ToolResultBlock = z.looseObject({
  type: z.literal('tool_result'),
  content: z.union([z.string(), z.array(z.union([TextBlock, z.looseObject({})]))]).optional(),
});
const MessagesRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
  messages: z.array(
    z.looseObject({ role: z.string(), content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]) }),
  ),
});
type MessagesRequest = z.infer<typeof MessagesRequest>;

export async function startMessagesApi(options: MessagesApiOptions): Promise<MessagesApi> {
  const requests: RecordedRequest[] = [];
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    void readBody(request).then((body) => {
      requests.push(recordOf(request, body));
      return answer(request, body, response, options);
    });
  };
  const server =
    options.tls === undefined ? http.createServer(onRequest) : https.createServer({ ...options.tls }, onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    requests,
    toolResults: () =>
      requests
        .filter((request) => pathOf(request.path) === '/v1/messages')
        .map((request) => toolResultsOf(MessagesRequest.parse(JSON.parse(request.body))))
        .reduce((longest, results) => (results.length > longest.length ? results : longest), []),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: http.IncomingMessage,
  body: string,
  response: http.ServerResponse,
  options: MessagesApiOptions,
): Promise<void> {
  const path = pathOf(request.url ?? '/');
  if (request.method === 'POST' && path === '/v1/messages') {
    const parsed = MessagesRequest.parse(JSON.parse(body));
    // Titles and other side questions come without the tools of the main conversation.
    const main = parsed.tools?.some((tool) => tool.name === 'Bash') === true;
    const turn = main ? options.turn(toolResultsOf(parsed)) : ({ kind: 'text', text: 'ok' } as const);
    if (parsed.stream === true) await streamTurn(response, parsed.model, turn);
    else sendJson(response, 200, wholeTurn(parsed.model, turn));
    return;
  }
  if (request.method === 'POST' && path === '/v1/messages/count_tokens') {
    sendJson(response, 200, { input_tokens: 42 });
    return;
  }
  if (request.method === 'HEAD') {
    response.writeHead(200).end();
    return;
  }
  sendJson(response, options.elsewhere ?? 404, {
    type: 'error',
    error: { type: 'not_found_error', message: `no ${path} here` },
  });
}

type StreamEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

/** One event per write, so that whatever waits for the whole body on the way is found out. */
async function streamTurn(response: http.ServerResponse, model: string, turn: Turn): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'request-id': 'req_standin',
  });
  const send = (event: StreamEvent): Promise<void> =>
    new Promise((resolve) => {
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`, () => {
        resolve();
      });
    });
  await send({ type: 'message_start', message: { ...message(model), content: [], stop_reason: null } });
  await send({ type: 'content_block_start', index: 0, content_block: openBlock(turn) });
  await send({ type: 'ping' });
  let first = true;
  for (const delta of deltasOf(turn)) {
    await send({ type: 'content_block_delta', index: 0, delta });
    if (first && turn.kind === 'text') await turn.holdAfterFirstDelta;
    first = false;
  }
  await send({ type: 'content_block_stop', index: 0 });
  await send({
    type: 'message_delta',
    delta: { stop_reason: stopReason(turn), stop_sequence: null },
    usage: { output_tokens: 7 },
  });
  await send({ type: 'message_stop' });
  response.end();
}

/** What `message` and `message_start` share. */
function message(model: string): Readonly<Record<string, unknown>> {
  return {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model,
    stop_sequence: null,
    usage: { input_tokens: 42, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 },
  };
}

function wholeTurn(model: string, turn: Turn): Readonly<Record<string, unknown>> {
  const block =
    turn.kind === 'text' ? { type: 'text', text: turn.text } : { ...openBlock(turn), input: bashInput(turn.command) };
  return { ...message(model), content: [block], stop_reason: stopReason(turn) };
}

function openBlock(turn: Turn): Readonly<Record<string, unknown>> {
  if (turn.kind === 'text') return { type: 'text', text: '' };
  return { type: 'tool_use', id: `toolu_${randomUUID().replaceAll('-', '')}`, name: 'Bash', input: {} };
}

/** Texts go word by word; a tool's input goes as pieces of JSON, cut where it hurts. */
function deltasOf(turn: Turn): readonly Readonly<Record<string, unknown>>[] {
  if (turn.kind === 'text') {
    return (turn.text.match(/\S+\s*/g) ?? []).map((text) => ({ type: 'text_delta', text }));
  }
  const json = JSON.stringify(bashInput(turn.command));
  return (json.match(/[^]{1,7}/g) ?? []).map((piece) => ({ type: 'input_json_delta', partial_json: piece }));
}

function bashInput(command: string): Readonly<Record<string, string>> {
  return { command, description: 'Run the command of the test' };
}

function stopReason(turn: Turn): string {
  return turn.kind === 'bash' ? 'tool_use' : 'end_turn';
}

/** Texts of all tool results in the conversation so far, oldest first. */
function toolResultsOf(request: MessagesRequest): readonly string[] {
  return request.messages
    .flatMap((entry) => (typeof entry.content === 'string' ? [] : entry.content))
    .map((block) => ToolResultBlock.safeParse(block))
    .filter((parsed) => parsed.success)
    .map(({ data }) => (typeof data.content === 'string' ? data.content : textOf(data.content ?? [])));
}

function textOf(blocks: readonly unknown[]): string {
  return blocks
    .map((block) => TextBlock.safeParse(block))
    .map((parsed) => (parsed.success ? parsed.data.text : ''))
    .join('');
}

function recordOf(request: http.IncomingMessage, body: string): RecordedRequest {
  const headers: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) headers[name] = values ?? [];
  return { method: request.method ?? '', path: request.url ?? '', headers, body };
}

async function readBody(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(response: http.ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_standin' });
  response.end(JSON.stringify(value));
}

function pathOf(target: string): string {
  return new URL(target, 'http://stand-in').pathname;
}
