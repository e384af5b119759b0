import { BodyMasker, buildMask } from '../dlp/mask.ts';
import { scanText, type KnownValues } from '../dlp/known-values.ts';
import { redactText } from '../dlp/redact.ts';
import { LIMITS } from '../kernel/limits.ts';
import { ContentDecoders, type ContentCoding } from '../platform/content-decoder.ts';
import type { Clock } from '../ports/clock.ts';
import type { Header } from '../schema/header.ts';
import { isLongRange } from '../policy/ranges.ts';
import { GrpcFrames } from '../protocol/grpc-frames.ts';
import type { BodySource, BodyStep } from './body-reader.ts';
import { headerTokens, headerValues } from './headers.ts';

/**
 * Where a credential was put in, its answer is watched (SECURITY S13): an upstream that echoes requests, or an error
 * page that shows their headers, would hand the value to the agent.
 */
export interface MaskedValue {
  /** `credential:GH_TOKEN` or `env:KEY`: a token and a variable may have one name and two values. */
  readonly id: string;
  readonly name: string;
  readonly value: string;
}

export class Echoes {
  readonly #values: ReadonlyMap<string, MaskedValue>;
  readonly #masks = new Map<string, KnownValues>();
  readonly #times = new Map<string, readonly number[]>();
  readonly #clock: Clock;

  constructor(values: readonly MaskedValue[], clock: Clock) {
    this.#values = new Map(values.map((entry) => [entry.id, entry]));
    this.#clock = clock;
  }

  /** Null when nothing was put in, so nothing can come back. */
  maskFor(ids: readonly string[]): KnownValues | null {
    const values = ids.flatMap((id) => this.#values.get(id) ?? []);
    if (values.length === 0) return null;
    const key = ids.toSorted().join('\n');
    const mask = this.#masks.get(key) ?? buildMask(values);
    this.#masks.set(key, mask);
    return mask;
  }

  /** One answer of this route had to be masked. True when that was one too many in a minute. */
  count(route: string): boolean {
    const now = this.#clock.monotonic();
    const recent = [...(this.#times.get(route) ?? []).filter((at) => now - at < LIMITS.echoWindowMs), now];
    this.#times.set(route, recent.slice(-LIMITS.echoesPerWindow));
    return recent.length >= LIMITS.echoesPerWindow;
  }
}

const ACCEPTED_CODINGS = /^(?:grpc-)?accept-encoding$/i;
const DECODABLE: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'identity']);

/**
 * The request asks for nothing that could not be looked at: whole answers in codings that are undone here or, where the
 * route lets it, long parts as they are.
 */
export function maskableRequest(headers: readonly Header[], ranges: boolean): readonly Header[] {
  const wanted = headerValues(headers, 'range');
  // A part of what is coded can't be undone.
  if (ranges && wanted.length === 1 && wanted.every(isLongRange)) {
    return [...headers.filter(([name]) => !ACCEPTED_CODINGS.test(name)), ['Accept-Encoding', 'identity']];
  }
  const accepted = headerTokens(headers, 'accept-encoding').filter((token) =>
    DECODABLE.has((token.split(';', 1)[0] ?? '').trim()),
  );
  const kept = headers.filter(([name]) => !/^(?:range|if-range)$/i.test(name) && !ACCEPTED_CODINGS.test(name));
  return [...kept, ['Accept-Encoding', accepted.length === 0 ? 'identity' : accepted.join(', ')]];
}

/** Names of the masked values, for the record. */
export type OnMasked = (names: readonly string[], place: string) => void;

/** Status text, header fields or trailers with every echo taken out; a field whose very name is one is dropped. */
export function maskHeaders(mask: KnownValues, headers: readonly Header[], onMasked: OnMasked): readonly Header[] {
  return headers.flatMap(([name, value]): readonly Header[] => {
    const inName = scanText(mask, name, 'answer');
    const inValue = scanText(mask, value, 'answer');
    if (inName.length + inValue.length === 0) return [[name, value]];
    onMasked(
      namesOf([...inName, ...inValue]),
      inName.length > 0 ? 'answer header' : `answer header ${name.toLowerCase()}`,
    );
    return inName.length > 0 ? [] : [[name, redactText({ known: mask, tokens: null }, value)]];
  });
}

export function maskText(mask: KnownValues, text: string, onMasked: OnMasked): string {
  const found = scanText(mask, text, 'answer');
  if (found.length === 0) return text;
  onMasked(namesOf(found), 'answer status');
  return redactText({ known: mask, tokens: null }, text);
}

function namesOf(findings: readonly { readonly name: string }[]): readonly string[] {
  return [...new Set(findings.map(({ name }) => name))];
}

/** Fields that tell of the bytes as they came, once other bytes go out. */
const OF_CODED_BYTES = /^(?:content-encoding|content-md5|digest|content-digest|repr-digest|accept-ranges)$/i;

export function withoutCoding(headers: readonly Header[]): readonly Header[] {
  return headers.filter(([name]) => !OF_CODED_BYTES.test(name));
}

interface MaskedBodyParts {
  readonly reader: BodySource;
  readonly codings: readonly ContentCoding[];
  readonly framed: boolean;
  readonly mask: KnownValues;
  readonly onMasked: OnMasked;
}

/** An answer's body, decoded where it was coded, with every echo overwritten; nothing waits beyond an open match. */
export class MaskedBody implements BodySource, Disposable {
  readonly #reader: BodySource;
  readonly #decoders: ContentDecoders;
  readonly #mask: KnownValues;
  #masker: BodyMasker;
  /** gRPC: what one message ends with is never the beginning of a value that the next one continues. */
  readonly #frames: GrpcFrames | null;
  readonly #onMasked: OnMasked;
  readonly #told = new Set<string>();
  #done = false;

  constructor(parts: MaskedBodyParts) {
    const { reader, codings, mask, onMasked, framed } = parts;
    this.#mask = mask;
    this.#frames = framed ? new GrpcFrames() : null;
    this.#reader = reader;
    // Nothing holds what comes out, so only the ratio is bounded.
    this.#decoders = new ContentDecoders(codings, { decodedBytes: Number.POSITIVE_INFINITY });
    this.#masker = new BodyMasker(mask);
    this.#onMasked = onMasked;
    this.#done = reader.done;
  }

  get done(): boolean {
    return this.#done;
  }

  get trailers(): readonly Header[] {
    return this.#reader.trailers;
  }

  async next(): Promise<BodyStep> {
    while (!this.#done) {
      const step = await this.#reader.next();
      if (step.kind === 'broken') return step;
      const decoded = await this.#decoders.push(step.kind === 'data' ? step.data : []);
      if (!decoded.ok) return { kind: 'broken', why: decoded.error };
      const data = decoded.value.flatMap((block) => this.#push(block));
      if (this.#reader.done || step.kind === 'end') {
        const rest = await this.#decoders.end();
        if (!rest.ok) return { kind: 'broken', why: rest.error };
        data.push(...rest.value.flatMap((block) => this.#push(block)), ...this.#masker.end());
        this.#done = true;
      }
      this.#tell();
      if (data.length > 0) return { kind: 'data', data };
    }
    return { kind: 'end' };
  }

  [Symbol.dispose](): void {
    this.#decoders[Symbol.dispose]();
  }

  #push(block: Uint8Array): readonly Uint8Array[] {
    if (this.#frames === null) return this.#masker.push(block);
    return this.#frames.push(block).flatMap(({ bytes, last }) => {
      const passed = this.#masker.push(bytes);
      if (!last) return passed;
      const rest = this.#masker.end();
      this.#tell();
      this.#masker = new BodyMasker(this.#mask);
      return [...passed, ...rest];
    });
  }

  #tell(): void {
    const names = [...this.#masker.masked].filter((name) => !this.#told.has(name));
    for (const name of names) this.#told.add(name);
    if (names.length > 0) this.#onMasked(names, 'answer body');
  }
}
