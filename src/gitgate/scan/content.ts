import { createScanner, screenBytes, type Hit, type Screen } from '../../dlp/screen.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { decodeWide, packingOf, unfold } from './unfold.ts';

/** Something in an object that must not be sent: the rule, and where in it. */
export interface ContentFinding {
  readonly rule: string;
  /** `:4`, `!/config.env:4`, ` (byte 1234)`; goes behind the path. */
  readonly at: string;
}

/** How a hit is called to whoever pushes: never its value. */
export function ruleOf({ rule, name }: Hit): string {
  switch (rule) {
    case 'token_pattern':
      return name;
    case 'known_secret':
      return `known value ${name}`;
    case 'placeholder':
      return `stand-in ${name}`;
    case 'unscannable':
      return `unscannable: ${name}`;
  }
}

/** A file's content that is here whole: as it is, and all that is packed in it. */
export async function scanWhole(screen: Screen, bytes: Buffer): Promise<readonly ContentFinding[]> {
  const findings = found(screen, bytes, '');
  if (packingOf(bytes) === null && decodeWide(bytes) === null) return findings;
  const unfolding = await unfold(bytes);
  if (unfolding.kind === 'unscannable') return [...findings, { rule: `unscannable: ${unfolding.why}`, at: '' }];
  return [...findings, ...unfolding.views.flatMap(({ within, bytes: view }) => found(screen, view, within))];
}

function found(screen: Screen, bytes: Buffer, within: string): readonly ContentFinding[] {
  return screenBytes(screen, bytes, '').map((hit) => ({
    rule: ruleOf(hit),
    at: `${within}:${lineAt(bytes, hit.start)}`,
  }));
}

function lineAt(bytes: Buffer, position: number): number {
  let line = 1;
  for (let at = bytes.indexOf(0x0a); at !== -1 && at < position; at = bytes.indexOf(0x0a, at + 1)) line += 1;
  return line;
}

/**
 * A file that is too long to be held: looked through as it comes, in bounded memory. What is packed is held after all,
 * up to a bound, since an archive's directory stands at its end.
 */
export class LongContent {
  readonly #screen: Screen;
  readonly #plain: ReturnType<typeof createScanner>;
  readonly #wide: ReturnType<typeof createScanner>;
  readonly #decoder: TextDecoder | null;
  readonly #packed: Buffer[] | null;
  #bytes = 0;
  #findings: ContentFinding[] = [];

  constructor(screen: Screen, first: Buffer) {
    this.#screen = screen;
    this.#plain = createScanner(screen, '');
    this.#wide = createScanner(screen, '');
    this.#packed = packingOf(first) === null ? null : [];
    this.#decoder = wideDecoder(first);
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#note(this.#plain.push(chunk).findings);
    if (this.#decoder !== null)
      this.#note(this.#wide.push(Buffer.from(this.#decoder.decode(chunk, { stream: true }))).findings);
    if (this.#packed !== null && this.#bytes <= LIMITS.gitUnfoldedBytes) this.#packed.push(Buffer.from(chunk));
  }

  async end(): Promise<readonly ContentFinding[]> {
    this.#note([...this.#plain.end().findings, ...this.#wide.end().findings]);
    if (this.#packed === null) return this.#findings;
    if (this.#bytes > LIMITS.gitUnfoldedBytes)
      return [...this.#findings, { rule: 'unscannable: it is packed, and too long to be unpacked', at: '' }];
    const inner = await scanWhole(this.#screen, Buffer.concat(this.#packed));
    return [...this.#findings, ...inner.filter(({ at }) => !at.startsWith(':'))];
  }

  #note(hits: readonly Hit[]): void {
    if (this.#findings.length > LIMITS.gitFindings) return;
    this.#findings.push(...hits.map((hit) => ({ rule: ruleOf(hit), at: ` (byte ${hit.start})` })));
  }
}

function wideDecoder(first: Buffer): TextDecoder | null {
  if (decodeWide(first) === null) return null;
  const big = first[0] === 0xfe || (first[0] === 0 && first[1] !== 0);
  return new TextDecoder(big ? 'utf-16be' : 'utf-16le');
}
