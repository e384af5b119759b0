import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { Writable } from 'node:stream';
import { screenBytes, screenText, type Screen } from '../../dlp/screen.ts';
import { BottleError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { PushFinding } from '../../policy/gitgate/findings-text.ts';
import { isZero, type Oid, type RefCommand } from '../../schema/git.ts';
import { collectWords, lastWords, pipesOf, spawnGit } from '../git.ts';
import { ByteSource } from './byte-source.ts';
import { LongContent, ruleOf, scanWhole } from './content.ts';

/**
 * Looks at every object that a push would bring to the upstream (SECURITY S28): all that is reached from the pushed
 * names and not from those that the upstream just told, whether it came with the push or lay here before. One list is
 * made; it is what is scanned, what is counted and what is sent.
 */
export interface ScanParts {
  readonly directory: string;
  /** Where git finds the objects of the push that are not accepted yet. */
  readonly env: Readonly<Record<string, string>>;
  readonly commands: readonly RefCommand[];
  /** What the upstream has. */
  readonly present: readonly Oid[];
  readonly screen: Screen;
  /** The list is written here, an object and its path a line. */
  readonly listFile: string;
  readonly signal: AbortSignal;
  readonly onProgress: (objects: number) => void;
}

export interface Scanned {
  readonly commits: number;
  readonly objects: number;
  /** Of the list of names. */
  readonly sha256: string;
  readonly findings: readonly PushFinding[];
}

export async function scanPush(parts: ScanParts): Promise<Scanned> {
  const scan = new PushScan(parts);
  try {
    return await scan.run();
  } finally {
    scan.close();
  }
}

interface Listed {
  readonly oid: Oid;
  readonly path: string;
}

/** Git's own bound for a path is far below. */
const LINE_BYTES = 64 * 1024;
/** So many names are asked for at a time; their answers wait in pipes, not in memory. */
const BATCH = 256;
const PROGRESS_OBJECTS = 5_000;

class PushScan {
  readonly #parts: ScanParts;
  readonly #lister;
  readonly #reader;
  readonly #questions: Writable;
  readonly #names: ByteSource;
  readonly #contents: ByteSource;
  readonly #listerWords: () => string;
  readonly #list: number;
  readonly #hash = createHash('sha256');
  readonly #findings: PushFinding[] = [];
  readonly #paths = new Set<string>();
  #commit: Oid | null = null;
  #commits = 0;
  #objects = 0;

  constructor(parts: ScanParts) {
    this.#parts = parts;
    const { directory, env, commands, present } = parts;
    const args = ['rev-list', '--objects', '--in-commit-order', '--stdin'];
    this.#lister = spawnGit({ directory, env, args });
    this.#reader = spawnGit({ directory, env, args: ['cat-file', '--batch'] });
    this.#listerWords = collectWords(this.#lister.stderr);
    collectWords(this.#reader.stderr);
    const lister = pipesOf(this.#lister);
    const reader = pipesOf(this.#reader);
    this.#names = new ByteSource(lister.stdout);
    this.#contents = new ByteSource(reader.stdout);
    this.#questions = reader.stdin;
    this.#list = fs.openSync(parts.listFile, 'w', 0o600);
    const wanted = commands.filter((command) => !isZero(command.new)).map((command) => command.new);
    const names = [...wanted, ...[...new Set(present)].map((oid) => `^${oid}`)];
    lister.stdin.end(names.map((name) => `${name}\n`).join(''));
  }

  async run(): Promise<Scanned> {
    const ended = exitOf(this.#lister);
    for (const { ref } of this.#parts.commands) this.#look(ref, 'ref name', null);
    for (let batch = await this.#nextBatch(); batch.length > 0; batch = await this.#nextBatch()) {
      this.#questions.write(batch.map(({ oid }) => `${oid}\n`).join(''));
      for (const listed of batch) await this.#object(listed);
    }
    if ((await ended) !== 0) throw incomplete(lastWords(this.#listerWords()));
    return {
      commits: this.#commits,
      objects: this.#objects,
      sha256: this.#hash.digest('hex'),
      findings: this.#findings,
    };
  }

  close(): void {
    for (const child of [this.#lister, this.#reader]) if (child.exitCode === null) child.kill('SIGKILL');
    fs.closeSync(this.#list);
  }

  async #nextBatch(): Promise<readonly Listed[]> {
    const batch: Listed[] = [];
    let text = '';
    while (batch.length < BATCH) {
      const line = await this.#names.readLine(LINE_BYTES);
      if (line === null) break;
      const oid = line.toString('latin1', 0, lineEnd(line));
      const path = line.toString('utf8', oid.length + 1);
      batch.push({ oid, path });
      text += `${oid} ${path}\n`;
      this.#hash.update(`${oid}\n`);
    }
    if (text !== '') fs.writeSync(this.#list, text);
    return batch;
  }

  async #object({ oid, path }: Listed): Promise<void> {
    if (this.#parts.signal.aborted) throw new BottleError('cancelled', { message: 'the pusher has gone' });
    const header = (await this.#contents.readLine(LINE_BYTES))?.toString('latin1') ?? '';
    const [, type, size] = /^[0-9a-f]+ (commit|tree|blob|tag) (\d+)$/.exec(header) ?? [];
    if (type === undefined) throw incomplete(`object ${oid} is missing`);
    this.#objects += 1;
    if (this.#objects % PROGRESS_OBJECTS === 0) this.#parts.onProgress(this.#objects);
    if (path !== '' && !this.#paths.has(path)) this.#lookAtPath(path);
    if (type === 'commit') {
      this.#commit = oid;
      this.#commits += 1;
    }
    await this.#content(type, Number(size), path, oid);
    await this.#contents.read(1);
  }

  #lookAtPath(path: string): void {
    // Which were looked at is remembered as far as memory is bounded; beyond it some are looked at twice.
    if (this.#paths.size < 100_000) this.#paths.add(path);
    this.#look(path, `path ${path}`, this.#commit);
  }

  async #content(type: string, size: number, path: string, oid: Oid): Promise<void> {
    const { screen } = this.#parts;
    if (size > LIMITS.gitWholeObjectBytes) {
      await this.#long(type, size, path, oid);
      return;
    }
    const bytes = await this.#contents.read(size);
    if (type === 'blob') {
      for (const { rule, at } of await scanWhole(screen, bytes)) this.#found(rule, `${path || oid}${at}`);
      return;
    }
    for (const hit of screenBytes(screen, bytes, '')) this.#found(ruleOf(hit), placeIn(type, bytes, hit.start, path));
  }

  async #long(type: string, size: number, path: string, oid: Oid): Promise<void> {
    let content: LongContent | null = null;
    for await (const part of this.#contents.readParts(size)) {
      content ??= new LongContent(this.#parts.screen, part);
      content.push(part);
    }
    for (const { rule, at } of (await content?.end()) ?? []) this.#found(rule, `${path || `${type} ${oid}`}${at}`);
  }

  #look(text: string, place: string, commit: Oid | null): void {
    for (const hit of screenText(this.#parts.screen, text, ''))
      this.#found(ruleOf(hit), safePlace(place, text), commit);
  }

  #found(rule: string, place: string, commit: Oid | null = this.#commit): void {
    if (this.#findings.length >= LIMITS.gitFindings) return;
    const same = (other: PushFinding): boolean => other.rule === rule && other.place === place;
    if (this.#findings.some(same)) return;
    this.#findings.push({ rule, place, commit });
  }
}

/** A name that itself is what was found is not repeated. */
function safePlace(place: string, text: string): string {
  return place.endsWith(text) ? `${place.slice(0, -text.length).trim() || 'name'} (not shown)` : place;
}

/** Which part of a commit or tag, or a name in a tree. */
function placeIn(type: string, bytes: Buffer, position: number, path: string): string {
  if (type === 'tree') return `a name in ${path === '' ? 'the top directory' : path}`;
  const headerEnd = bytes.indexOf('\n\n');
  if (headerEnd !== -1 && position > headerEnd) return `${type} message`;
  const lineStart = bytes.lastIndexOf(0x0a, position) + 1;
  const field = /^[a-z-]+/.exec(bytes.toString('latin1', lineStart, lineStart + 40))?.[0] ?? 'header';
  return `${type} ${field}`;
}

function lineEnd(line: Buffer): number {
  const space = line.indexOf(0x20);
  return space === -1 ? line.length : space;
}

function exitOf(child: ReturnType<typeof spawnGit>): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', () => {
      resolve(null);
    });
  });
}

function incomplete(why: string): BottleError {
  return new BottleError('git_failed', { message: `what is pushed is not complete: ${why}` });
}
