import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { LIMITS, MiB } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { ZstdFrames } from '../protocol/zstd-frames.ts';

export const CONTENT_CODINGS = ['gzip', 'deflate', 'br', 'zstd'] as const;
export type ContentCoding = (typeof CONTENT_CODINGS)[number];

/** A small body may unfold this far whatever the ratio: runs of one character are ordinary there. */
const RATIO_FLOOR_BYTES = MiB;

const ENGINES = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
} as const;

export interface DecoderBounds {
  /** Of all that comes out; a stream that nobody holds needs none. */
  readonly decodedBytes: number;
}

/**
 * Undoes one content coding as the bytes come, with a bound on ratio and size. A decoder that ends early, or leaves
 * bytes over, has not shown us what another decoder would see, so that is an error too (SECURITY S16).
 */
export class ContentDecoder implements Disposable {
  readonly #coding: ContentCoding;
  readonly #bounds: DecoderBounds;
  readonly #engine: ReturnType<(typeof ENGINES)[ContentCoding]>;
  readonly #frames: ZstdFrames | null;
  #taken = 0;
  #given = 0;
  #ready: Uint8Array[] = [];
  #problem: string | null = null;
  #wake: (() => void) | null = null;
  /** The engine has seen the end of its format; what still comes is too much. */
  #ended = false;

  constructor(coding: ContentCoding, bounds: DecoderBounds) {
    this.#coding = coding;
    this.#bounds = bounds;
    this.#frames = coding === 'zstd' ? new ZstdFrames() : null;
    this.#engine = ENGINES[coding]();
    this.#engine.on('data', (block: Buffer) => {
      this.#take(block);
    });
    this.#engine.on('end', () => {
      this.#ended = true;
    });
    // Whatever becomes of the engine, nobody waits for it.
    this.#engine.on('close', () => this.#wake?.());
    this.#engine.on('error', () => {
      this.#fail(`the ${coding} body does not decode`);
    });
  }

  /** What these bytes decode to so far: possibly nothing yet. */
  push(bytes: Uint8Array): Promise<Result<readonly Uint8Array[], string>> {
    this.#taken += bytes.length;
    if (this.#ended) this.#fail(`the ${this.#coding} body has bytes after its end`);
    const framed = this.#frames?.push(bytes) ?? ok(bytes);
    if (!framed.ok) {
      this.#fail(`the ${this.#coding} body does not decode: ${framed.error}`);
      return this.#run(() => undefined);
    }
    return this.#run((done) => this.#engine.write(framed.value, done));
  }

  async end(): Promise<Result<readonly Uint8Array[], string>> {
    // Nothing at all is no body, coded or not.
    if (this.#taken === 0) return ok([]);
    if (this.#frames?.complete === false) this.#fail(`the ${this.#coding} body does not decode: it ends early`);
    const rest = await this.#run((done) => {
      if (this.#ended) {
        done();
        return;
      }
      this.#engine.once('end', done);
      this.#engine.end();
    });
    if (!rest.ok) return rest;
    if (this.#frames?.agrees(this.#given) === false) return err(`the ${this.#coding} body is not as long as it says`);
    if (this.#engine.bytesWritten === this.#taken) return rest;
    return err(`the ${this.#coding} body has bytes after its end`);
  }

  [Symbol.dispose](): void {
    this.#engine.destroy();
  }

  async #run(action: (done: () => void) => void): Promise<Result<readonly Uint8Array[], string>> {
    if (this.#problem === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        action(resolve);
      });
    }
    this.#wake = null;
    const blocks = this.#ready;
    this.#ready = [];
    return this.#problem === null ? ok(blocks) : err(this.#problem);
  }

  #take(block: Uint8Array): void {
    if (this.#problem !== null) return;
    this.#given += block.length;
    const ratioBytes = Math.max(RATIO_FLOOR_BYTES, this.#taken * LIMITS.decodedRatio);
    if (this.#given > Math.min(ratioBytes, this.#bounds.decodedBytes)) {
      this.#fail(`the ${this.#coding} body unfolds beyond the bound`);
    } else this.#ready.push(block);
  }

  #fail(problem: string): void {
    this.#problem ??= problem;
    this.#engine.destroy();
    this.#wake?.();
  }
}

/** Several codings at once, the one that was applied last coming off first. */
export class ContentDecoders implements Disposable {
  readonly #chain: readonly ContentDecoder[];

  /** `codings`: in the order in which they were applied, as `Content-Encoding` lists them. */
  constructor(codings: readonly ContentCoding[], bounds: DecoderBounds) {
    this.#chain = codings.toReversed().map((coding) => new ContentDecoder(coding, bounds));
  }

  async push(blocks: readonly Uint8Array[]): Promise<Result<readonly Uint8Array[], string>> {
    let passing = blocks;
    for (const decoder of this.#chain) {
      const decoded = await pushAll(decoder, passing);
      if (!decoded.ok) return decoded;
      passing = decoded.value;
    }
    return ok(passing);
  }

  async end(): Promise<Result<readonly Uint8Array[], string>> {
    let passing: readonly Uint8Array[] = [];
    for (const decoder of this.#chain) {
      const decoded = await pushAll(decoder, passing);
      if (!decoded.ok) return decoded;
      const rest = await decoder.end();
      if (!rest.ok) return rest;
      passing = [...decoded.value, ...rest.value];
    }
    return ok(passing);
  }

  [Symbol.dispose](): void {
    for (const decoder of this.#chain) decoder[Symbol.dispose]();
  }
}

async function pushAll(
  decoder: ContentDecoder,
  blocks: readonly Uint8Array[],
): Promise<Result<readonly Uint8Array[], string>> {
  const decoded: Uint8Array[] = [];
  for (const block of blocks) {
    const some = await decoder.push(block);
    if (!some.ok) return some;
    decoded.push(...some.value);
  }
  return ok(decoded);
}
