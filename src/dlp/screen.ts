import { byteReadings } from './encodings.ts';
import { createDeepScanner, deepScanText } from './deep-scanner.ts';
import type { Finding, KnownValues } from './known-values.ts';
import type { Unpack } from './packed.ts';
import { scanTokens, TokenScanner, type TokenFinding, type TokenScannerParts } from './token-scanner.ts';

/** What something that leaves is looked through for: values of this bottle, and formats of credentials. */
export interface Screen {
  readonly known: KnownValues | null;
  readonly tokens: TokenScannerParts | null;
  /** What is looked through leaves the bottle: pieces of values that are too short to be told are remembered. */
  readonly leaves?: boolean;
  /** How packed data within a text is undone. */
  readonly unpack?: Unpack | null;
}

/** A credential by its format alone. Its rule's id is its name; the fingerprint is keyed (SECURITY S25). */
export interface TokenHit {
  readonly rule: 'token_pattern';
  readonly name: string;
  readonly place: string;
  readonly fingerprint: string;
  readonly start: number;
  readonly end: number;
}

export type Hit = Finding | TokenHit;

export interface ScreenProgress {
  /** How many of all bytes pushed so far may leave now. Never past the beginning of a hit. */
  readonly release: number;
  readonly findings: readonly Hit[];
}

export interface Scanner {
  push(chunk: Uint8Array): ScreenProgress;
  /** No more bytes will come: what was held only for its possible continuation is free. */
  end(): ScreenProgress;
}

export function createScanner({ known, tokens, leaves = false, unpack = null }: Screen, place: string): Scanner {
  const scanners: Scanner[] = [];
  if (known !== null && known.size > 0) scanners.push(createDeepScanner(known, place, { leaves, unpack }));
  if (tokens !== null) scanners.push(new PlacedTokens(tokens, place));
  return new Scanners(scanners);
}

/** Any number of scanners side by side: a byte leaves when all of them let it. */
class Scanners implements Scanner {
  readonly #scanners: readonly Scanner[];
  #pushed = 0;

  constructor(scanners: readonly Scanner[]) {
    this.#scanners = scanners;
  }

  push(chunk: Uint8Array): ScreenProgress {
    this.#pushed += chunk.length;
    return this.#join(this.#scanners.map((scanner) => scanner.push(chunk)));
  }

  end(): ScreenProgress {
    return this.#join(this.#scanners.map((scanner) => scanner.end()));
  }

  #join(all: readonly ScreenProgress[]): ScreenProgress {
    return {
      release: all.reduce((least, { release }) => Math.min(least, release), this.#pushed),
      findings: all.flatMap(({ findings }) => findings),
    };
  }
}

class PlacedTokens implements Scanner {
  readonly #scanner: TokenScanner;
  readonly #place: string;

  constructor(tokens: TokenScannerParts, place: string) {
    this.#scanner = new TokenScanner(tokens);
    this.#place = place;
  }

  push(chunk: Uint8Array): ScreenProgress {
    const { release, findings } = this.#scanner.push(chunk);
    return { release, findings: findings.map((finding) => hitOf(finding, this.#place)) };
  }

  end(): ScreenProgress {
    const { release, findings } = this.#scanner.end();
    return { release, findings: findings.map((finding) => hitOf(finding, this.#place)) };
  }
}

function hitOf({ rule, start, end, mark }: TokenFinding, place: string): TokenHit {
  return { rule: 'token_pattern', name: rule, place, fingerprint: mark, start, end };
}

/** All hits in a text, whichever bytes it stands for. */
export function screenText(
  { known, tokens, leaves = false, unpack = null }: Screen,
  text: string,
  place: string,
): readonly Hit[] {
  const values = known === null || known.size === 0 ? [] : deepScanText(known, text, place, { leaves, unpack });
  return tokens === null ? values : [...values, ...tokensIn(tokens, text, place)];
}

/** A credential's characters are ASCII, so one reading of the text shows it. */
export function tokensIn(tokens: TokenScannerParts, text: string, place: string): readonly TokenHit[] {
  const [bytes] = byteReadings(text);
  return bytes === undefined ? [] : scanTokens(tokens, bytes).map((finding) => hitOf(finding, place));
}

export function screenBytes(screen: Screen, bytes: Uint8Array, place: string): readonly Hit[] {
  const scanner = createScanner(screen, place);
  return [...scanner.push(bytes).findings, ...scanner.end().findings];
}
