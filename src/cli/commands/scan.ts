import { createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { createScanner, type Hit } from '../../dlp/screen.ts';
import { createTokenRules } from '../../egress/token-rules.ts';
import { BottleError, EXIT } from '../../kernel/errors.ts';
import { KiB } from '../../kernel/limits.ts';
import type { CliContext } from '../context.ts';
import { ScanOptionsSchema } from '../options.ts';

/** One credential in a file: REFERENCE 4, `scan --json`. The fingerprint is keyed anew on each run. */
interface ScanLine {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly fingerprint: string;
}

const STDIN = '-';
const BLOCK_BYTES = 256 * KiB;
/** What other programs keep there is not what is written here. */
const LEFT_OUT: ReadonlySet<string> = new Set(['.git', 'node_modules']);

/** Looks for credentials in files, in folders and below, or in what comes by stdin. 0 for none, 3 for any. */
export function scan(context: CliContext, target: string | undefined, raw: Record<string, unknown>): number {
  const { json } = ScanOptionsSchema.parse(raw);
  const key = randomBytes(32);
  const tokens = createTokenRules((text) => createHmac('sha256', key).update(text).digest('hex'), []).body;
  const lines = filesOf(target ?? '.').flatMap((file) =>
    scanFile(file, (place) => createScanner({ known: null, tokens }, place)),
  );
  if (json) context.terminal.result(JSON.stringify(lines));
  else for (const line of lines) context.terminal.result(textOf(line));
  return lines.length === 0 ? 0 : EXIT.refused;
}

const textOf = ({ rule, path: file, line, column, fingerprint }: ScanLine): string =>
  `${JSON.stringify(file).slice(1, -1)}:${String(line)}:${String(column)}: ${rule} ${fingerprint}`;

/** Links are not followed: what they lead to is found where it is. */
function filesOf(target: string): readonly string[] {
  if (target === STDIN) return [STDIN];
  const entry = fs.lstatSync(target, { throwIfNoEntry: false });
  if (entry === undefined) {
    throw new BottleError('usage', {
      message: `there is no ${target}`,
      ...(target.includes('..') ? { hint: `git log -p ${target} | bot-bottle scan -` } : {}),
    });
  }
  if (!entry.isDirectory()) return entry.isFile() ? [target] : [];
  return fs
    .readdirSync(target)
    .filter((name) => !LEFT_OUT.has(name))
    .sort()
    .flatMap((name) => filesOf(path.join(target, name)));
}

function scanFile(file: string, open: (place: string) => ReturnType<typeof createScanner>): readonly ScanLine[] {
  const fd = file === STDIN ? 0 : fs.openSync(file, 'r');
  try {
    const scanner = open(file);
    const places = new Places();
    const hits: Hit[] = [];
    const block = Buffer.alloc(BLOCK_BYTES);
    for (let count = read(fd, block); count > 0; count = read(fd, block)) {
      const bytes = Uint8Array.from(block.subarray(0, count));
      places.push(bytes);
      hits.push(...scanner.push(bytes).findings);
    }
    hits.push(...scanner.end().findings);
    return hits.flatMap((hit) =>
      hit.rule === 'token_pattern'
        ? [{ rule: hit.name, path: file, ...places.at(hit.start), fingerprint: hit.fingerprint }]
        : [],
    );
  } finally {
    if (fd !== 0) fs.closeSync(fd);
  }
}

/** A pipe that has nothing yet says so on some systems. */
function read(fd: number, block: Buffer): number {
  for (;;) {
    try {
      return fs.readSync(fd, block);
    } catch (failure) {
      if (!(failure instanceof Error) || !('code' in failure) || failure.code !== 'EAGAIN') throw failure;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** Lines and columns of a stream, both counted from one, columns in bytes. */
class Places {
  readonly #starts: number[] = [0];
  #length = 0;

  push(bytes: Uint8Array): void {
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1))
      this.#starts.push(this.#length + at + 1);
    this.#length += bytes.length;
  }

  at(position: number): { readonly line: number; readonly column: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: position - (this.#starts[low] ?? 0) + 1 };
  }
}
