import { canonicalJson } from '../kernel/canonical-json.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import {
  AuditRecordSchema,
  ContinuedSchema,
  HeadSchema,
  OpenedSchema,
  SealedSchema,
  type AuditKind,
  type AuditRecord,
  type Opened,
} from '../schema/audit.ts';
import { decodeJson } from '../schema/json.ts';
import { EMPTY_CHAIN, hashOfRecord, signedText, type ChainHead, type Digest } from './audit-chain.ts';

/** What checking a record needs of the world. */
export interface CheckParts {
  readonly digest: Digest;
  /** Ed25519: was this text signed by the owner of this key? */
  readonly verify: (publicKey: string, text: string, signature: string) => boolean;
}

export interface CheckState {
  readonly head: ChainHead;
  readonly opened: Opened | null;
  /** Sequence number of the last signed head; null before the first. */
  readonly signedHead: number | null;
  readonly sealed: { readonly how: 'ended' | 'recovered'; readonly tornBytes: number } | null;
}

export const UNCHECKED: CheckState = { head: EMPTY_CHAIN, opened: null, signedHead: null, sealed: null };

export interface CheckedLine {
  readonly kind: AuditKind;
  readonly state: CheckState;
}

/** One more line, without its end; the failure says in words what does not fit. */
export function checkLine(state: CheckState, line: string, parts: CheckParts): Result<CheckedLine, string> {
  const decoded = decodeJson(AuditRecordSchema, line);
  if (!decoded.ok) return err('the line is not a record');
  const record = decoded.value;
  const fault = linkFault(state, line, record, parts.digest);
  if (fault !== null) return err(fault);
  const head: ChainHead = { records: record.seq + 1, hash: record.hash };
  const next = advance({ ...state, head }, state.head, record, parts);
  return next.ok ? ok({ kind: record.kind, state: next.value }) : next;
}

/** How a record can fail to follow the one before it. */
function linkFault(
  { head, sealed, opened }: CheckState,
  line: string,
  record: AuditRecord,
  digest: Digest,
): string | null {
  if (sealed !== null) return 'something follows the seal';
  if (opened === null && record.kind !== 'opened') return 'the first record does not open it';
  if (opened !== null && record.kind === 'opened') return 'it is opened a second time';
  if (record.seq !== head.records) return `it is number ${String(record.seq)}, not ${String(head.records)}`;
  if (record.prev !== head.hash) return 'it does not follow the record before it';
  if (hashOfRecord(record, digest) !== record.hash) return 'its hash is not that of its content';
  if (canonicalJson(record) !== line) return 'it is not written in its one form';
  return null;
}

function advance(
  state: CheckState,
  before: ChainHead,
  record: AuditRecord,
  { digest, verify }: CheckParts,
): Result<CheckState, string> {
  const { opened } = state;
  switch (record.kind) {
    case 'opened': {
      const body = OpenedSchema.safeParse(record.body);
      if (!body.success) return err('the record that opens it says not what it must');
      if (digest(body.data.publicKey) !== body.data.keyId) return err('the key is not the one that its id names');
      return ok({ ...state, opened: body.data });
    }
    case 'head': {
      const body = HeadSchema.safeParse(record.body);
      if (!body.success || opened === null) return err('a signed head says not what it must');
      if (!verify(opened.publicKey, signedText('head', before), body.data.signature)) {
        return err('the signature of a head does not hold');
      }
      return ok({ ...state, signedHead: record.seq });
    }
    case 'sealed': {
      const body = SealedSchema.safeParse(record.body);
      if (!body.success || opened === null) return err('the seal says not what it must');
      if (body.data.records !== before.records) return err('the seal counts other records than there are');
      if (!verify(opened.publicKey, signedText('sealed', before), body.data.signature)) {
        return err('the signature of the seal does not hold');
      }
      return ok({ ...state, sealed: { how: body.data.how, tornBytes: body.data.tornBytes } });
    }
    case 'continued':
      return ContinuedSchema.safeParse(record.body).success ? ok(state) : err('a part begins without its number');
    case 'decision':
    case 'operator':
    case 'event':
    case 'unreadable':
      return ok(state);
  }
}
