import { buildKnownValues, createBodyScanner, type BodyScanner, type KnownValues } from './known-values.ts';

/**
 * Keeps a credential that was put into a request out of its answer (SECURITY S13): every run of eight or more of its
 * private characters, in every encoding that the known values are found in, is overwritten byte by byte. The length
 * stays, so what the upstream said about it stays true.
 */
export const MASK_RUN = 8;
const STAR = 42;

/** What vendors put before the random part: everybody knows it, and documents are full of it. */
const VENDOR_PREFIX =
  /^(?:sk-ant-[a-z]+\d\d-|sk-(?:proj|svcacct|admin)-|sk-|[srp]k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|glpat-|gldt-|xox[abeprs]-|xapp-|npm_|pypi-|AIza|hf_|dop_v1_|shp(?:at|ss|ca)_|SG\.|A[KS]IA|lin_api_|ntn_|secret_)/;
const JWT = /^eyJ[\w-]*\.[\w-]*\.([\w-]+)$/;
const ARMOUR = /^-----(?:BEGIN|END) [A-Z ]+-----$/;

/** The parts of a value that nobody knows without it (SECURITY S18): no vendor prefix, JWT header or claims, or armour. */
export function privateParts(value: string): readonly string[] {
  const [, signature] = JWT.exec(value) ?? [];
  const secret = signature ?? value.replace(VENDOR_PREFIX, '');
  const parts = secret.split(/[\r\n]+/).filter((line) => line !== '' && !ARMOUR.test(line));
  return parts.some((part) => part.length >= MASK_RUN) ? parts : [value];
}

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
