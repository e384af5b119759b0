import type { ServerResponse } from 'node:http';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { LIMITS } from '../kernel/limits.ts';
import { BAND, encodeBand, FLUSH } from '../protocol/git/pkt-line.ts';
import { PushRequestReader, type PushRequest } from '../protocol/git/push-request.ts';
import { BandReader, encodeAnswer, encodeReport, parseReport, type PushReport } from '../protocol/git/report.ts';
import { collectWords, ignoreGone, lastWords, spawnGit } from './git.ts';
import type { GateCore } from './gate.ts';
import type { Mirror } from './mirror.ts';
import { decideEarly, decidePush, type PushOutcome, type PushParts } from './push-decision.ts';

/**
 * A push: git's own receive-pack takes it into quarantine and asks, by its hook, whether to go on; we answer when the
 * upstream has taken it. What the pusher's git is told of each ref is what became of it upstream.
 */
export async function servePush(
  core: GateCore,
  mirror: Mirror,
  body: Readable,
  response: ServerResponse,
): Promise<void> {
  const begun = await readList(mirror, body);
  response.writeHead(200, { 'content-type': 'application/x-git-receive-pack-result', 'cache-control': 'no-cache' });
  if (begun.kind === 'refused') {
    await drain(body, mirror.repo.maxPackBytes);
    const report = { unpack: begun.why, refs: new Map() };
    response.end(encodeAnswer(report, [`bot-bottle refused the push: ${begun.why}`], FULL_ANSWER));
    return;
  }
  if (begun.request.commands.length === 0) {
    response.end();
    return;
  }
  const { request } = begun;
  const answer = new PushAnswer(request, response);
  await mirror.turns.take(async () => {
    if (answer.gone.aborted) return;
    const synced = await mirror.syncInTurn();
    const parts: PushParts = {
      core,
      mirror,
      synced,
      commands: request.commands,
      signal: answer.gone,
      say: (line) => {
        answer.say(line);
      },
      onForward: () => {
        answer.stays = true;
      },
    };
    const early = await decideEarly(parts);
    if (early !== null) {
      await drain(body, mirror.repo.maxPackBytes);
      answer.end({ unpack: 'ok', refs: early.refs });
      return;
    }
    clearQuarantine(mirror.directory);
    await receive(parts, begun.head, begun.rest, body, answer);
    clearQuarantine(mirror.directory);
  });
}

const FULL_ANSWER: ReadonlySet<string> = new Set(['report-status', 'side-band-64k']);

type Begun =
  | { readonly kind: 'list'; readonly request: PushRequest; readonly head: Buffer; readonly rest: Buffer }
  | { readonly kind: 'refused'; readonly why: string };

async function readList(mirror: Mirror, body: Readable): Promise<Begun> {
  const bounds = { bytes: LIMITS.gitPushListBytes, commands: LIMITS.gitPushRefs };
  const reader = new PushRequestReader(mirror.format, bounds);
  const blocks: Buffer[] = [];
  for (;;) {
    const block = await nextBlock(body);
    if (block === null) return { kind: 'refused', why: 'the request ends within the list of refs' };
    blocks.push(block);
    const reading = reader.push(block);
    if (reading.kind === 'more') continue;
    if (reading.kind === 'refused') return reading;
    const all = Buffer.concat(blocks);
    const { request, size } = reading;
    return { kind: 'list', request, head: all.subarray(0, size), rest: all.subarray(size) };
  }
}

/** One block, leaving the stream open for whoever reads on. */
async function nextBlock(body: Readable): Promise<Buffer | null> {
  for (;;) {
    const block: unknown = body.read();
    if (block instanceof Buffer) return block;
    if (body.readableEnded || body.destroyed) return null;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const wake = (): void => {
      resolve(undefined);
    };
    const events = ['readable', 'end', 'close', 'error'] as const;
    for (const event of events) body.once(event, wake);
    await promise;
    for (const event of events) body.off(event, wake);
  }
}

/** The pusher's git reads the answer only after it has sent all. */
async function drain(body: Readable, limitBytes: number): Promise<void> {
  let bytes = 0;
  for (let block = await nextBlock(body); block !== null; block = await nextBlock(body)) {
    bytes += block.length;
    if (bytes > limitBytes) body.destroy();
  }
}

/** What the pusher's git hears: words at any time, and the report once. */
class PushAnswer {
  readonly gone: AbortSignal;
  /** The push goes on without its pusher. */
  stays = false;
  readonly #request: PushRequest;
  readonly #response: ServerResponse;
  readonly #banded: boolean;

  constructor(request: PushRequest, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.#banded = request.capabilities.has('side-band-64k');
    const gone = new AbortController();
    this.gone = gone.signal;
    response.once('close', () => {
      if (!this.stays) gone.abort();
    });
    if (response.destroyed || response.closed) gone.abort();
  }

  say(line: string): void {
    this.words(Buffer.from(`${line}\n`));
  }

  words(bytes: Uint8Array): void {
    if (!this.#banded || this.#response.destroyed) return;
    for (const pkt of encodeBand(BAND.progress, bytes)) this.#response.write(pkt);
  }

  end(report: PushReport): void {
    if (this.#response.destroyed) return;
    const { capabilities } = this.#request;
    if (!capabilities.has('report-status') && !capabilities.has('report-status-v2')) {
      this.#response.end();
      return;
    }
    const encoded = encodeReport(report);
    if (!this.#banded) {
      this.#response.end(encoded);
      return;
    }
    for (const pkt of encodeBand(BAND.data, encoded)) this.#response.write(pkt);
    this.#response.end(FLUSH);
  }
}

async function receive(
  parts: PushParts,
  head: Buffer,
  rest: Buffer,
  body: Readable,
  answer: PushAnswer,
): Promise<void> {
  const { core, mirror, signal } = parts;
  if (signal.aborted) return;
  const child = spawnGit({
    directory: mirror.directory,
    hooks: core.hooks,
    settings: { 'receive.maxInputSize': String(mirror.repo.maxPackBytes) },
    args: ['receive-pack', '--stateless-rpc', mirror.directory],
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const end = (): void => {
    child.kill('SIGTERM');
    // What it started reads on until its input ends.
    child.stdin?.destroy();
  };
  signal.addEventListener('abort', end, { once: true });
  const words = collectWords(child.stderr);
  let outcome: PushOutcome | null = null;
  const asked = hookAsked(child.stdio[3], async (quarantine) => {
    outcome = await decideSafely(parts, quarantineEnvironment(mirror, quarantine));
    const agreed = [...outcome.refs.values()].every((why) => why === null);
    tellHook(child.stdio[4], agreed ? 'yes' : 'no');
  });
  const { stdin, stdout } = child;
  if (stdin !== null) feed(stdin, head, rest, body, signal);
  const reader = new BandReader();
  const plain: Buffer[] = [];
  const banded: Buffer[] = [];
  stdout?.on('data', (chunk: Buffer) => {
    plain.push(chunk);
    for (const { band, bytes } of reader.push(chunk)) {
      if (band === BAND.data) banded.push(Buffer.from(bytes));
      else answer.words(bytes);
    }
  });
  await new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', resolve);
  });
  signal.removeEventListener('abort', end);
  await asked();
  answer.end(
    finalReport(parts, outcome, parseReport(Buffer.concat(banded)) ?? parseReport(Buffer.concat(plain)), words()),
  );
}

/** A push that only deletes brings no objects, and has no quarantine. */
function quarantineEnvironment({ directory }: Mirror, quarantine: string): Readonly<Record<string, string>> {
  if (quarantine === '') return {};
  return { GIT_OBJECT_DIRECTORY: quarantine, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(directory, 'objects') };
}

/** A fault of ours, or of the upstream, refuses; it says which. */
async function decideSafely(parts: PushParts, env: Readonly<Record<string, string>>): Promise<PushOutcome> {
  try {
    return await decidePush(parts, env);
  } catch (failure) {
    const why = failure instanceof Error ? failure.message : String(failure);
    parts.say(`  refused  ${parts.core.redact(why)}`);
    return { refs: new Map(parts.commands.map(({ ref }) => [ref, 'it could not be decided'])) };
  }
}

/** Where the decision was made, it is the answer: what the upstream took is taken. Else git's own words. */
function finalReport(
  parts: PushParts,
  outcome: PushOutcome | null,
  told: PushReport | null,
  words: string,
): PushReport {
  if (outcome !== null) return { unpack: 'ok', refs: outcome.refs };
  if (told !== null) return told;
  const why = `not taken: ${lastWords(words)}`.slice(0, 200);
  return { unpack: why, refs: new Map(parts.commands.map(({ ref }) => [ref, why])) };
}

function feed(stdin: Writable, head: Buffer, rest: Buffer, body: Readable, signal: AbortSignal): void {
  stdin.on('error', ignoreGone);
  // When receive-pack ends early the rest of the pack is still read, so that the pusher comes to hear why.
  stdin.once('close', () => {
    if (!signal.aborted) body.resume();
  });
  stdin.write(Buffer.concat([head, rest]));
  const cut = (): void => {
    stdin.end();
  };
  body.once('error', cut).once('close', cut);
  if (body.destroyed && !body.readableEnded) cut();
  else body.pipe(stdin);
}

type HookStream = Readable | Writable | null | undefined;

/** Calls back with the quarantine's directory; the returned function waits for what that began. */
function hookAsked(stream: HookStream, onAsked: (quarantine: string) => Promise<void>): () => Promise<void> {
  let begun: Promise<void> = Promise.resolve();
  let text = '';
  if (stream !== null && stream !== undefined && 'read' in stream) {
    stream.on('error', ignoreGone);
    stream.on('data', (chunk: Buffer) => {
      const complete = text.includes('\n');
      text += chunk.toString('utf8');
      if (!complete && text.includes('\n')) begun = onAsked(text.slice(0, text.indexOf('\n')));
    });
  }
  return () => begun;
}

function tellHook(stream: HookStream, word: string): void {
  if (stream === null || stream === undefined || !('write' in stream)) return;
  stream.on('error', ignoreGone);
  stream.write(`${word}\n`);
}

/** A receive-pack that was killed leaves its quarantine; this is called in turn, when there is none. */
function clearQuarantine(directory: string): void {
  const objects = join(directory, 'objects');
  for (const name of readdirSync(objects)) {
    if (/^(?:tmp_objdir-)?incoming-/.test(name)) rmSync(join(objects, name), { recursive: true, force: true });
  }
}
