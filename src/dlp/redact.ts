import { byteReadings } from './encodings.ts';
import { screenBytes, type Hit, type Screen } from './screen.ts';

/**
 * The one `redact()` (DESIGN 6): logs, records, errors and proposals pass through it. Every occurrence of a known value
 * in any of its encodings, and what has the format of a credential, becomes `[redacted NAME]`; overlapping occurrences
 * become one mark.
 */
export function redactText(screen: Screen, text: string): string {
  if ((screen.known?.size ?? 0) === 0 && screen.tokens === null) return text;
  const [utf8, latin1] = byteReadings(text);
  if (utf8 === undefined) return text;
  const redacted = redactBytes(screen, utf8, (bytes) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  if (latin1 === undefined) return redacted ?? text;
  // A header's text has one character per byte: what UTF-8 hides, that reading shows.
  const reread = byteReadings(redacted ?? text).at(-1) ?? latin1;
  return redactBytes(screen, reread, textOfBytes) ?? redacted ?? text;
}

/** Null when there is nothing to redact. */
function redactBytes(screen: Screen, bytes: Uint8Array, decode: (bytes: Uint8Array) => string): string | null {
  const spans = spansOf(screenBytes(screen, bytes, 'text'));
  if (spans.length === 0) return null;
  let redacted = '';
  let at = 0;
  for (const span of spans) {
    redacted += decode(bytes.subarray(at, span.start)) + markOf(span);
    at = span.end;
  }
  return redacted + decode(bytes.subarray(at));
}

/** What stands in the place of what was found. It has no character that a string, a field or a header could not have. */
export function markOf({ names }: RedactedSpan): string {
  return `[redacted ${[...names].sort().join(', ')}]`;
}

export function spansOf(findings: readonly Hit[]): readonly RedactedSpan[] {
  return mergeSpans(uncovered(findings));
}

function textOfBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** A value that is known needs no second name for its format. */
function uncovered(hits: readonly Hit[]): readonly Hit[] {
  const known = hits.filter(({ rule }) => rule !== 'token_pattern');
  return hits.filter(
    ({ rule, start, end }) =>
      rule !== 'token_pattern' || !known.some((value) => value.start <= start && end <= value.end),
  );
}

export interface RedactedSpan {
  readonly start: number;
  readonly end: number;
  readonly names: ReadonlySet<string>;
}

function mergeSpans(findings: readonly Hit[]): readonly RedactedSpan[] {
  const spans: RedactedSpan[] = [];
  for (const { start, end, name } of [...findings].sort((left, right) => left.start - right.start)) {
    const last = spans.at(-1);
    if (last !== undefined && start < last.end) {
      spans[spans.length - 1] = {
        start: last.start,
        end: Math.max(last.end, end),
        names: new Set([...last.names, name]),
      };
    } else {
      spans.push({ start, end, names: new Set([name]) });
    }
  }
  return spans;
}
