import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import type { ChainHead } from '../protocol/audit-chain.ts';
import { checkLine, UNCHECKED, type CheckState } from '../protocol/audit-check.ts';
import { sha256, verifySignature } from '../platform/audit-keys.ts';
import { MiB } from '../kernel/limits.ts';

/** What a look at a record finds; nothing but its files is needed for it. */
export type AuditVerdict =
  | (Whole & { readonly kind: 'sealed'; readonly how: 'ended' | 'recovered' })
  | (Whole & {
      readonly kind: 'open';
      readonly signedHead: number | null;
      /** Bytes of a last line that a crash cut short; 0 when the last line is whole. */
      readonly tornBytes: number;
    })
  | { readonly kind: 'tampered'; readonly file: string; readonly line: number; readonly why: string };

interface Whole {
  readonly head: ChainHead;
  readonly slug: string;
  readonly startedAt: string;
  readonly keyId: string;
  readonly publicKey: string;
}

const CHUNK_BYTES = 1 * MiB;
const PART = /^\d{4}\.jsonl$/;

/** A record's files in order: those of a directory, or the one file that is named. */
export function auditParts(place: string): readonly string[] {
  const facts = fs.statSync(place, { throwIfNoEntry: false });
  if (facts === undefined) throw new BottleError('audit_invalid', { message: `there is no ${place}` });
  if (!facts.isDirectory()) return [place];
  const parts = fs.readdirSync(place).filter((name) => PART.test(name));
  if (parts.length === 0) throw new BottleError('audit_invalid', { message: `${place} holds no record` });
  return parts.sort().map((name) => path.join(place, name));
}

export interface CheckedAudit {
  readonly verdict: AuditVerdict;
  /** Where the chain stands; of a tampered one, before the fault. */
  readonly state: CheckState;
  /** Lines of the gateway that it holds. */
  readonly spooled: number;
}

/** How far the record of that name is known to have come. */
export type KnownHeadOf = (name: { readonly slug: string; readonly startedAt: string }) => ChainHead | null;

/** Reads the record from its first line to its last. A line without its end is torn only where nothing follows it. */
export function checkAudit(place: string, knownHeadOf: KnownHeadOf = () => null): CheckedAudit {
  let state = UNCHECKED;
  let spooled = 0;
  let known: ChainHead | null = null;
  let lastLine = 0;
  const parts = auditParts(place);
  for (const [index, file] of parts.entries()) {
    let number = 0;
    for (const { text, ended, bytes } of linesOf(file)) {
      number += 1;
      lastLine = number;
      const fault = (why: string): CheckedAudit => ({
        verdict: { kind: 'tampered', file, line: number, why },
        state,
        spooled,
      });
      if (!ended) {
        if (index < parts.length - 1) return fault('the line has no end, and more follows');
        if (state.sealed !== null) return fault('something follows the seal');
        return { verdict: verdictOf(state, { tornBytes: bytes, file, line: number, known }), state, spooled };
      }
      const next = checkLine(state, text, { digest: sha256, verify: verifySignature });
      if (!next.ok) return fault(next.error);
      state = next.value.state;
      if (next.value.kind === 'opened' && state.opened !== null) known = knownHeadOf(state.opened);
      if (state.head.records === known?.records && state.head.hash !== known.hash)
        return fault('this host knows another record in its place');
      if (next.value.kind === 'decision' || next.value.kind === 'unreadable') spooled += 1;
    }
  }
  const end = { tornBytes: 0, file: parts.at(-1) ?? place, line: lastLine, known };
  return { verdict: verdictOf(state, end), state, spooled };
}

interface EndOfRecord {
  readonly tornBytes: number;
  readonly file: string;
  readonly line: number;
  readonly known: ChainHead | null;
}

function verdictOf(state: CheckState, { tornBytes, file, line, known }: EndOfRecord): AuditVerdict {
  const { head, opened, sealed, signedHead } = state;
  if (opened === null) return { kind: 'tampered', file, line, why: 'it has no record that opens it' };
  if (known !== null && head.records < known.records) {
    const missing = String(known.records - head.records);
    return { kind: 'tampered', file, line, why: `${missing} records are missing that this host knows of` };
  }
  const { slug, startedAt, keyId, publicKey } = opened;
  const whole = { head, slug, startedAt, keyId, publicKey };
  return sealed === null
    ? { kind: 'open', ...whole, signedHead, tornBytes }
    : { kind: 'sealed', ...whole, how: sealed.how };
}

interface Line {
  readonly text: string;
  readonly bytes: number;
  readonly ended: boolean;
}

export function* linesOf(file: string): Generator<Line> {
  const descriptor = fs.openSync(file, 'r');
  try {
    let held: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = fs.readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      if (length === 0) break;
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end !== -1 && end < length; end = chunk.indexOf(0x0a, from)) {
        const line = Buffer.concat([...held, chunk.subarray(from, end)]);
        held = [];
        from = end + 1;
        // What is no UTF-8 is no record; decoded all the same, two different files could have one hash.
        yield { text: isUtf8(line) ? line.toString('utf8') : '', bytes: line.length + 1, ended: true };
      }
      held.push(chunk.subarray(from, length));
    }
    const rest = Buffer.concat(held);
    if (rest.length > 0) yield { text: rest.toString('utf8'), bytes: rest.length, ended: false };
  } finally {
    fs.closeSync(descriptor);
  }
}
