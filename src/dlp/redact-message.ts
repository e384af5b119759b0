import { screenBytes, type Hit, type Screen } from './screen.ts';
import { markOf, spansOf, type RedactedSpan } from './redact.ts';

/**
 * `redact()` for what is sent on: the message stays what its type says. Only what stands within strings, fields and parts
 * is replaced, never what holds them together. What can't be cleaned so is not sent.
 */
export type RedactedMessage =
  | { readonly kind: 'clean' }
  | { readonly kind: 'redacted'; readonly bytes: Uint8Array; readonly findings: readonly Hit[] }
  /** It still carries something, or its type has lengths within that would no longer be true. */
  | { readonly kind: 'dirty'; readonly findings: readonly Hit[] };

/** Stretches of a message in which text may be replaced, in order. */
interface Slot {
  readonly start: number;
  readonly end: number;
}

type Shape = 'json' | 'form' | 'multipart' | 'text' | 'fixed';

export function redactMessage(screen: Screen, bytes: Uint8Array, contentType: string): RedactedMessage {
  const findings = screenBytes(screen, bytes, 'body');
  if (findings.length === 0) return { kind: 'clean' };
  const shape = shapeOf(contentType);
  if (shape === 'fixed' || findings.some(({ rule }) => rule === 'unscannable')) return { kind: 'dirty', findings };
  const slots = slotsOf(shape, bytes, contentType);
  const redacted = replaceWithin(bytes, slots, spansOf(findings), shape);
  // What a mark brings together may be a value again.
  const left = screenBytes({ ...screen, leaves: false }, redacted, 'body');
  return left.length > 0 ? { kind: 'dirty', findings } : { kind: 'redacted', bytes: redacted, findings };
}

function shapeOf(contentType: string): Shape {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (
    /^application\/(?:[\w.+-]+\+)?json$|^application\/(?:x-)?(?:nd|json-?l(?:ines)?)json$|^application\/jsonl$/.test(
      type,
    )
  ) {
    return 'json';
  }
  if (type === 'application/x-www-form-urlencoded') return 'form';
  if (type.startsWith('multipart/')) return 'multipart';
  return type === '' || type.startsWith('text/') || /[/+]xml$/.test(type) ? 'text' : 'fixed';
}

function slotsOf(shape: Shape, bytes: Uint8Array, contentType: string): readonly Slot[] {
  switch (shape) {
    case 'json':
      return jsonStrings(bytes);
    case 'form':
      return fieldsBetween(bytes, [38, 61]);
    case 'multipart':
      return partBodies(bytes, boundaryOf(contentType));
    case 'text':
    case 'fixed':
      return [{ start: 0, end: bytes.length }];
  }
}

const [QUOTE, BACKSLASH] = [34, 92];

/** What stands between the quotes of its strings, names included. */
function jsonStrings(bytes: Uint8Array): readonly Slot[] {
  const slots: Slot[] = [];
  for (let at = bytes.indexOf(QUOTE); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
    const start = at + 1;
    at = start;
    while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    slots.push({ start, end: Math.min(at, bytes.length) });
  }
  return slots;
}

function fieldsBetween(bytes: Uint8Array, borders: readonly number[]): readonly Slot[] {
  const slots: Slot[] = [];
  let start = 0;
  for (let at = 0; at <= bytes.length; at += 1) {
    if (at < bytes.length && !borders.includes(bytes[at] ?? 0)) continue;
    if (at > start) slots.push({ start, end: at });
    start = at + 1;
  }
  return slots;
}

function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType) ?? [];
  return `--${quoted ?? plain ?? ''}`;
}

/** Between the empty line that ends a part's headers and the boundary that ends the part. */
function partBodies(bytes: Uint8Array, boundary: string): readonly Slot[] {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  const slots: Slot[] = [];
  for (let at = text.indexOf(boundary); at !== -1;) {
    const body = text.indexOf('\r\n\r\n', at);
    const next = text.indexOf(`\r\n${boundary}`, body === -1 ? at : body);
    if (body === -1 || next === -1) break;
    if (next > body + 4) slots.push({ start: body + 4, end: next });
    at = next + 2;
  }
  return slots;
}

function replaceWithin(
  bytes: Uint8Array,
  slots: readonly Slot[],
  spans: readonly RedactedSpan[],
  shape: Shape,
): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let at = 0;
  let next = 0;
  for (const slot of slots) {
    while (next < spans.length && (spans[next]?.end ?? 0) <= slot.start) next += 1;
    for (let index = next; index < spans.length; index += 1) {
      const span = spans[index];
      if (span === undefined || span.start >= slot.end) break;
      const cut = shape === 'json' ? wholeEscapes(bytes, slot, span) : clip(slot, span);
      if (cut.end <= Math.max(at, cut.start)) continue;
      parts.push(bytes.subarray(at, Math.max(at, cut.start)), encoder.encode(markIn(shape, span)));
      at = cut.end;
    }
  }
  parts.push(bytes.subarray(at));
  return joinAll(parts);
}

const clip = (slot: Slot, span: Slot): Slot => ({
  start: Math.max(slot.start, span.start),
  end: Math.min(slot.end, span.end),
});

/** A mark in the middle of an escape would make another one of it. */
function wholeEscapes(bytes: Uint8Array, slot: Slot, span: Slot): Slot {
  const { start, end } = clip(slot, span);
  let [from, to] = [slot.start, slot.end];
  for (let at = slot.start; at < slot.end;) {
    const length = bytes[at] === BACKSLASH ? (bytes[at + 1] === 117 ? 6 : 2) : 1;
    if (at <= start) from = at;
    if (at >= end) {
      to = at;
      break;
    }
    at += length;
  }
  return { start: from, end: to };
}

function markIn(shape: Shape, span: RedactedSpan): string {
  const mark = markOf(span);
  return shape === 'form' ? encodeURIComponent(mark) : mark;
}

function joinAll(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
