import type { Header } from '../policy/decide.ts';
import { createBodyDecoder, type BodyDecoder } from '../protocol/http1/body.ts';
import type { Framing } from '../protocol/http1/framing.ts';
import type { Wire } from './wire.ts';

export type BodyStep =
  | { readonly kind: 'data'; readonly data: readonly Uint8Array[] }
  | { readonly kind: 'end' }
  /** The peer broke the framing, or ended before the body did. */
  | { readonly kind: 'broken'; readonly why: string };

/** A body as it comes in, step by step. */
export interface BodySource {
  /** Everything was taken in: what comes next belongs to another message. */
  readonly done: boolean;
  /** What came after the body, once it is done. */
  readonly trailers: readonly Header[];
  /** Rejects with `WireError` when the connection is gone or silent for too long. */
  next(): Promise<BodyStep>;
}

const END: BodyStep = { kind: 'end' };

/** Takes one message body off a wire, block by block, and leaves what follows it. */
export class BodyReader implements BodySource {
  readonly #wire: Wire;
  readonly #decoder: BodyDecoder;
  readonly #timeoutMs: number;
  #done: boolean;
  trailers: readonly Header[] = [];

  constructor(wire: Wire, framing: Framing, timeoutMs: number) {
    this.#wire = wire;
    this.#decoder = createBodyDecoder(framing);
    this.#timeoutMs = timeoutMs;
    this.#done = framing.kind === 'none' || (framing.kind === 'length' && framing.length === 0);
  }

  get done(): boolean {
    return this.#done;
  }

  async next(): Promise<BodyStep> {
    while (!this.#done) {
      const bytes = await this.#wire.read(this.#timeoutMs);
      if (bytes === null) return this.#atEnd();
      const step = this.#decoder.push(bytes);
      if (step.error !== null) return { kind: 'broken', why: step.error };
      this.#done = step.done;
      this.trailers = step.trailers;
      if (step.done && step.consumed < bytes.length) this.#wire.unread(bytes.subarray(step.consumed));
      if (step.data.length > 0) return { kind: 'data', data: step.data };
    }
    return END;
  }

  #atEnd(): BodyStep {
    const { done, error } = this.#decoder.end();
    this.#done = true;
    return done && error === null ? END : { kind: 'broken', why: error ?? 'the body ended early' };
  }
}
