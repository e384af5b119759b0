import fs from 'node:fs';
import path from 'node:path';
import { EXIT, BottleError } from '../../kernel/errors.ts';
import { printable } from '../../kernel/render-error.ts';
import { AUDIT_PUBLIC_FILE, readPublicKey } from '../../platform/audit-keys.ts';
import { AuditRecordSchema, type AuditRecord } from '../../schema/audit.ts';
import { decodeJson } from '../../schema/json.ts';
import { auditRoot, listAudits } from '../../state/audit-places.ts';
import { auditParts, checkAudit, linesOf, type AuditVerdict } from '../../state/audit-verdict.ts';
import { History, historyFile } from '../../state/history.ts';
import type { CliContext } from '../context.ts';
import { AuditExportOptionsSchema, AuditShowOptionsSchema, AuditVerifyOptionsSchema } from '../options.ts';
import { recordAsCsv, recordAsText, CSV_HEADER } from './audit-text.ts';

/** An open record alone proves nothing about what came after its last line (SECURITY S35). */
const EXIT_OPEN = 4;

/** Checks records from their first line to their seal: of a bottle, of a file that somebody sent, or all there are. */
export function auditVerify(context: CliContext, place: string | null, raw: Record<string, unknown>): number {
  const options = AuditVerifyOptionsSchema.parse(raw);
  const given = options.key === undefined ? null : readPublicKey(path.resolve(context.cwd, options.key));
  if (options.key !== undefined && given === null) {
    throw new BottleError('audit_invalid', { message: `there is no ${options.key}`, key: '--key' });
  }
  const rows = placesOf(context, place).map((each) => verifyOne(context, each, given));
  if (options.json) context.terminal.result(JSON.stringify(rows));
  else for (const row of rows) context.terminal.result(rowText(row));
  if (!options.json && rows.length === 0) context.terminal.say('no bottle has left a record yet');
  if (rows.some(({ verdict }) => verdict === 'tampered')) return EXIT.failure;
  const vouched = rows.every(({ verdict, key }) => verdict === 'sealed' && key !== 'unknown');
  return vouched || options.allowOpen ? 0 : EXIT_OPEN;
}

interface Row {
  readonly place: string;
  readonly verdict: AuditVerdict['kind'];
  readonly slug: string | null;
  readonly startedAt: string | null;
  readonly records: number | null;
  readonly signedHead: number | null;
  readonly tornBytes: number;
  /** Whose key signed it: this host's, the one of `--key`, or one that nobody here vouches for. */
  readonly key: 'host' | 'given' | 'unknown' | null;
  readonly why: string | null;
}

function verifyOne(context: CliContext, place: string, given: string | null): Row {
  const { verdict } = checkAudit(place, (name) => {
    if (!fs.existsSync(historyFile(context.paths.home))) return null;
    using history = History.open(context.paths.home);
    return history.knownHead(name);
  });
  if (verdict.kind === 'tampered')
    return tampered(place, `${path.basename(verdict.file)}:${String(verdict.line)}: ${verdict.why}`);
  const host = readPublicKey(path.join(context.paths.home, AUDIT_PUBLIC_FILE));
  const key = verdict.publicKey === given ? 'given' : verdict.publicKey === host ? 'host' : 'unknown';
  const ours = path.resolve(place).startsWith(auditRoot(context.paths.home) + path.sep);
  if (key !== 'given' && (given !== null || (ours && key === 'unknown'))) {
    return tampered(place, 'it is signed with another key');
  }
  return {
    place,
    verdict: verdict.kind,
    slug: verdict.slug,
    startedAt: verdict.startedAt,
    records: verdict.head.records,
    signedHead: verdict.kind === 'open' ? verdict.signedHead : null,
    tornBytes: verdict.kind === 'open' ? verdict.tornBytes : 0,
    key,
    why: null,
  };
}

function tampered(place: string, why: string): Row {
  const nothing = { slug: null, startedAt: null, records: null, signedHead: null, tornBytes: 0, key: null };
  return { place, verdict: 'tampered', ...nothing, why };
}

function rowText({ place, verdict, slug, records, signedHead, tornBytes, key, why }: Row): string {
  if (verdict === 'tampered') return printable(`tampered  ${place}  ${why ?? ''}`);
  const signed = signedHead === null ? 'no signed head' : `last signed head at ${String(signedHead)}`;
  const torn = tornBytes === 0 ? '' : `, a last line of ${String(tornBytes)} bytes cut short`;
  const state = verdict === 'sealed' ? 'sealed' : `open: ${String(records)} records, ${signed}${torn}`;
  const count = verdict === 'sealed' ? `  ${String(records)} records` : '';
  const whose = key === 'unknown' ? '  (by a key that nobody here vouches for: --key FILE)' : '';
  return printable(`${state}  ${slug ?? ''}${count}${whose}`);
}

/** What a bottle did, as lines for people or as they are. */
export function auditShow(context: CliContext, place: string, raw: Record<string, unknown>): number {
  const { json } = AuditShowOptionsSchema.parse(raw);
  for (const each of placesOf(context, place))
    for (const { line, record } of recordsOf(each)) context.terminal.result(json ? line : recordAsText(record));
  return 0;
}

/** All of a record for other programs; what does not hold is not exported. */
export function auditExport(context: CliContext, place: string | null, raw: Record<string, unknown>): number {
  const { format } = AuditExportOptionsSchema.parse(raw);
  const places = placesOf(context, place);
  const bad = places.map((each) => verifyOne(context, each, null)).find(({ verdict }) => verdict === 'tampered');
  if (bad !== undefined) {
    throw new BottleError('audit_invalid', {
      message: `${bad.place} was tampered with: ${bad.why ?? ''}`,
      hint: `bot-bottle audit show ${bad.place} --json`,
    });
  }
  if (format === 'csv') context.terminal.result(CSV_HEADER);
  for (const each of places)
    for (const { line, record } of recordsOf(each))
      context.terminal.result(format === 'csv' ? recordAsCsv(record) : line);
  return 0;
}

/** A path, or the records of the bottle that the beginning of a slug stands for; all when nothing is said. */
function placesOf(context: CliContext, place: string | null): readonly string[] {
  if (place === null) return listAudits(context.paths, null);
  const asPath = path.resolve(context.cwd, place);
  if (fs.existsSync(asPath)) return [asPath];
  const found = listAudits(context.paths, null).filter((each) => path.basename(each).startsWith(place));
  if (found.length > 0) return found;
  throw new BottleError('audit_invalid', {
    message: `"${place}" is no record, and no bottle of that name has left one`,
    hint: 'bot-bottle audit verify',
  });
}

function* recordsOf(place: string): Generator<{ readonly line: string; readonly record: AuditRecord }> {
  for (const file of auditParts(place)) {
    for (const { text, ended } of linesOf(file)) {
      const record = decodeJson(AuditRecordSchema, text);
      if (ended && record.ok) yield { line: text, record: record.value };
    }
  }
}
