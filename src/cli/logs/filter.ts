import { BottleError } from '../../kernel/errors.ts';
import { matchesHost, normaliseHost, parseHostSpec, type HostPattern } from '../../policy/host.ts';
import type { LogsOptions } from '../options.ts';
import type { Entry, ShownRecord } from './entry.ts';

/** Which entries are shown; whatever asks about requests leaves out what services say. */
export function entryFilter(options: LogsOptions, nowMs: number): (entry: Entry) => boolean {
  const since = options.since === undefined ? -Infinity : parseSince(options.since, nowMs);
  const conditions = conditionsOf(options);
  return (entry) => {
    if (entry.at < since) return false;
    return (
      conditions.length === 0 || (entry.kind === 'request' && conditions.every((condition) => condition(entry.record)))
    );
  };
}

type Condition = (record: ShownRecord) => boolean;

/** Within one option any of what is named; between options all of them. */
function conditionsOf({ decision, host, method, reason, status }: LogsOptions): readonly Condition[] {
  const conditions: Condition[] = [];
  const oneOf = (wanted: readonly string[], field: 'decision' | 'reason'): void => {
    if (wanted.length > 0) conditions.push((record) => wanted.includes(record[field]));
  };
  oneOf(decision, 'decision');
  oneOf(reason, 'reason');
  if (method.length > 0) {
    const wanted = method.map((name) => name.toUpperCase());
    conditions.push((record) => wanted.includes(record.method.toUpperCase()));
  }
  if (host.length > 0) {
    const patterns = host.map(hostPattern);
    conditions.push((record) => {
      const asked = normaliseHost(record.host);
      return asked.ok && patterns.some((pattern) => matchesHost(pattern, asked.value));
    });
  }
  if (status.length > 0) {
    const patterns = status.map(statusPattern);
    conditions.push((record) => patterns.some((pattern) => pattern.test(String(record.status))));
  }
  return conditions;
}

function hostPattern(text: string): HostPattern {
  const pattern = parseHostSpec(text.replace(/^\./, '*.'));
  if (pattern.ok) return pattern.value;
  throw new BottleError('usage', { message: `--host "${text}": ${pattern.error}` });
}

function statusPattern(text: string): RegExp {
  if (/^(?:[1-5](?:xx|\d\d)|0)$/i.test(text)) return new RegExp(`^${text.replace(/x/gi, '\\d')}$`);
  throw new BottleError('usage', { message: `--status "${text}" is no status`, hint: '--status 403, --status 5xx' });
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An age, or a point in time as the records write it; a day or a time without a zone is the operator's own. */
function parseSince(text: string, nowMs: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (count !== undefined && factor !== undefined) return nowMs - Number(count) * factor;
  const time = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text.includes(':') ? text.replace(' ', 'T') : `${text}T00:00`)
    : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new BottleError('usage', {
    message: `--since "${text}" is no age and no time`,
    hint: '--since 10m, --since 2026-11-20T22:35Z',
  });
}
