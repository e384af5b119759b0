import { isControl, type CloseCode, type Frame, type FrameError } from './frames.ts';

/** Joins the fragments of messages under a bound (RFC 6455 section 5.4); control frames pass between them. */
export type MessageEvent =
  | { readonly kind: 'message'; readonly text: boolean; readonly compressed: boolean; readonly data: Uint8Array }
  | { readonly kind: 'ping' | 'pong'; readonly data: Uint8Array }
  | { readonly kind: 'close'; readonly code: number | null; readonly reason: Uint8Array }
  | { readonly kind: 'broken'; readonly code: CloseCode; readonly why: string };

interface Fragments {
  readonly text: boolean;
  readonly compressed: boolean;
  readonly parts: Uint8Array[];
  bytes: number;
}

export class MessageAssembler {
  readonly #limitBytes: number;
  #open: Fragments | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes of a message that is not whole yet. */
  get heldBytes(): number {
    return this.#open?.bytes ?? 0;
  }

  /** Null while fragments are missing. */
  take(frame: Frame): MessageEvent | null {
    const { opcode, payload } = frame;
    if (isControl(opcode)) return control(frame);
    if (opcode === 'continuation' && this.#open === null) return broken(1002, 'a continuation of nothing');
    if (opcode !== 'continuation' && this.#open !== null) return broken(1002, 'a message inside another');
    const open = this.#open ?? { text: opcode === 'text', compressed: frame.compressed, parts: [], bytes: 0 };
    open.bytes += payload.length;
    if (open.bytes > this.#limitBytes) return broken(1009, 'a message over the bound');
    open.parts.push(payload);
    this.#open = frame.fin ? null : open;
    if (!frame.fin) return null;
    return { kind: 'message', text: open.text, compressed: open.compressed, data: joined(open.parts, open.bytes) };
  }
}

function control({ opcode, payload }: Frame): MessageEvent {
  if (opcode !== 'close') return { kind: opcode === 'ping' ? 'ping' : 'pong', data: payload };
  if (payload.length === 0) return { kind: 'close', code: null, reason: payload };
  if (payload.length === 1) return broken(1002, 'half a close code');
  const code = (payload[0] ?? 0) * 256 + (payload[1] ?? 0);
  const reason = payload.subarray(2);
  if (!isCloseCode(code)) return broken(1002, 'a close code that none may send');
  return isUtf8(reason) ? { kind: 'close', code, reason } : broken(1007, 'a close reason that is not UTF-8');
}

/** RFC 6455 section 7.4 and the registry: 1004 to 1006 and 1015 are never on the wire. */
function isCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006);
}

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch (failure) {
    if (failure instanceof TypeError) return false;
    throw failure;
  }
}

export function closePayload(code: number, reason: string | Uint8Array): Uint8Array {
  const text = typeof reason === 'string' ? new TextEncoder().encode(reason) : reason;
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return payload;
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function broken(code: CloseCode, why: string): MessageEvent {
  const error: FrameError = { code, why };
  return { kind: 'broken', ...error };
}
