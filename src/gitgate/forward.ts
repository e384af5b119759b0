import fs from 'node:fs';
import { Readable } from 'node:stream';
import { BottleError } from '../kernel/errors.ts';
import { upstreamLines } from '../policy/gitgate/findings-text.ts';
import { landingRef } from '../policy/gitgate/push-rules.ts';
import type { Advertisement } from '../protocol/git/advertisement.ts';
import { BAND } from '../protocol/git/pkt-line.ts';
import { BandReader, encodeCommands, parseReport, type PushReport } from '../protocol/git/report.ts';
import { isZero, zeroOid, type RefCommand } from '../schema/git.ts';
import type { Mirror, Synced } from './mirror.ts';
import { collectWords, lastWords, spawnGit } from './git.ts';

/**
 * Sends a push on: one act, by object names and with a lease (SECURITY S29). The pack is made of exactly the objects
 * that were scanned; what the upstream has is what it said it has, or it says no.
 */
export interface ForwardParts {
  readonly mirror: Mirror;
  readonly synced: Synced;
  readonly env: Readonly<Record<string, string>>;
  readonly commands: readonly RefCommand[];
  readonly listFile: string;
  readonly redact: (text: string) => string;
}

export interface Forwarded {
  /** By the bottle's names of the refs: null is done, a text is why not. */
  readonly refs: ReadonlyMap<string, string | null>;
  /** The upstream's own words, made safe to show. */
  readonly words: readonly string[];
}

export async function forwardPush(parts: ForwardParts): Promise<Forwarded> {
  const { mirror, commands } = parts;
  const { rules, url } = mirror.repo;
  await using push = await mirror.upstream.beginPush();
  const landing = commands.map((command) => landingCommand(parts, command));
  const moved = landing.filter(({ ref, old }) => (push.advertisement.refs.get(ref) ?? zero(parts)) !== old);
  if (moved.length > 0) return refuseAll(parts, `${url} has changed meanwhile; fetch first`);
  const { capabilities } = push.advertisement;
  if (commands.length > 1 && !capabilities.has('atomic'))
    return refuseAll(parts, `${url} can't take several refs as one act; push them one by one`);
  const withPack = landing.some((command) => !isZero(command.new));
  const pack = withPack ? packOf(parts) : null;
  const head = encodeCommands(landing, wantedCapabilities(push.advertisement, parts));
  let answer: Buffer;
  try {
    answer = await push.send(Readable.from(bodyOf(head, pack)));
  } catch (failure) {
    return await readBack(parts, landing, failure);
  }
  const { report, words } = readAnswer(answer, capabilities.has('side-band-64k'));
  const safe = upstreamLines(parts.redact(words)).map((line) => `upstream: ${line}`);
  if (report === null) return await readBack(parts, landing, words);
  const refs = commands.map(({ ref }) => {
    const told = report.refs.get(landingRef(rules, ref));
    const why = report.unpack === 'ok' ? (told === undefined ? 'not told' : told) : report.unpack;
    return [ref, why === null ? null : (upstreamLines(parts.redact(why))[0] ?? 'refused')] as const;
  });
  return { refs: new Map(refs), words: safe };
}

function zero({ mirror }: ForwardParts): string {
  return zeroOid(mirror.format);
}

/** What the upstream is asked: its own name of the ref, from what it has there now. */
function landingCommand(parts: ForwardParts, command: RefCommand): RefCommand {
  const ref = landingRef(parts.mirror.repo.rules, command.ref);
  return { ref, old: parts.synced.advertisement.refs.get(ref) ?? zero(parts), new: command.new };
}

function wantedCapabilities({ capabilities }: Advertisement, { mirror }: ForwardParts): readonly string[] {
  const offered = ['report-status', 'side-band-64k', 'atomic', 'ofs-delta'].filter((name) => capabilities.has(name));
  const format = `object-format=${mirror.format}`;
  return [...offered, ...(capabilities.has(format) ? [format] : []), 'agent=git/bot-bottle'];
}

interface Pack {
  readonly stdout: Readable;
  /** Resolves once git has made it whole. */
  readonly whole: Promise<void>;
}

/** No thin pack and nothing by reach: the objects of the list, and no other. */
function packOf({ mirror, env, listFile }: ForwardParts): Pack {
  const list = fs.openSync(listFile, 'r');
  const child = spawnGit({
    directory: mirror.directory,
    env,
    args: ['pack-objects', '--stdout', '-q', '--delta-base-offset'],
    stdio: [list, 'pipe', 'pipe'],
  });
  fs.closeSync(list);
  const words = collectWords(child.stderr);
  const { stdout } = child;
  if (stdout === null) throw new BottleError('git_failed', { message: 'git pack-objects has no output' });
  const whole = new Promise<void>((resolve, reject) => {
    child.once('close', (status) => {
      if (status === 0) resolve();
      else reject(new BottleError('git_failed', { message: `git pack-objects: ${lastWords(words())}` }));
    });
  });
  whole.catch(() => undefined);
  return { stdout, whole };
}

async function* bodyOf(head: Uint8Array, pack: Pack | null): AsyncGenerator<Uint8Array> {
  yield head;
  if (pack === null) return;
  const chunks: AsyncIterable<Buffer> = pack.stdout;
  for await (const chunk of chunks) yield chunk;
  await pack.whole;
}

function readAnswer(answer: Buffer, banded: boolean): { readonly report: PushReport | null; readonly words: string } {
  if (!banded) return { report: parseReport(answer), words: '' };
  const reader = new BandReader();
  const parts = reader.push(answer);
  const bytesOf = (wanted: readonly number[]): Buffer =>
    Buffer.concat(parts.filter(({ band }) => wanted.includes(band)).map(({ bytes }) => bytes));
  return {
    report: parseReport(bytesOf([BAND.data])),
    words: bytesOf([BAND.progress, BAND.failure]).toString('utf8'),
  };
}

/** After a lost link nobody knows what became of the push but the upstream, which is asked. */
async function readBack(parts: ForwardParts, landing: readonly RefCommand[], failure: unknown): Promise<Forwarded> {
  const said = typeof failure === 'string' ? failure : failure instanceof Error ? failure.message : 'it ended early';
  const why = upstreamLines(parts.redact(said)).at(-1) ?? 'it ended early';
  const { refs } = await parts.mirror.upstream.advertise('git-upload-pack');
  const there = landing.every((command) => (refs.get(command.ref) ?? zero(parts)) === command.new);
  if (there) return { refs: new Map(parts.commands.map(({ ref }) => [ref, null])), words: [] };
  return refuseAll(parts, why);
}

function refuseAll({ commands }: ForwardParts, why: string): Forwarded {
  return { refs: new Map(commands.map(({ ref }) => [ref, why])), words: [] };
}
