import { PercentDecoder } from './percent-decoder.ts';
import type { Severity } from './rule.ts';
import type { RuleSet } from './rule-set.ts';
import { holdsCandidate } from './block-filter.ts';
import { joinSegments, segmentOf, type Segment } from './segment.ts';
import { SeedPhrases, type PhraseMatch } from './seed-phrase.ts';
import { TokenView, type TokenMatch } from './token-view.ts';

/**
 * Finds vendors' credential formats in what leaves: as it is, and percent-decoded up to twice in any mix. Everything is
 * incremental, and any split of the input gives the same findings and the same hold-back.
 */
export interface TokenFinding {
  readonly rule: string;
  readonly severity: Severity;
  /** Byte positions of the secret in what was pushed; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  /** What `mark` made of the secret: a keyed fingerprint (SECURITY S25), never the value. */
  readonly mark: string;
}

export interface TokenProgress {
  /**
   * How many of all bytes pushed so far may leave now: at most the first eleven of a match that is still under way, and
   * none of one that was found.
   */
  readonly release: number;
  /** What became certain since the last call, in the order of its end. */
  readonly findings: readonly TokenFinding[];
}

export interface TokenScannerParts {
  readonly rules: RuleSet;
  /** Names a secret without telling it; null for one that is none: a stand-in of ours looks like the real thing. */
  readonly mark: (secret: Uint8Array) => string | null;
}

const PERCENT = 37;
/** How much is decoded before the next look at whether decoding still makes a difference; doubled each time. */
const FIRST_STRETCH_BYTES = 256;

interface DecodedView {
  readonly decoder: PercentDecoder;
  readonly view: TokenView;
}

export class TokenScanner {
  readonly #parts: TokenScannerParts;
  readonly #plain: TokenView;
  readonly #phrases: SeedPhrases | null;
  /** Each decodes what the one before it shows. None while they would show the very same bytes as the plain one. */
  #decoded: readonly DecodedView[] = [];
  #stretch = FIRST_STRETCH_BYTES;
  #pushed = 0;
  #droppedWork = 0;
  #barrier = Number.POSITIVE_INFINITY;
  #findings: TokenFinding[] = [];

  constructor(parts: TokenScannerParts) {
    this.#parts = parts;
    this.#plain = new TokenView(parts.rules);
    this.#phrases = parts.rules.phrases === null ? null : new SeedPhrases();
  }

  /** Bytes that automata took so far. */
  get work(): number {
    return this.#decoded.reduce((sum, { view }) => sum + view.work, this.#plain.work + this.#droppedWork);
  }

  push(chunk: Uint8Array): TokenProgress {
    this.#phrases?.push(chunk, this.#reportPhrase);
    let at = 0;
    while (at < chunk.length) {
      const to = this.#decoded.length === 0 ? nextEscape(chunk, at) : Math.min(chunk.length, at + this.#stretch);
      this.#take(to === chunk.length && at === 0 ? chunk : chunk.subarray(at, to));
      at = to;
      if (this.#decoded.length > 0) this.#dropIdleViews();
      else if (at < chunk.length) this.#fork();
    }
    return this.#progress(this.#heldFrom());
  }

  /** No more bytes will come: what was held only for its possible continuation is free. */
  end(): TokenProgress {
    let rest: Segment = segmentOf(new Uint8Array(0), this.#pushed);
    for (const { decoder, view } of this.#decoded) {
      rest = joinSegments(decoder.push(rest), decoder.flush());
      view.push(rest, this.#reportDecoded);
    }
    this.#phrases?.end(this.#reportPhrase);
    this.#plain.end(this.#report);
    for (const { view } of this.#decoded) view.end(this.#reportDecoded);
    return this.#progress(this.#pushed);
  }

  #take(piece: Uint8Array): void {
    let segment = segmentOf(piece, this.#pushed);
    this.#plain.push(segment, this.#report);
    for (const { decoder, view } of this.#decoded) {
      segment = decoder.push(segment);
      view.push(segment, this.#reportDecoded);
    }
    this.#pushed += piece.length;
  }

  /** An escape comes: up to here all views have seen the same. */
  #fork(): void {
    this.#stretch = FIRST_STRETCH_BYTES;
    this.#decoded = [1, 2].map(() => ({
      decoder: new PercentDecoder(),
      view: new TokenView(this.#parts.rules, this.#plain),
    }));
  }

  #dropIdleViews(): void {
    this.#stretch *= 2;
    const idle = this.#decoded.every(({ decoder, view }) => decoder.undecidedFrom === null && view.isLike(this.#plain));
    if (!idle) return;
    for (const { view } of this.#decoded) this.#droppedWork += view.work;
    this.#decoded = [];
  }

  readonly #report = ({ rule, start, end, secret }: TokenMatch): void => {
    const mark = this.#parts.mark(secret);
    if (mark === null) return;
    this.#findings.push({ rule: rule.rule.id, severity: rule.rule.severity, start, end, mark });
    this.#barrier = Math.min(this.#barrier, start);
  };
  /** Without a decoded byte in it the view before has the same match. */
  readonly #reportDecoded = (match: TokenMatch): void => {
    if (match.decoded) this.#report(match);
  };

  readonly #reportPhrase = (match: PhraseMatch): void => {
    const rule = this.#parts.rules.phrases;
    if (rule !== null) this.#report({ ...match, rule, decoded: false });
  };

  #progress(release: number): TokenProgress {
    const findings = this.#findings.sort(inOrder);
    this.#findings = [];
    return { release: Math.min(release, this.#barrier), findings };
  }

  #heldFrom(): number {
    const views = [this.#plain, ...this.#decoded.map(({ view }) => view)];
    return Math.min(
      this.#pushed,
      ...[...views, this.#phrases].flatMap((view) => view?.heldFrom ?? []),
      ...this.#decoded.flatMap(({ decoder }) => decoder.undecidedFrom ?? []),
    );
  }
}

const inOrder = (left: TokenFinding, right: TokenFinding): number =>
  left.end - right.end || left.start - right.start || (left.rule < right.rule ? -1 : left.rule > right.rule ? 1 : 0);

/** The next `%` that is, or may become, an escape; the chunk's length when there is none. */
function nextEscape(chunk: Uint8Array, from: number): number {
  for (let at = chunk.indexOf(PERCENT, from); at !== -1; at = chunk.indexOf(PERCENT, at + 1)) {
    if (mayBeHex(chunk[at + 1]) && mayBeHex(chunk[at + 2])) return at;
  }
  return chunk.length;
}

const mayBeHex = (byte: number | undefined): boolean =>
  byte === undefined || (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 70) || (byte >= 97 && byte <= 102);

/** All findings in bytes that are there at once. In most of them nothing even begins like a credential. */
export function scanTokens(parts: TokenScannerParts, bytes: Uint8Array): readonly TokenFinding[] {
  const plain = bytes.indexOf(PERCENT) === -1 && parts.rules.phrases === null;
  if (plain && !holdsCandidate(parts.rules.filter, bytes)) return [];
  const scanner = new TokenScanner(parts);
  return [...scanner.push(bytes).findings, ...scanner.end().findings];
}
