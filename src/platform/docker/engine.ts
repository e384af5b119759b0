import http from 'node:http';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { BottleError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { decodeJson } from '../../schema/json.ts';

/**
 * The part of the Docker Engine API that bottles need, over the engine's unix socket; Podman answers the same calls.
 * Clients there are bring native code that compiles at install, for ways to reach an engine that this does not take.
 * https://docs.docker.com/reference/api/engine/
 */
export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'HEAD' | 'PUT';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** What the engine may answer beside 2xx without that being a failure. */
  readonly accept?: readonly number[];
  /** Null waits for as long as it takes. */
  readonly timeoutMs?: number | null;
  readonly signal?: AbortSignal;
}

export interface EngineAnswer {
  readonly status: number;
  readonly body: string;
}

const ErrorSchema = z.object({ message: z.string() });
/** Debian's oldest engine that is still supported speaks this; newer ones tell their own. */
const OLDEST_API = '1.41';
const TIMEOUT_MS = 30_000;

export class DockerEngine {
  readonly socketPath: string;
  #version: Promise<string> | null = null;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Asks, and decodes what comes back. */
  async json<Shape>(schema: z.ZodType<Shape>, request: EngineRequest): Promise<Shape> {
    const { body } = await this.send(request);
    const decoded = decodeJson(schema, body);
    if (decoded.ok) return decoded.value;
    throw new BottleError('engine_failed', {
      message: `the engine's answer to ${request.method} ${request.path} is not as documented: ${decoded.error}`,
    });
  }

  async send(request: EngineRequest): Promise<EngineAnswer> {
    const response = await this.#respond(request, await this.#path(request));
    const body = await textOf(response);
    const status = response.statusCode ?? 0;
    if ((status >= 200 && status < 300) || request.accept?.includes(status) === true) return { status, body };
    throw refusal(request, status, body);
  }

  /** The answer as it comes, for what takes long and tells how far it is. The caller reads it to its end. */
  async stream(request: EngineRequest, upload?: NodeJS.ReadableStream): Promise<http.IncomingMessage> {
    const response = await this.#respond(request, await this.#path(request), upload);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    throw refusal(request, status, await textOf(response));
  }

  /** A connection that is the container's own streams from here on (`Upgrade: tcp`). */
  async hijack(request: EngineRequest): Promise<Duplex> {
    const path = await this.#path(request);
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const body = encodeBody(request);
    const call = http.request({
      socketPath: this.socketPath,
      method: request.method,
      path,
      headers: { Host: 'docker', Connection: 'Upgrade', Upgrade: 'tcp', ...body.headers },
    });
    call.once('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    call.once('response', (response) => {
      textOf(response).then((body) => {
        reject(refusal(request, response.statusCode ?? 0, body));
      }, reject);
    });
    call.once('error', (failure) => {
      reject(this.#unreachable(failure));
    });
    call.end(body.text);
    return promise;
  }

  /** The newest version that the engine speaks, from its own answer: fields used here have long been the same. */
  async #path({ path, query = {} }: EngineRequest): Promise<string> {
    this.#version ??= this.#negotiate().catch((failure: unknown) => {
      this.#version = null;
      throw failure;
    });
    const version = await this.#version;
    const search = new URLSearchParams(query).toString();
    return `/v${version}${path}${search === '' ? '' : `?${search}`}`;
  }

  async #negotiate(): Promise<string> {
    const response = await this.#respond({ method: 'GET', path: '/_ping', timeoutMs: LIMITS.enginePingMs }, '/_ping');
    await textOf(response);
    const told = response.headers['api-version'];
    return typeof told === 'string' && /^\d+\.\d+$/.test(told) ? told : OLDEST_API;
  }

  #respond(request: EngineRequest, path: string, upload?: NodeJS.ReadableStream): Promise<http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const { timeoutMs = TIMEOUT_MS } = request;
    const body = encodeBody(request);
    const call = http.request({
      socketPath: this.socketPath,
      method: request.method,
      path,
      headers: {
        Host: 'docker',
        ...body.headers,
        ...(upload === undefined ? {} : { 'Content-Type': 'application/x-tar' }),
      },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    call.once('response', resolve);
    call.once('error', (failure) => {
      reject(this.#unreachable(failure));
    });
    if (timeoutMs !== null)
      call.setTimeout(timeoutMs, () => {
        call.destroy(
          new BottleError('engine_failed', { message: `the engine did not answer in ${String(timeoutMs)} ms` }),
        );
      });
    if (upload === undefined) call.end(body.text);
    else upload.pipe(call);
    return promise;
  }

  #unreachable(failure: Error): BottleError {
    if (failure instanceof BottleError) return failure;
    return new BottleError('engine_failed', {
      message: `the engine at ${this.socketPath} can't be reached: ${failure.message}`,
      hint: 'docker info   shows what the engine says; bot-bottle doctor',
    });
  }
}

function encodeBody({ body }: EngineRequest): {
  readonly text: string;
  readonly headers: Record<string, string | number>;
} {
  if (body === undefined) return { text: '', headers: {} };
  const text = JSON.stringify(body);
  return { text, headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) } };
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const blocks: Buffer[] = [];
  let held = 0;
  for await (const block of response) {
    if (!Buffer.isBuffer(block)) continue;
    held += block.length;
    if (held > LIMITS.engineAnswerBytes)
      throw new BottleError('engine_failed', { message: "the engine's answer is larger than any should be" });
    blocks.push(block);
  }
  return Buffer.concat(blocks).toString('utf8');
}

function refusal({ method, path }: EngineRequest, status: number, body: string): BottleError {
  const told = decodeJson(ErrorSchema, body);
  const why = told.ok ? told.value.message : body.trim().slice(0, 500);
  return new BottleError('engine_failed', {
    message: `the engine refused ${method} ${path} (${String(status)}): ${why}`,
  });
}
