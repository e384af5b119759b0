import { createScanner, screenText, type Hit, type Screen, type ScreenProgress } from '../dlp/screen.ts';
import { CONTENT_CODINGS, type ContentCoding } from '../platform/content-decoder.ts';
import type { Header, RequestFacts } from '../policy/decide.ts';
import type { Framing } from '../protocol/http1/framing.ts';
import type { Reason } from '../schema/decision.ts';
import type { BodySource } from './body-reader.ts';
import { headerTokens } from './headers.ts';
import { PacedScanner } from './turns.ts';

export type OutboundStep =
  /** These bytes were scanned and may leave now. */
  | { readonly kind: 'data'; readonly data: readonly Uint8Array[] }
  | { readonly kind: 'end' }
  | { readonly kind: 'broken'; readonly why: string }
  | { readonly kind: 'found'; readonly findings: readonly Hit[] }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: Reason; readonly detail: string };

/** A request body on its way out. */
export interface OutboundBody {
  next(): Promise<OutboundStep>;
  /** All of it has been given out. */
  readonly finished: boolean;
  /** How it goes on when not as it came; known once the first step was taken. */
  readonly reframed?: Framing | null;
  /** What follows the body; scanned before the end of it is given out. */
  readonly trailers: readonly Header[];
  /** What it holds is let go; nothing is asked of it after that. */
  release?(): Promise<void>;
}

const END: OutboundStep = { kind: 'end' };

/** Everything that leaves with the head. One pass over all of it; only a hit is traced back to its place. */
export function scanHead(
  screen: Screen,
  facts: Pick<RequestFacts, 'authority' | 'method' | 'target' | 'headers'>,
): readonly Hit[] {
  const lines = facts.headers.map(([name, value]) => `${name}: ${value}`);
  const whole = [facts.authority.host, facts.method, facts.target, ...lines].join('\n');
  const found = screenText(screen, whole, 'head');
  if (found.length === 0) return [];
  const [path = '', ...query] = facts.target.split('?');
  const placed = [
    ...screenText(screen, facts.authority.host, 'host'),
    ...screenText(screen, facts.method, 'method'),
    ...screenText(screen, path, 'path'),
    ...screenText(screen, query.join('?'), 'query'),
    ...facts.headers.flatMap(([name, value]) =>
      screenText(screen, `${name}: ${value}`, `header ${name.toLowerCase()}`),
    ),
  ];
  // A value that lies across two places is still a value that leaves.
  return placed.length > 0 ? placed : found;
}

export function scanTrailers(screen: Screen, trailers: readonly Header[]): readonly Hit[] {
  if (trailers.length === 0) return [];
  return screenText(screen, trailers.map(([name, value]) => `${name}: ${value}`).join('\n'), 'trailers');
}

export type BodyCoding =
  | { readonly kind: 'identity' }
  /** In the order in which they were applied. */
  | { readonly kind: 'coded'; readonly codings: readonly ContentCoding[] }
  | { readonly kind: 'unknown' };

/** More than two, or one of them twice, is nobody's honest body (SECURITY S16). */
const MOST_CODINGS = 2;

export function bodyCoding(headers: readonly Header[]): BodyCoding {
  const tokens = headerTokens(headers, 'content-encoding').filter((token) => token !== 'identity');
  // gRPC compresses message by message within a body that has no end in sight.
  if (headerTokens(headers, 'grpc-encoding').some((token) => token !== 'identity')) return { kind: 'unknown' };
  if (tokens.length === 0) return { kind: 'identity' };
  const names = tokens.map((token) => (token === 'x-gzip' ? 'gzip' : token));
  const codings = names.flatMap((name) => CONTENT_CODINGS.filter((known) => known === name));
  const unclear = codings.length < names.length || new Set(names).size < names.length || names.length > MOST_CODINGS;
  return unclear ? { kind: 'unknown' } : { kind: 'coded', codings };
}

/** A route whose scan the operator turned off: the body passes as it comes. */
export class UnscannedBody implements OutboundBody {
  readonly #reader: BodySource;

  constructor(reader: BodySource) {
    this.#reader = reader;
  }

  get finished(): boolean {
    return this.#reader.done;
  }

  get trailers(): readonly Header[] {
    return this.#reader.trailers;
  }

  next(): Promise<OutboundStep> {
    return this.#reader.next();
  }
}

/** Scans while it streams: a block leaves as soon as no value can lie across its end (SECURITY S17). */
export class ScannedBody implements OutboundBody {
  readonly #reader: BodySource;
  readonly #scanner: PacedScanner;
  readonly #screen: Screen;
  #held: Uint8Array[] = [];
  #releasedBytes = 0;
  #ended = false;

  constructor(reader: BodySource, screen: Screen) {
    this.#reader = reader;
    this.#scanner = new PacedScanner(createScanner(screen, 'body'));
    this.#screen = screen;
  }

  get finished(): boolean {
    return this.#ended;
  }

  get trailers(): readonly Header[] {
    return this.#reader.trailers;
  }

  async next(): Promise<OutboundStep> {
    while (!this.#ended) {
      const step = await this.#reader.next();
      if (step.kind === 'broken') return step;
      if (step.kind === 'data') this.#held.push(...step.data);
      let verdict: ScreenProgress = (await this.#scanner.push(step.kind === 'data' ? step.data : [])) ?? {
        release: this.#releasedBytes,
        findings: [],
      };
      if (this.#reader.done && verdict.findings.length === 0) {
        this.#ended = true;
        verdict = this.#scanner.end();
        const findings = scanTrailers(this.#screen, this.trailers);
        if (findings.length > 0) return { kind: 'found', findings };
      }
      if (verdict.findings.length > 0) return { kind: 'found', findings: verdict.findings };
      const data = this.#release(verdict.release);
      if (data.length > 0) return { kind: 'data', data };
    }
    return END;
  }

  #release(totalBytes: number): readonly Uint8Array[] {
    const data: Uint8Array[] = [];
    let free = totalBytes - this.#releasedBytes;
    this.#releasedBytes = Math.max(this.#releasedBytes, totalBytes);
    while (free > 0) {
      const block = this.#held[0];
      if (block === undefined) break;
      if (block.length > free) {
        data.push(block.subarray(0, free));
        this.#held[0] = block.subarray(free);
        break;
      }
      data.push(block);
      this.#held.shift();
      free -= block.length;
    }
    return data;
  }
}

/** All of it at once, without keeping others waiting. */
export async function scanWhole(screen: Screen, bytes: Uint8Array, place = 'body'): Promise<readonly Hit[]> {
  const scanner = new PacedScanner(createScanner(screen, place));
  const { findings = [] } = (await scanner.push([bytes])) ?? {};
  return findings.length > 0 ? findings : scanner.end().findings;
}
