import { buildKnownValues, createBodyScanner, type BodyScanner, type KnownValues } from './known-values.ts';
import { privateParts } from './private-parts.ts';

/**
 * Keeps a credential that was put into a request out of its answer (SECURITY S13): every run of eight or more of its
 * private characters, in every encoding that the known values are found in, is overwritten byte by byte. The length
 * stays, so what the upstream said about it stays true.
 */
export const MASK_RUN = 8;
const STAR = 42;

export function buildMask(values: readonly { readonly name: string; readonly value: string }[]): KnownValues {
  return buildKnownValues(
    values.flatMap(({ name, value }) =>
      privateParts(value).flatMap((part) => runsOf(part).map((run) => ({ name, value: run }))),
    ),
  );
}

function runsOf(part: string): readonly string[] {
  const last = Math.max(0, part.length - MASK_RUN);
  return Array.from({ length: last + 1 }, (_, at) => part.slice(at, at + MASK_RUN));
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Masks a stream as it passes. Any split of the input gives the same output; only an open match is held back. */
export class BodyMasker {
  readonly #scanner: BodyScanner;
  readonly #names = new Set<string>();
  #spans: Span[] = [];
  #held: Uint8Array[] = [];
  #released = 0;

  constructor(mask: KnownValues) {
    this.#scanner = createBodyScanner(mask, 'answer body');
  }

  /** Names of the values that were masked so far. */
  get masked(): ReadonlySet<string> {
    return this.#names;
  }

  push(chunk: Uint8Array): readonly Uint8Array[] {
    if (chunk.length > 0) this.#held.push(chunk);
    return this.#take(this.#scanner.push(chunk));
  }

  end(): readonly Uint8Array[] {
    return this.#take(this.#scanner.end());
  }

  #take({ certain, findings }: ReturnType<BodyScanner['push']>): readonly Uint8Array[] {
    for (const { start, end, name } of findings) {
      this.#names.add(name);
      this.#spans.push({ start, end });
    }
    const blocks: Uint8Array[] = [];
    while (this.#released < certain) {
      const block = this.#held.shift();
      if (block === undefined) break;
      const free = certain - this.#released;
      if (block.length > free) this.#held.unshift(block.subarray(free));
      blocks.push(this.#overwrite(block.length > free ? block.subarray(0, free) : block));
    }
    this.#spans = this.#spans.filter(({ end }) => end > this.#released);
    return blocks;
  }

  #overwrite(block: Uint8Array): Uint8Array {
    const from = this.#released;
    this.#released += block.length;
    const hits = this.#spans.filter(({ start, end }) => start < this.#released && end > from);
    if (hits.length === 0) return block;
    const masked = block.slice();
    for (const { start, end } of hits) masked.fill(STAR, Math.max(0, start - from), Math.min(block.length, end - from));
    return masked;
  }
}
