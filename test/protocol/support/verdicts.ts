import { requestFraming, responseFraming, type Framing } from '../../../src/protocol/http1/framing.ts';
import { parseRequestHead, parseResponseHead } from '../../../src/protocol/http1/head.ts';

export function framingText(framing: Framing): string {
  return framing.kind === 'length' ? `length ${String(framing.length)}` : framing.kind;
}

/** What we say about a request's bytes, in the words of the vector table. */
export function requestVerdict(bytes: Uint8Array): string {
  const parsed = parseRequestHead(bytes);
  if (parsed.kind === 'need-more') return 'need-more';
  if (parsed.kind === 'invalid') return String(parsed.status);
  const framing = requestFraming(parsed.head);
  if (!framing.ok) return 'framing';
  return `${parsed.head.method} ${parsed.head.target} ${framingText(framing.value)}`;
}

export function responseVerdict(bytes: Uint8Array, method = 'GET'): string {
  const parsed = parseResponseHead(bytes);
  if (parsed.kind !== 'head') return parsed.kind;
  const framing = responseFraming(parsed.head, method);
  return framing.ok ? `${String(parsed.head.status)} ${framingText(framing.value)}` : 'framing';
}
