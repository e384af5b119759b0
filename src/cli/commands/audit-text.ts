import { printable } from '../../kernel/render-error.ts';
import type { JsonValue } from '../../kernel/canonical-json.ts';
import type { AuditRecord } from '../../schema/audit.ts';

/** Records as people and spreadsheets read them. What an agent wrote stays within its own field. */
const COLUMNS = [
  'event',
  'decision',
  'status',
  'method',
  'host',
  'port',
  'path',
  'reason',
  'route',
  'what',
  'id',
] as const;

export const CSV_HEADER = ['seq', 'at', 'kind', ...COLUMNS, 'hash'].join(',');

export function recordAsText({ at, kind, seq, body }: AuditRecord): string {
  const place =
    body['host'] === undefined ? [] : [`${show(body['method'])} ${show(body['host'])}${show(body['path'])}`];
  const words = ['event', 'decision', 'status', 'what', 'id', 'reason']
    .map((name) => show(body[name]))
    .filter((word) => word !== '');
  return printable(
    `${String(seq).padStart(6)}  ${at}  ${kind.padEnd(8)}  ${[...words, ...place].join('  ')}`.trimEnd(),
  );
}

export function recordAsCsv({ at, kind, seq, hash, body }: AuditRecord): string {
  return [seq, at, kind, ...COLUMNS.map((name) => body[name]), hash].map(cell).join(',');
}

function show(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A cell that begins like a formula would be one to a spreadsheet. */
function cell(value: JsonValue | undefined): string {
  const text = printable(show(value));
  const harmless = typeof value === 'string' && /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
