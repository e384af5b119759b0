import { canonicalJson } from '../kernel/canonical-json.ts';
import { CHAIN_START, type AuditBody, type AuditKind, type AuditRecord } from '../schema/audit.ts';

/** SHA-256 of a text's UTF-8 bytes, in lower-case hex. */
export type Digest = (text: string) => string;

/** Where a chain stands: how many records it has, and the hash of the last. */
export interface ChainHead {
  readonly records: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { records: 0, hash: CHAIN_START };

export interface ChainEntry {
  readonly at: string;
  readonly kind: AuditKind;
  readonly body: AuditBody;
}

/** The next line of a chain, without its end, and where the chain stands with it. */
export function appendToChain(
  head: ChainHead,
  { at, kind, body }: ChainEntry,
  digest: Digest,
): { readonly line: string; readonly head: ChainHead } {
  const unhashed = { at, body, kind, prev: head.hash, seq: head.records };
  const hash = digest(canonicalJson(unhashed));
  return { line: canonicalJson({ ...unhashed, hash }), head: { records: head.records + 1, hash } };
}

/** What is recomputed of a record when it is checked. */
export function hashOfRecord({ at, body, kind, prev, seq }: AuditRecord, digest: Digest): string {
  return digest(canonicalJson({ at, body, kind, prev, seq }));
}

/** What a signature is made over: which of the two it is, and the whole record before it. */
export function signedText(kind: 'head' | 'sealed', { records, hash }: ChainHead): string {
  return `bot-bottle audit ${kind} ${String(records)} ${hash}`;
}
