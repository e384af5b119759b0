import { KiB, LIMITS } from '../kernel/limits.ts';
import type { DigitStretch } from './layers.ts';
import {
  DigitCollector,
  packedDigits,
  packingOf,
  unpackedLimit,
  type Packing,
  type Unpack,
  type Unpacked,
} from './packed.ts';

/** Digits that say nothing about how they are packed are tried so often, and once more for so many bytes. */
const TRIES_FREE = 64;
const TRY_BYTES = 8 * KiB;
/** Digits that may be packed in an unnamed way are collected this far, then they must have unpacked to something. */
const UNNAMED_DIGITS = 16 * KiB;
const UNNAMED: readonly Packing[] = ['br', 'raw'];

/** A part of a stream that was packed: what it holds, or that it holds too much. */
export interface UnpackedPart {
  readonly start: number;
  readonly end: number;
  /** Null: more than is looked through. */
  readonly bytes: Uint8Array | null;
}

/**
 * Packed data within a stream: written in digits anywhere, line ends between them, or as it is at the beginning of a body
 * or of one of its parts. It is collected whole, so what holds it back is asked for by `heldFrom`.
 */
export class Unpacker {
  readonly #unpack: Unpack | null;
  #digits: DigitCollector | null = null;
  #raw: RawCollector | null = null;
  #tail = new Uint8Array(0);
  #pushed = 0;
  #tries = 0;
  #budget: number = LIMITS.unpackedBytes;
  #done: UnpackedPart[] = [];
  /** What was taken for packed before is not taken again. */
  #known = 0;
  #rawKnown = 0;

  /** Null: nothing is unpacked. */
  constructor(unpack: Unpack | null) {
    this.#unpack = unpack;
  }

  /** No earlier byte belongs to what is being collected. */
  get heldFrom(): number {
    return Math.min(this.#digits?.start ?? Number.POSITIVE_INFINITY, this.#raw?.start ?? Number.POSITIVE_INFINITY);
  }

  /** What was unpacked since this was last asked. */
  take(): readonly UnpackedPart[] {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  /** The stream as it is. */
  pushRaw(block: Uint8Array): void {
    if (this.#unpack === null) return;
    const before = this.#tail;
    const text = before.length === 0 ? block : joined(before, block);
    const textStart = this.#pushed - before.length;
    this.#pushed += block.length;
    this.#followRaw(text, before.length, textStart);
    this.#tail = text.slice(Math.max(0, text.length - (PART_START.length + 3)));
  }

  #followRaw(text: Uint8Array, fresh: number, textStart: number): void {
    let at = 0;
    for (;;) {
      if (this.#raw === null) {
        const begin = this.#rawBegin(text, at, textStart);
        if (begin === null) return;
        this.#raw = new RawCollector(begin.packing, textStart + begin.at);
        at = begin.at;
      } else if (at === 0) {
        at = fresh;
      }
      const end = boundaryIn(text, Math.max(0, at - BOUNDARY.length), at);
      this.#raw.push(text.subarray(at, end === -1 ? text.length : end));
      if (this.#raw.length > LIMITS.packedBytes) this.#giveUpRaw(textStart + text.length);
      if (end === -1) return;
      this.#endRaw(textStart + end);
      at = end;
    }
  }

  #rawBegin(
    text: Uint8Array,
    from: number,
    textStart: number,
  ): { readonly at: number; readonly packing: Packing } | null {
    if (textStart === 0 && from === 0) {
      const packing = packingOf(text);
      if (packing !== null) return { at: 0, packing };
    }
    for (let at = indexOf(text, PART_START, from); at !== -1; at = indexOf(text, PART_START, at + 1)) {
      const begin = at + PART_START.length;
      const packing = textStart + begin <= this.#rawKnown ? null : packingOf(text.subarray(begin, begin + 4));
      if (packing === null) continue;
      this.#rawKnown = textStart + begin;
      return { at: begin, packing };
    }
    return null;
  }

  #endRaw(end: number): void {
    const raw = this.#raw;
    this.#raw = null;
    if (raw !== null) this.#open(raw.packing, raw.bytes(), raw.start, end);
  }

  #giveUpRaw(end: number): void {
    this.#done.push({ start: this.#raw?.start ?? end, end, bytes: null });
    this.#raw = new RawCollector(this.#raw?.packing ?? 'gzip', end);
  }

  /** Digits of a text; true while they may go on with what comes next. */
  pushStretch({ text, from, to, placeOf, outermost }: DigitStretch, final: boolean): boolean {
    if (this.#unpack === null) return false;
    if (this.#digits !== null && outermost) return true;
    if (outermost && placeOf(from) < this.#known) return false;
    const kind = packedDigits(text, from, to);
    if (kind === null) return false;
    if (kind.packing === null && !this.#mayTry()) return false;
    const collector = new DigitCollector(kind, placeOf(from));
    const end = from + collector.push(text, from);
    if (end === text.length && outermost && !final) return true;
    this.#known = outermost ? placeOf(end) : this.#known;
    this.#open(kind.packing, collector.bytes(), collector.start, placeOf(Math.min(end, text.length)));
    return false;
  }

  /** The same for digits that go on beyond the text: from here on the stream is followed. */
  begin({ text, from, to, placeOf }: DigitStretch): void {
    if (this.#digits !== null || placeOf(from) < this.#known) return;
    const kind = packedDigits(text, from, to);
    if (kind === null || (kind.packing === null && !this.#mayTry())) return;
    const collector = new DigitCollector(kind, placeOf(from));
    if (from + collector.push(text, from) < text.length) return;
    collector.next = placeOf(text.length);
    this.#digits = collector;
  }

  /** The text that follows, from what is not known yet. */
  pushText(text: Uint8Array, placeOf: (at: number) => number): void {
    const collector = this.#digits;
    if (collector === null) return;
    let from = 0;
    while (from < text.length && placeOf(from) < collector.next) from += 1;
    const taken = collector.push(text, from);
    collector.next = placeOf(from + taken);
    if (from + taken < text.length) this.#endDigits();
    else if (collector.kind.packing === null && collector.length > UNNAMED_DIGITS) this.#judgeUnnamed(collector);
    else if (collector.length > (LIMITS.packedBytes * 4) / 3) {
      this.#done.push({ start: collector.start, end: collector.next, bytes: null });
      this.#digits = null;
    }
  }

  end(): void {
    this.#endDigits();
    this.#endRaw(this.#pushed);
  }

  #endDigits(): void {
    const collector = this.#digits;
    this.#digits = null;
    if (collector === null) return;
    this.#known = collector.next;
    this.#open(collector.kind.packing, collector.bytes(), collector.start, collector.next);
  }

  /** So much of it must unpack to something; what does is collected to its end. */
  #judgeUnnamed(collector: DigitCollector): void {
    if (collector.length > UNNAMED_DIGITS * 2) return;
    const bytes = collector.bytes();
    const unpacks = UNNAMED.some((packing) => this.#undo(packing, bytes).kind !== 'none');
    if (unpacks) return;
    this.#known = collector.next;
    this.#digits = null;
  }

  #undo(packing: Packing, bytes: Uint8Array): Unpacked {
    return this.#unpack?.(packing, bytes, Math.min(this.#budget, unpackedLimit(bytes.length))) ?? { kind: 'none' };
  }

  #mayTry(): boolean {
    this.#tries += 1;
    return this.#tries <= TRIES_FREE + this.#pushed / TRY_BYTES;
  }

  #open(packing: Packing | null, bytes: Uint8Array, start: number, end: number): void {
    for (const way of packing === null ? UNNAMED : [packing]) {
      const unpacked = this.#undo(way, bytes);
      if (unpacked.kind === 'none' || (unpacked.kind === 'bytes' && unpacked.bytes.length === 0)) continue;
      const opened = unpacked.kind === 'bytes' ? unpacked.bytes : null;
      this.#budget -= opened?.length ?? 0;
      this.#done.push({ start, end, bytes: opened });
    }
  }
}

/** The empty line before a part's body, and what ends it. */
const PART_START = Uint8Array.of(13, 10, 13, 10);
const BOUNDARY = Uint8Array.of(13, 10, 45, 45);

class RawCollector {
  readonly packing: Packing;
  readonly start: number;
  #blocks: Uint8Array[] = [];
  length = 0;

  constructor(packing: Packing, start: number) {
    this.packing = packing;
    this.start = start;
  }

  push(block: Uint8Array): void {
    this.#blocks.push(block.slice());
    this.length += block.length;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const block of this.#blocks) {
      all.set(block, at);
      at += block.length;
    }
    return all;
  }
}

/** Where the boundary begins that is complete behind `after`, or -1. */
function boundaryIn(text: Uint8Array, from: number, after: number): number {
  const at = indexOf(text, BOUNDARY, from);
  return at === -1 ? -1 : Math.max(at, after);
}

function indexOf(text: Uint8Array, wanted: Uint8Array, from: number): number {
  const [first = 0] = wanted;
  for (let at = text.indexOf(first, from); at !== -1; at = text.indexOf(first, at + 1)) {
    if (wanted.every((byte, index) => text[at + index] === byte)) return at;
  }
  return -1;
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
