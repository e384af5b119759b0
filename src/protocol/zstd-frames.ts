import { err, ok, type Result } from '../kernel/result.ts';

/** RFC 8878, 3.1.1: little-endian 0xFD2FB528. */
const MAGIC: readonly number[] = [0x28, 0xb5, 0x2f, 0xfd];
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RUN_LENGTH = 1;
const RESERVED = 3;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

type State =
  /** Collecting a header; its bytes are held until it is whole. */
  | { readonly kind: 'frame-header' }
  | { readonly kind: 'block-header'; readonly checksum: boolean; readonly bytes: readonly number[] }
  | {
      readonly kind: 'skip';
      readonly left: number;
      readonly then: 'block' | 'checksum' | 'frame';
      readonly checksum: boolean;
    };

/**
 * Where the frames and blocks of a zstd stream lie, so that no frame's header reaches a decoder in two pieces: libzstd,
 * given the rest of one, looks for a whole frame in that rest, and can so be shown another text than anybody else finds
 * in the same bytes. Skippable frames, whose content no decoder gives out, are refused.
 */
export class ZstdFrames {
  #state: State = { kind: 'frame-header' };
  #header: number[] = [];
  /** Sums of what the headers say that frames decode to; undefined before the first, null where they don't say. */
  #declared: number | null | undefined = undefined;

  /** The same bytes, cut so that a header is in one piece with what follows it; a part may have to wait. */
  push(bytes: Uint8Array): Result<Uint8Array, string> {
    const held = this.#header.length;
    const all = held === 0 ? bytes : joined(this.#header, bytes);
    this.#header = [];
    let at = 0;
    while (at < all.length) {
      const state = this.#state;
      if (state.kind === 'frame-header') {
        const length = headerLength(all.subarray(at));
        if (length === null) return err('a frame of it is no zstd frame');
        if (length > all.length - at) {
          this.#header = [...all.subarray(at)];
          break;
        }
        if (!this.#declare(all.subarray(at, at + length))) return err('only some of its frames say their size');
        this.#state = { kind: 'block-header', checksum: ((all[at + MAGIC.length] ?? 0) & 4) !== 0, bytes: [] };
        at += length;
      } else if (state.kind === 'block-header') {
        const read = [...state.bytes, all[at] ?? 0];
        at += 1;
        const next =
          read.length < BLOCK_HEADER_BYTES ? { ...state, bytes: read } : afterBlockHeader(read, state.checksum);
        if (next === null) return err('a block of it is of no known kind');
        this.#state = next;
      } else {
        const taken = Math.min(state.left, all.length - at);
        at += taken;
        this.#state = { ...state, left: state.left - taken };
      }
      this.#settle();
    }
    return ok(all.subarray(0, at));
  }

  /** No frame has begun that did not end. */
  get complete(): boolean {
    return this.#state.kind === 'frame-header' && this.#header.length === 0;
  }

  /** Whether it may have decoded to so much: libzstd does not hold every frame to what it says. */
  agrees(decodedBytes: number): boolean {
    return this.#declared === undefined || this.#declared === null || this.#declared === decodedBytes;
  }

  #declare(header: Uint8Array): boolean {
    const size = contentSize(header);
    if (this.#declared === undefined) this.#declared = size;
    else if ((size === null) !== (this.#declared === null)) return false;
    else if (size !== null) this.#declared = (this.#declared ?? 0) + size;
    return true;
  }

  #settle(): void {
    while (this.#state.kind === 'skip' && this.#state.left === 0) {
      const { then, checksum } = this.#state;
      if (then === 'block') this.#state = { kind: 'block-header', checksum, bytes: [] };
      else if (then === 'checksum') this.#state = { kind: 'skip', left: CHECKSUM_BYTES, then: 'frame', checksum };
      else this.#state = { kind: 'frame-header' };
    }
  }
}

function afterBlockHeader([first = 0, second = 0, third = 0]: readonly number[], checksum: boolean): State | null {
  const word = first | (second << 8) | (third << 16);
  const kind = (word >> 1) & 3;
  if (kind === RESERVED) return null;
  const last = (word & 1) === 1;
  const left = kind === RUN_LENGTH ? 1 : word >> 3;
  return { kind: 'skip', left, then: last ? (checksum ? 'checksum' : 'frame') : 'block', checksum };
}

/** Bytes of the header that begins here, or of the part that says how long it is; null for what is no frame of data. */
function headerLength(bytes: Uint8Array): number | null {
  const wrong = MAGIC.some((byte, index) => index < bytes.length && bytes[index] !== byte);
  if (wrong) return null;
  const descriptor = bytes[MAGIC.length];
  if (descriptor === undefined) return MAGIC.length + 1;
  const window = isSingleSegment(descriptor) ? 0 : 1;
  return MAGIC.length + 1 + window + (DICTIONARY_BYTES[descriptor & 3] ?? 0) + contentSizeBytes(descriptor);
}

function isSingleSegment(descriptor: number): boolean {
  return (descriptor & 0x20) !== 0;
}

function contentSizeBytes(descriptor: number): number {
  const flag = descriptor >> 6;
  return flag === 0 && isSingleSegment(descriptor) ? 1 : (CONTENT_SIZE_BYTES[flag] ?? 0);
}

/** What a whole header says; the field of two bytes begins to count where that of one ends. */
function contentSize(header: Uint8Array): number | null {
  const length = contentSizeBytes(header[MAGIC.length] ?? 0);
  if (length === 0) return null;
  const size = header.subarray(header.length - length).reduceRight((sum, byte) => sum * 256 + byte, 0);
  return length === 2 ? size + 256 : size;
}

function joined(first: readonly number[], second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
