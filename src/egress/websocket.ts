import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { scanBytes, type KnownValues } from '../dlp/known-values.ts';
import type { Hit, Screen } from '../dlp/screen.ts';
import { LIMITS } from '../kernel/limits.ts';
import { deflateMessage, inflateMessage } from '../platform/message-deflate.ts';
import { encodeFrame, FrameParser, type CloseCode, type Frame } from '../protocol/websocket/frames.ts';
import { closePayload, isUtf8, MessageAssembler, type MessageEvent } from '../protocol/websocket/messages.ts';
import type { GatewayCore } from './core.ts';
import { scanWhole } from './outbound.ts';
import type { RequestAccount } from './record.ts';
import { findingsReason } from './upload.ts';
import { WireError, type Wire } from './wire.ts';

/** How a WebSocket ended. `by` is the side that the reason lies with. */
export type WebSocketEnd =
  | { readonly kind: 'closed' }
  | { readonly kind: 'gone'; readonly by: Side }
  /** Neither side said anything for too long. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'found'; readonly by: Side; readonly findings: readonly Hit[] }
  | { readonly kind: 'broken'; readonly by: Side; readonly code: CloseCode; readonly why: string };

type Side = 'agent' | 'upstream';

interface Leg {
  readonly wire: Wire;
  /** Compression as it was agreed with this side: the window we compress with, or null for none. */
  readonly windowBits: number | null;
}

export interface WebSocketParts {
  readonly core: GatewayCore;
  readonly account: RequestAccount;
  readonly agent: Leg;
  readonly upstream: Leg;
  /** What must not leave, and what must not come back; null for no scan. */
  readonly screen: Screen | null;
  readonly mask: KnownValues | null;
  /** A reload has refused it: its connection to the upstream is gone because we broke it. */
  readonly revoked: () => boolean;
}

/**
 * Passes messages both ways until both sides have closed. Every message is held whole until it was scanned (SECURITY
 * S17), as it reads and not as it was compressed; a hit closes with 1008. Never rejects.
 */
export async function relayWebSocket(parts: WebSocketParts): Promise<WebSocketEnd> {
  const activity = { lastMs: performance.now() };
  const pumps = [new Pump(parts, 'agent', activity), new Pump(parts, 'upstream', activity)] as const;
  const running = pumps.map((pump) => pump.run());
  const first = await Promise.race(running);
  const end = first.kind === 'closed' ? await lastWord(running) : first;
  switch (end.kind) {
    case 'closed':
      break;
    case 'gone':
      if (parts.revoked()) sendClose(parts, 'agent', 1008, 'the policy has changed');
      else if (end.by === 'upstream') sendClose(parts, 'agent', 1011, 'the upstream has gone');
      else sendClose(parts, 'upstream', 1001, '');
      break;
    case 'idle':
      for (const side of ['agent', 'upstream'] as const) sendClose(parts, side, 1001, '');
      break;
    case 'found':
      sendClose(parts, 'agent', 1008, findingsReason(end.findings));
      sendClose(parts, 'upstream', 1001, '');
      break;
    case 'broken':
      sendClose(parts, end.by, end.code, end.why);
      sendClose(parts, end.by === 'agent' ? 'upstream' : 'agent', end.by === 'agent' ? 1001 : 1011, '');
      break;
  }
  for (const pump of pumps) pump.stop();
  return end;
}

/** The other side owes a close of its own; one that does not come is no reason to keep the connection. */
async function lastWord(running: readonly Promise<WebSocketEnd>[]): Promise<WebSocketEnd> {
  const patience = new AbortController();
  const waited = delay(LIMITS.discardMs, { kind: 'closed' } as const, { signal: patience.signal }).catch(() => {
    return { kind: 'closed' } as const;
  });
  const ends = await Promise.race([Promise.all(running), waited.then((end) => [end])]);
  patience.abort();
  const bad = ends.find((end) => end.kind === 'found' || end.kind === 'broken');
  return bad ?? { kind: 'closed' };
}

/** One direction. */
class Pump {
  readonly #parts: WebSocketParts;
  readonly #from: Side;
  /** When either side was last heard: many servers only send, and many clients only listen. */
  readonly #activity: { lastMs: number };
  readonly #parser: FrameParser;
  readonly #assembler = new MessageAssembler(LIMITS.webSocketMessageBytes);
  #heldBytes = 0;
  #stopped = false;

  constructor(parts: WebSocketParts, from: Side, activity: { lastMs: number }) {
    this.#parts = parts;
    this.#from = from;
    this.#activity = activity;
    this.#parser = new FrameParser({
      masked: from === 'agent',
      deflate: parts[from].windowBits !== null,
      payloadBytes: LIMITS.webSocketMessageBytes,
    });
  }

  async run(): Promise<WebSocketEnd> {
    try {
      for (;;) {
        const bytes = await this.#read();
        if (bytes === 'idle') return { kind: 'idle' };
        if (bytes === null) return { kind: 'gone', by: this.#from };
        this.#activity.lastMs = performance.now();
        const end = await this.#take(bytes);
        if (end !== null) return end;
      }
    } catch (failure) {
      if (!(failure instanceof WireError)) throw failure;
      return { kind: 'gone', by: this.#from };
    }
  }

  async #read(): Promise<Uint8Array | null | 'idle'> {
    const { idleTimeoutMs } = this.#parts.core.timeouts;
    for (let waitMs = idleTimeoutMs; waitMs > 0;) {
      try {
        return await this.#parts[this.#from].wire.read(waitMs);
      } catch (failure) {
        if (!(failure instanceof WireError) || failure.kind !== 'timeout') throw failure;
        waitMs = Math.ceil(this.#activity.lastMs + idleTimeoutMs - performance.now());
      }
    }
    return 'idle';
  }

  /** What is held is given back, and nothing is passed on any more. */
  stop(): void {
    this.#stopped = true;
    this.#hold(0);
  }

  async #take(bytes: Uint8Array): Promise<WebSocketEnd | null> {
    const { frames, error } = this.#parser.push(bytes);
    for (const frame of frames) {
      const event = this.#assembler.take(frame);
      const end = event === null ? null : await this.#pass(event);
      if (end !== null || this.#stopped) return end;
    }
    if (error !== null) return this.#broken(error.code, error.why);
    this.#hold(this.#parser.heldBytes + this.#assembler.heldBytes);
    if (this.#parts.core.hold.heldBytes > LIMITS.heldMemoryTotalBytes) {
      return this.#broken(1011, 'too many messages are held');
    }
    return null;
  }

  async #pass(event: MessageEvent): Promise<WebSocketEnd | null> {
    switch (event.kind) {
      case 'broken':
        return this.#broken(event.code, event.why);
      case 'message':
        return this.#passMessage(event);
      case 'ping':
      case 'pong':
        return this.#send(event.data, event.kind);
      case 'close': {
        const payload = event.code === null ? new Uint8Array(0) : closePayload(event.code, event.reason);
        return (await this.#send(payload, 'close')) ?? { kind: 'closed' };
      }
    }
  }

  async #passMessage(message: Extract<MessageEvent, { readonly kind: 'message' }>): Promise<WebSocketEnd | null> {
    const inflated = message.compressed ? await inflateMessage(message.data, LIMITS.webSocketMessageBytes) : null;
    if (inflated?.ok === false) {
      const tooLarge = inflated.error === 'too large';
      return this.#broken(tooLarge ? 1009 : 1007, `a compressed message that is ${inflated.error}`);
    }
    const data = inflated === null ? message.data : inflated.value;
    if (message.text && !isUtf8(data)) return this.#broken(1007, 'a text message that is not UTF-8');
    return this.#send(data, message.text ? 'text' : 'binary', message.compressed);
  }

  /** Scanned, framed anew for the other side, and taken by it before anything more is read. */
  async #send(data: Uint8Array, opcode: Frame['opcode'], compressed = false): Promise<WebSocketEnd | null> {
    const { account, core } = this.#parts;
    const findings = await this.#look(data);
    if (findings.length > 0) return { kind: 'found', by: this.#from, findings };
    const to = this.#parts[this.#from === 'agent' ? 'upstream' : 'agent'];
    const { windowBits } = to;
    const deflated = compressed && windowBits !== null;
    const payload = deflated ? await deflateMessage(data, windowBits) : data;
    if (this.#stopped) return null;
    if (this.#from === 'agent') account.sentBytes += data.length;
    else account.receivedBytes += data.length;
    const key = this.#from === 'agent' ? randomBytes(4) : null;
    const frame = encodeFrame({ opcode, fin: true, compressed: deflated, payload }, key);
    try {
      if (!to.wire.write(frame)) await to.wire.drained(core.timeouts.idleTimeoutMs);
    } catch (failure) {
      if (!(failure instanceof WireError)) throw failure;
      return { kind: 'gone', by: this.#from === 'agent' ? 'upstream' : 'agent' };
    }
    return null;
  }

  async #look(data: Uint8Array): Promise<readonly Hit[]> {
    const { screen, mask } = this.#parts;
    if (this.#from === 'agent') return screen === null ? [] : scanWhole(screen, data, 'websocket message');
    return mask === null ? [] : scanBytes(mask, data, 'websocket message');
  }

  #broken(code: CloseCode, why: string): WebSocketEnd {
    return { kind: 'broken', by: this.#from, code, why };
  }

  #hold(bytes: number): void {
    this.#parts.core.hold.heldBytes += bytes - this.#heldBytes;
    this.#heldBytes = bytes;
  }
}

/** Our own last frame to a side; one that has gone is told nothing. */
function sendClose(parts: WebSocketParts, to: Side, code: number, why: string): void {
  const { wire } = parts[to];
  if (wire.gone) return;
  const payload = closePayload(code, why);
  const frame: Frame = { opcode: 'close', fin: true, compressed: false, payload };
  wire.write(encodeFrame(frame, to === 'upstream' ? randomBytes(4) : null));
}
