import { createBodyScanner, type BodyScanner } from '../dlp/known-values.ts';
import { createScanner, type Hit, type Screen } from '../dlp/screen.ts';
import { KiB, LIMITS } from '../kernel/limits.ts';
import { ContentDecoders, type ContentCoding } from '../platform/content-decoder.ts';
import { GrpcMessages, type GrpcEvent } from '../protocol/grpc-frames.ts';
import type { Header } from '../schema/header.ts';
import type { BodySource } from './body-reader.ts';
import { headerTokens } from './headers.ts';
import type { HoldStore } from './hold.ts';
import { PacedScanner } from './turns.ts';
import { scanTrailers, type OutboundBody, type OutboundStep } from './outbound.ts';

/** What messages whose flag says so are compressed with. */
export type MessageCoding = 'identity' | 'gzip' | 'deflate';

/** Null for one that is not undone here. */
export function messageCoding(headers: readonly Header[]): MessageCoding | null {
  const [coding = 'identity', ...more] = headerTokens(headers, 'grpc-encoding');
  return more.length === 0 && (coding === 'identity' || coding === 'gzip' || coding === 'deflate') ? coding : null;
}

type Refused = Extract<OutboundStep, { readonly kind: 'found' | 'refused' }>;

const END: OutboundStep = { kind: 'end' };
const DECODE_BLOCK_BYTES = 64 * KiB;
const COMPRESSED = 1;
/** gRPC-Web: what a message of trailers is marked with. */
const TRAILERS = 0x80;

/**
 * A gRPC body, message by message (SECURITY S17): its receiver answers one before the next is sent, so nothing of a
 * message waits for what comes after it. A message as it is streams; one that is compressed is held whole, undone, looked
 * through both ways and then let go.
 */
export class GrpcBody implements OutboundBody {
  readonly #reader: BodySource;
  readonly #screen: Screen;
  readonly #codings: readonly ContentCoding[] | null;
  readonly #store: HoldStore;
  readonly #messages = new GrpcMessages();
  /** Sees all messages as one text: a value that is spread over several is found before its last piece leaves. */
  readonly #across: BodyScanner | null;
  #message: Message | null = null;
  /** Looked through, and not yet given out. */
  #free: Uint8Array[] = [];
  #ended = false;

  constructor(reader: BodySource, screen: Screen, coding: MessageCoding, store: HoldStore) {
    this.#reader = reader;
    this.#screen = screen;
    this.#across = screen.known === null ? null : createBodyScanner(screen.known, 'body');
    this.#codings = coding === 'identity' ? null : [coding];
    this.#store = store;
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
      for (const event of step.kind === 'data' ? step.data.flatMap((block) => this.#messages.push(block)) : []) {
        const refused = await this.#take(event);
        if (refused !== null) return refused;
      }
      if (this.#reader.done || step.kind === 'end') {
        const refused = await this.#finish();
        if (refused !== null) return refused;
      }
      if (this.#free.length > 0) return { kind: 'data', data: this.#free.splice(0) };
    }
    return END;
  }

  release(): Promise<void> {
    this.#message?.[Symbol.dispose]();
    return Promise.resolve();
  }

  async #take(event: GrpcEvent): Promise<Refused | null> {
    if (event.kind === 'head') {
      const begun = this.#begin(event.flag, event.length, event.bytes);
      if ('kind' in begun) return begun;
      this.#message = begun;
      return null;
    }
    const message = this.#message;
    if (message === null) return null;
    const taken = await (event.kind === 'payload' ? message.push(event.bytes) : message.end());
    if (!Array.isArray(taken)) return taken;
    this.#free.push(...taken);
    if (event.kind === 'end') this.#drop();
    return null;
  }

  #begin(flag: number, length: number, head: Uint8Array): Message | Refused {
    const kind = flag & ~TRAILERS;
    if (kind === 0) return new PlainMessage(head, this.#screen, this.#across);
    if (kind !== COMPRESSED) return unscannable('a message has a flag that is not known');
    if (this.#codings === null) return unscannable('a message is compressed, and grpc-encoding does not say how');
    if (length > LIMITS.grpcMessageBytes) {
      return unscannable(`a compressed message over ${String(LIMITS.grpcMessageBytes)} bytes`);
    }
    const screens = { screen: this.#screen, across: this.#across };
    return new CompressedMessage(head, screens, this.#codings, this.#store);
  }

  /** The body may end within a message: what of it was looked through goes on, as it came. */
  async #finish(): Promise<Refused | null> {
    this.#ended = true;
    const rest = (await this.#message?.end()) ?? [];
    this.#drop();
    if (!Array.isArray(rest)) return rest;
    this.#free.push(...rest, ...[this.#messages.begun].filter(({ length }) => length > 0));
    const findings = scanTrailers(this.#screen, this.trailers);
    return findings.length > 0 ? { kind: 'found', findings } : null;
  }

  #drop(): void {
    this.#message?.[Symbol.dispose]();
    this.#message = null;
  }
}

/** What may leave by now, or why nothing of it may. */
type Taken = Uint8Array[] | Refused;

interface Message extends Disposable {
  push(bytes: Uint8Array): Taken | Promise<Taken>;
  end(): Taken | Promise<Taken>;
}

class PlainMessage implements Message {
  readonly #scanner: PacedScanner;
  readonly #across: BodyScanner | null;
  /** The head goes out with the first bytes of what it announces. */
  #held: Uint8Array[];
  #released: number;

  constructor(head: Uint8Array, screen: Screen, across: BodyScanner | null) {
    this.#scanner = new PacedScanner(createScanner(screen, 'body'));
    this.#across = across;
    this.#held = [head];
    this.#released = -head.length;
  }

  async push(bytes: Uint8Array): Promise<Taken> {
    this.#held.push(bytes);
    const { findings, release } = (await this.#scanner.push([bytes])) ?? { findings: [], release: 0 };
    const all = either(findings, this.#across?.push(bytes).findings ?? []);
    return all.length > 0 ? found(all) : this.#release(release);
  }

  end(): Taken {
    const { findings } = this.#scanner.end();
    return findings.length > 0 ? found(findings) : this.#held.splice(0);
  }

  [Symbol.dispose](): void {
    this.#held = [];
  }

  #release(total: number): Uint8Array[] {
    const data: Uint8Array[] = [];
    if (total === 0) return data;
    for (let free = total - this.#released; free > 0;) {
      const block = this.#held.shift();
      if (block === undefined) break;
      if (block.length > free) this.#held.unshift(block.subarray(free));
      const part = block.subarray(0, free);
      data.push(part);
      free -= part.length;
      this.#released += part.length;
    }
    return data;
  }
}

class CompressedMessage implements Message {
  readonly #screen: Screen;
  readonly #across: BodyScanner | null;
  readonly #codings: readonly ContentCoding[];
  readonly #store: HoldStore;
  #held: Uint8Array[];
  #heldBytes = 0;

  constructor(
    head: Uint8Array,
    { screen, across }: { readonly screen: Screen; readonly across: BodyScanner | null },
    codings: readonly ContentCoding[],
    store: HoldStore,
  ) {
    this.#screen = screen;
    this.#across = across;
    this.#codings = codings;
    this.#store = store;
    this.#held = [head];
  }

  push(bytes: Uint8Array): Taken {
    // A view would keep all of what it was read with.
    this.#held.push(Uint8Array.from(bytes));
    this.#heldBytes += bytes.length;
    this.#store.heldBytes += bytes.length;
    if (this.#store.heldBytes <= LIMITS.heldMemoryTotalBytes) return [];
    const detail = `too much is held for scanning, ${String(LIMITS.heldMemoryTotalBytes)} bytes together at most`;
    return { kind: 'refused', status: 503, reason: 'limit_reached', detail };
  }

  async end(): Promise<Taken> {
    // As it comes it is one packed whole, which the decoders undo.
    const raw = new PacedScanner(createScanner({ ...this.#screen, unpack: null }, 'body'));
    const decoded = new PacedScanner(createScanner(this.#screen, 'body'));
    const look = async (parts: readonly Uint8Array[]): Promise<readonly Hit[]> => {
      const { findings = [] } = (await decoded.push(parts)) ?? {};
      return either(
        findings,
        parts.flatMap((part) => this.#across?.push(part).findings ?? []),
      );
    };
    using decoders = new ContentDecoders(this.#codings, { decodedBytes: LIMITS.decodedBodyBytes });
    const [, ...payload] = this.#held;
    for (const block of payload.flatMap(slices)) {
      const some = await decoders.push([block]);
      if (!some.ok) return unscannable(some.error);
      const { findings = [] } = (await raw.push([block])) ?? {};
      const all = either(findings, await look(some.value));
      if (all.length > 0) return found(all);
    }
    const rest = await decoders.end();
    if (!rest.ok) return unscannable(rest.error);
    const findings = [...raw.end().findings, ...(await look(rest.value)), ...decoded.end().findings];
    return findings.length > 0 ? found(findings) : this.#held.splice(0);
  }

  [Symbol.dispose](): void {
    this.#held = [];
    this.#store.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
  }
}

/** What is found in the message itself is found in the text of all of them once more. */
function either(first: readonly Hit[], second: readonly Hit[]): readonly Hit[] {
  return first.length > 0 ? first : second;
}

function slices(bytes: Uint8Array): readonly Uint8Array[] {
  const count = Math.ceil(bytes.length / DECODE_BLOCK_BYTES);
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * DECODE_BLOCK_BYTES, (index + 1) * DECODE_BLOCK_BYTES),
  );
}

function found(findings: readonly Hit[]): Refused {
  return { kind: 'found', findings };
}

function unscannable(detail: string): Refused {
  return { kind: 'refused', status: 403, reason: 'unscannable', detail };
}
