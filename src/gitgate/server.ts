import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS, MiB } from '../kernel/limits.ts';
import { plainLine } from '../policy/gitgate/findings-text.ts';
import { routeGitRequest } from '../policy/gitgate/request.ts';
import { advertisementHeader } from '../protocol/git/report.ts';
import type { GitService } from '../schema/git.ts';
import type { GitRequestRecord } from '../schema/git-gate.ts';
import { collectWords, ignoreGone, lastWords, pipesOf, spawnGit } from './git.ts';
import type { GateCore } from './gate.ts';
import type { Mirror } from './mirror.ts';
import { servePush } from './push.ts';

/** Smart HTTP towards the bottle's git (gitprotocol-http): one repository a name, two services, nothing else. */
export function createGateServer(
  core: GateCore,
  mirrors: ReadonlyMap<string, Mirror>,
  onBug: (failure: unknown) => void,
): Server {
  const busy = new Map<Mirror, number>();
  const server = createServer(
    { requestTimeout: 0, headersTimeout: LIMITS.requestHeadTimeoutMs },
    (request, response) => {
      request.on('error', ignoreGone);
      response.on('error', ignoreGone);
      serve({ core, mirrors, busy }, request, response).catch((failure: unknown) => {
        if (!(failure instanceof BottleError)) onBug(failure);
        answerFailure(response, failure, core);
      });
    },
  );
  server.timeout = LIMITS.idleTimeoutMs;
  return server;
}

interface Serving {
  readonly core: GateCore;
  readonly mirrors: ReadonlyMap<string, Mirror>;
  readonly busy: Map<Mirror, number>;
}

/** What a fetch may say that it wants and has; thousands of object names. */
const FETCH_REQUEST_BYTES = 64 * MiB;

async function serve(
  { core, mirrors, busy }: Serving,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '', url = '' } = request;
  const asked = routeGitRequest(method, url, mirrors);
  if (asked.kind === 'refused') {
    note(core, request, null, 'deny', asked.reason);
    refuse(request, response, asked.status, asked.reason, asked.text);
    return;
  }
  const { repository: mirror, service } = asked;
  const open = busy.get(mirror) ?? 0;
  if (open >= LIMITS.gitRequestsPerRepo) {
    note(core, request, mirror, 'deny', 'busy');
    response.setHeader('retry-after', '5');
    refuse(
      request,
      response,
      503,
      'busy',
      'Too many requests to this repository are under way. Try again in a moment.',
    );
    return;
  }
  const body = asked.kind === 'rpc' ? bodyOf(request, service, mirror) : null;
  if (body === 'unknown') {
    note(core, request, mirror, 'deny', 'bad_request');
    refuse(
      request,
      response,
      415,
      'bad_request',
      "This is not what git sends: its content's type or coding is another.",
    );
    return;
  }
  if (!note(core, request, mirror, 'allow', 'allowed')) {
    refuse(request, response, 503, 'record_failed', 'The request could not be recorded, so nothing was done.');
    return;
  }
  busy.set(mirror, open + 1);
  try {
    if (body === null) await advertise(mirror, service, request, response);
    else if (service === 'git-receive-pack') await servePush(core, mirror, body, response);
    else await serveFetch(mirror, body, request, response);
  } finally {
    busy.set(mirror, (busy.get(mirror) ?? 1) - 1);
  }
}

/** The upstream is asked first, always: a fetch that can't be fresh fails, and says why. */
async function advertise(
  mirror: Mirror,
  service: GitService,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await mirror.sync();
  const fetching = service === 'git-upload-pack';
  const version = fetching ? versionOf(request) : null;
  response.writeHead(200, {
    'content-type': `application/x-${service}-advertisement`,
    'cache-control': 'no-cache, max-age=0, must-revalidate',
  });
  if (version !== 'version=2') response.write(advertisementHeader(service));
  const child = spawnGit({
    directory: mirror.directory,
    ...(version === null ? {} : { env: { GIT_PROTOCOL: version } }),
    args: [service.slice('git-'.length), '--stateless-rpc', '--advertise-refs', mirror.directory],
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await relay(child, null, response);
}

async function serveFetch(
  mirror: Mirror,
  body: Readable,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!mirror.synced) await mirror.sync();
  const version = versionOf(request);
  response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result', 'cache-control': 'no-cache' });
  const child = spawnGit({
    directory: mirror.directory,
    ...(version === null ? {} : { env: { GIT_PROTOCOL: version } }),
    args: ['upload-pack', '--strict', '--stateless-rpc', mirror.directory],
  });
  await relay(child, body, response);
}

/** Between a git and the answer; when one side goes the other is ended. */
async function relay(
  child: ReturnType<typeof spawnGit>,
  body: Readable | null,
  response: ServerResponse,
): Promise<void> {
  const words = collectWords(child.stderr);
  response.once('close', () => {
    if (child.exitCode === null) child.kill('SIGTERM');
  });
  if (body !== null) {
    const { stdin } = pipesOf(child);
    body.on('error', () => stdin.destroy());
    body.pipe(stdin);
  }
  const { stdout } = child;
  if (stdout === null) throw new BottleError('git_failed', { message: 'git has no output' });
  try {
    await pipeline(stdout, response);
  } catch (failure) {
    if (response.destroyed) return;
    throw new BottleError('git_failed', { message: lastWords(words()), cause: failure });
  }
}

function versionOf({ headers }: IncomingMessage): string | null {
  const asked = headers['git-protocol'];
  return typeof asked === 'string' && /^version=[012]$/.test(asked) ? asked : null;
}

/** As git sends it: plain or gzip, of the type that belongs to the service. */
function bodyOf(request: IncomingMessage, service: GitService, mirror: Mirror): Readable | 'unknown' {
  if (request.headers['content-type'] !== `application/x-${service}-request`) return 'unknown';
  const limit =
    service === 'git-upload-pack' ? FETCH_REQUEST_BYTES : mirror.repo.maxPackBytes + LIMITS.gitPushListBytes;
  switch (request.headers['content-encoding'] ?? 'identity') {
    case 'identity':
      return bounded(request, limit);
    case 'gzip':
    case 'x-gzip': {
      const unzipped = createGunzip();
      unzipped.on('error', ignoreGone);
      request.once('close', () => {
        if (!request.complete) unzipped.destroy();
      });
      return bounded(request.pipe(unzipped), limit);
    }
    default:
      return 'unknown';
  }
}

function bounded<Stream extends Readable>(stream: Stream, limitBytes: number): Stream {
  let bytes = 0;
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk instanceof Uint8Array) bytes += chunk.length;
    if (bytes <= limitBytes) return push(chunk, encoding);
    stream.destroy();
    return false;
  };
  return stream;
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  reason: string,
  text: string,
): void {
  const body = `bot-bottle refused ${plainLine(`${request.method ?? ''} ${request.url ?? ''}`)} (${reason}).\n${text}\n`;
  request.resume();
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-bot-bottle-reason': reason,
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(body);
}

/** Before its head has gone, a failure is an answer with its reason; after it, the connection ends. */
function answerFailure(response: ServerResponse, failure: unknown, core: GateCore): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = failure instanceof BottleError;
  const reason = known && failure.code === 'upstream_failed' ? 'upstream_failed' : 'failed';
  const text = known ? core.redact(failure.message) : 'The gate has a fault; the operator finds it in its log.';
  const body = `bot-bottle: ${text
    .split('\n')
    .map((line) => plainLine(line))
    .join('\n')} (${reason})\n`;
  response.writeHead(502, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-bot-bottle-reason': reason,
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(body);
}

function note(
  core: GateCore,
  { method = '', url = '' }: IncomingMessage,
  mirror: Mirror | null,
  decision: GitRequestRecord['decision'],
  reason: string,
): boolean {
  const line: GitRequestRecord = {
    event: 'git-request',
    time: core.clock.timestamp(),
    slug: core.slug,
    method: method.slice(0, 32),
    path: core.redact(url).slice(0, LIMITS.recordPathBytes / 4),
    repo: mirror?.repo.name ?? null,
    decision,
    reason,
  };
  return core.sink.append(JSON.stringify(line)).ok;
}
