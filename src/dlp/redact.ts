import { scanBytes, type Finding, type KnownValues } from './known-values.ts';

/**
 * The one `redact()` (DESIGN 6): logs, records, errors and proposals pass through it. Every occurrence of a known value
 * in any of its encodings becomes `[redacted NAME]`; overlapping occurrences become one mark.
 */
export function redactText(known: KnownValues, text: string): string {
  if (known.size === 0) return text;
  const bytes = new TextEncoder().encode(text);
  const spans = mergeSpans(scanBytes(known, bytes, 'text'));
  if (spans.length === 0) return text;
  const decoder = new TextDecoder();
  let redacted = '';
  let at = 0;
  for (const { start, end, name } of spans) {
    redacted += `${decoder.decode(bytes.subarray(at, start))}[redacted ${name}]`;
    at = end;
  }
  return redacted + decoder.decode(bytes.subarray(at));
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

function mergeSpans(findings: readonly Finding[]): readonly Span[] {
  const spans: Span[] = [];
  for (const finding of [...findings].sort((left, right) => left.start - right.start || right.end - left.end)) {
    const last = spans.at(-1);
    if (last !== undefined && finding.start < last.end) {
      spans[spans.length - 1] = { ...last, end: Math.max(last.end, finding.end) };
    } else {
      spans.push({ start: finding.start, end: finding.end, name: finding.name });
    }
  }
  return spans;
}
