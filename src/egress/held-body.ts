import { createScanner, type Screen } from '../dlp/screen.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Result } from '../kernel/result.ts';
import { ContentDecoders, type ContentCoding } from '../platform/content-decoder.ts';
import { withoutSwaps, type BodySwap, type Placement } from '../policy/placeholders.ts';
import type { Framing } from '../protocol/http1/framing.ts';
import type { Header } from '../schema/header.ts';
import type { BodySource } from './body-reader.ts';
import type { Held, HoldRefusal, HoldStore } from './hold.ts';
import { scanTrailers, scanWhole, type OutboundBody, type OutboundStep } from './outbound.ts';
import { PacedScanner } from './turns.ts';

/** What goes out once all of it was looked at: stretches of what is held, and what is put in between on the way. */
type Part =
  | { readonly kind: 'held'; readonly from: number; readonly to: number }
  | { readonly kind: 'put'; readonly bytes: Uint8Array };

const END: OutboundStep = { kind: 'end' };

/** The way out of a held body, a block at a time: memory and file are read as fast as the upstream takes them. */
class Outflow {
  readonly #held: Held;
  #parts: Part[];

  constructor(held: Held, parts: readonly Part[]) {
    this.#held = held;
    this.#parts = parts.filter((part) => sizeOf(part) > 0);
  }

  get finished(): boolean {
    return this.#parts.length === 0;
  }

  get size(): number {
    return this.#parts.reduce((sum, part) => sum + sizeOf(part), 0);
  }

  async next(): Promise<OutboundStep> {
    const [part] = this.#parts;
    if (part === undefined) return END;
    if (part.kind === 'put') {
      this.#parts.shift();
      return { kind: 'data', data: [part.bytes] };
    }
    const block = await this.#held.read(part.from, part.to);
    if (block === null) return { kind: 'broken', why: 'it is held no more' };
    const from = part.from + block.length;
    if (from === part.to) this.#parts.shift();
    else this.#parts[0] = { ...part, from };
    return { kind: 'data', data: [block] };
  }
}

function sizeOf(part: Part): number {
  return part.kind === 'put' ? part.bytes.length : part.to - part.from;
}

type Refused = Exclude<OutboundStep, { readonly kind: 'data' | 'end' }>;

/** Takes a body in to its end; each block is held before `look` sees it. Null when all of it is held. */
async function takeIn(
  reader: BodySource,
  held: Held,
  look: (blocks: readonly Uint8Array[]) => Promise<Refused | null>,
  bodyBytes?: number,
): Promise<Refused | null> {
  for (;;) {
    const step = await reader.next();
    if (step.kind === 'broken') return step;
    if (step.kind === 'end') return null;
    const refused: HoldRefusal | null = await held.append(step.data, bodyBytes);
    const seen = refused ?? (await look(step.data));
    if (seen !== null) return seen;
    if (reader.done) return null;
  }
}

/** A content-coded body: held whole, scanned as it is and as it decodes, and only then let go (SECURITY S17). */
export class HeldBody implements OutboundBody {
  readonly #reader: BodySource;
  readonly #screen: Screen;
  readonly #decoders: ContentDecoders;
  readonly #held: Held;
  #out: Outflow | null = null;

  constructor(reader: BodySource, screen: Screen, codings: readonly ContentCoding[], store: HoldStore) {
    this.#reader = reader;
    this.#screen = screen;
    this.#decoders = new ContentDecoders(codings, { decodedBytes: LIMITS.decodedBodyBytes });
    this.#held = store.hold();
  }

  get finished(): boolean {
    return this.#out?.finished === true;
  }

  get trailers(): readonly Header[] {
    return this.#reader.trailers;
  }

  async next(): Promise<OutboundStep> {
    if (this.#out === null) {
      const refused = await this.#inspect();
      if (refused !== null) return refused;
      this.#out = new Outflow(this.#held, [{ kind: 'held', from: 0, to: this.#held.size }]);
    }
    return this.#out.next();
  }

  async release(): Promise<void> {
    this.#decoders[Symbol.dispose]();
    await this.#held.release();
  }

  /** What comes out of the decoders is scanned and dropped: a body that unfolds takes no more room than it came with. */
  async #inspect(): Promise<Refused | null> {
    // As it comes it is one packed whole, which the decoders undo.
    const raw = new PacedScanner(createScanner({ ...this.#screen, unpack: null }, 'body'));
    const decoded = new PacedScanner(createScanner(this.#screen, 'body'));
    const refused = await takeIn(this.#reader, this.#held, async (blocks) => {
      return (await scanBlocks(raw, blocks)) ?? scanDecoded(decoded, await this.#decoders.push(blocks));
    });
    if (refused !== null) return refused;
    const last = await scanDecoded(decoded, await this.#decoders.end());
    if (last !== null) return last;
    const findings = [raw.end().findings, decoded.end().findings, scanTrailers(this.#screen, this.trailers)].flat();
    return findings.length > 0 ? { kind: 'found', findings } : null;
  }
}

async function scanBlocks(scanner: PacedScanner, blocks: readonly Uint8Array[]): Promise<Refused | null> {
  const { findings = [] } = (await scanner.push(blocks)) ?? {};
  return findings.length > 0 ? { kind: 'found', findings } : null;
}

async function scanDecoded(
  scanner: PacedScanner,
  decoded: Result<readonly Uint8Array[], string>,
): Promise<Refused | null> {
  if (!decoded.ok) return { kind: 'refused', status: 403, reason: 'unscannable', detail: decoded.error };
  return scanBlocks(scanner, decoded.value);
}

export interface SwappedBodyParts {
  readonly reader: BodySource;
  readonly screen: Screen | null;
  readonly store: HoldStore;
  readonly kind: 'form' | 'json';
  readonly placement: Placement;
}

/**
 * A form or JSON body, held whole: its declared place gets the real value, every other byte stays as it came. What is
 * held has the stand-in in it; the value is put in while it goes out.
 */
export class SwappedBody implements OutboundBody {
  readonly #parts: SwappedBodyParts;
  readonly #held: Held;
  /** It goes on with a length, after which nothing can follow. */
  readonly trailers: readonly Header[] = [];
  #out: Outflow | null = null;
  #reframed: Framing | null = null;

  constructor(parts: SwappedBodyParts) {
    this.#parts = parts;
    this.#held = parts.store.hold();
  }

  get finished(): boolean {
    return this.#out?.finished === true;
  }

  /** Its length is another one now, whichever way the agent told it. */
  get reframed(): Framing | null {
    return this.#reframed;
  }

  async next(): Promise<OutboundStep> {
    if (this.#out === null) {
      const look = (): Promise<null> => Promise.resolve(null);
      const refused = await takeIn(this.#parts.reader, this.#held, look, LIMITS.swappedBodyBytes);
      if (refused !== null) return refused;
      const found = await this.#parts.store.alone(() => this.#swap());
      if (found !== null) return found;
    }
    return this.#out?.next() ?? END;
  }

  async release(): Promise<void> {
    await this.#held.release();
  }

  async #swap(): Promise<Refused | null> {
    const { screen, kind, placement } = this.#parts;
    const raw = await wholeOf(this.#held);
    const text = utf8(raw);
    // What is no text has no declared place in it; a stand-in in its bytes is found by the scan.
    const swaps = text === null ? [] : placement.body(kind, text);
    const rest = text === null || swaps.length === 0 ? raw : Buffer.from(withoutSwaps(text, swaps), 'utf8');
    const findings = screen === null ? [] : await scanWhole(screen, rest);
    if (findings.length > 0) return { kind: 'found', findings };
    this.#out = new Outflow(this.#held, partsOf(text ?? '', swaps, raw.length));
    this.#reframed = { kind: 'length', length: this.#out.size };
    return null;
  }
}

/** Places in a text are counted in characters, what is held in bytes. */
function partsOf(text: string, swaps: readonly BodySwap[], size: number): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  let from = 0;
  for (const { start, end, value } of swaps) {
    const to = from + Buffer.byteLength(text.slice(at, start));
    parts.push({ kind: 'held', from, to }, { kind: 'put', bytes: Buffer.from(value, 'utf8') });
    from = to + Buffer.byteLength(text.slice(start, end));
    at = end;
  }
  return [...parts, { kind: 'held', from, to: size }];
}

async function wholeOf(held: Held): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < held.size;) {
    const block = await held.read(at, held.size);
    if (block === null) break;
    blocks.push(block);
    at += block.length;
  }
  return Buffer.concat(blocks);
}

/** Null for bytes that would not come out again as they went in. */
function utf8(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : null;
}
