import { printable } from '../../kernel/render-error.ts';
import { paint, type Colour } from '../paint.ts';
import type { Entry, ShownRecord } from './entry.ts';

/** How lines for people are laid out. */
export interface LineLayout {
  /** Of the terminal; null where lines may be as long as they are. */
  readonly columns: number | null;
  readonly colour: boolean;
  /** With the bottle in front: several are shown. */
  readonly slugs: boolean;
  /** With where the time of each request went. */
  readonly timings: boolean;
}

/** Below this the fraction of the second gives way to the path. */
const NARROW_COLUMNS = 80;
/** Below this there is no room for how long it took. */
const SLIM_COLUMNS = 60;
const SHORTEST_TARGET = 8;

/** What is of fixed width stands first, so that lines are aligned without knowing the ones to come. */
export function entryLine(entry: Entry, layout: LineLayout): string {
  const narrow = layout.columns !== null && layout.columns < NARROW_COLUMNS;
  const time = (entry.kind === 'request' ? entry.record.time : entry.time).slice(11, narrow ? 19 : 23);
  const slug = layout.slugs ? [{ text: plain(entry.slug), colour: 'cyan' as const }] : [];
  const parts: readonly Part[] =
    entry.kind === 'request'
      ? [{ text: plain(time), colour: 'dim' }, ...slug, ...requestParts(entry.record, layout, narrow)]
      : [
          { text: plain(time), colour: 'dim' },
          ...slug,
          { text: `${entry.service}: ${printable(entry.text)}`, colour: 'dim' },
        ];
  return fitted(parts, layout.columns)
    .map(({ text, colour }) => (colour === undefined ? text : paint(text, colour, layout.colour)))
    .join('  ')
    .trimEnd();
}

interface Part {
  readonly text: string;
  readonly colour?: Colour | undefined;
  /** Gives way, cut to no less than this, when the line is too long. */
  readonly gives?: number;
}

function requestParts(record: ShownRecord, { timings, columns }: LineLayout, narrow: boolean): readonly Part[] {
  const { decision, status, method, timings: took } = record;
  const colour = mood(record);
  const why = remarks(record);
  return [
    { text: plain(decision).padEnd(6), colour },
    { text: status === 0 ? '  -' : String(status).padStart(3), colour },
    ...(columns !== null && columns < SLIM_COLUMNS ? [] : [{ text: duration(took.endedMs, narrow) }]),
    { text: plain(method).padEnd(narrow ? 4 : 7) },
    { text: target(record), gives: SHORTEST_TARGET },
    ...(why === '' ? [] : [{ text: why, colour }]),
    ...(timings ? [{ text: phases(took), colour: 'dim' as const }] : []),
  ];
}

/** Red for what was refused, yellow for what did not go well, and nothing for the everyday. */
function mood({ decision, reason, status, ended }: ShownRecord): Colour | undefined {
  if (decision === 'deny') return 'red';
  return decision === 'allow' && reason === 'allowed' && status < 500 && ended === 'complete' ? undefined : 'yellow';
}

function target({ host, port, path }: ShownRecord): string {
  const bare = plain(host);
  return `${port === 443 || port === 0 ? bare : `${bare}:${String(port)}`}${plain(path)}`;
}

function remarks({ reason, ended, findings }: ShownRecord): string {
  const found = findings.map(({ rule, name, place }) =>
    [rule === reason ? '' : rule, name === rule ? '' : name, `in ${place}`].filter(Boolean).join(' '),
  );
  return [...(reason === 'allowed' ? [] : [reason]), ...(ended === 'complete' ? [] : [ended]), ...new Set(found)]
    .map(plain)
    .join('  ');
}

function duration(milliseconds: number, narrow: boolean): string {
  if (milliseconds >= 600_000) return `${String(Math.round(milliseconds / 60_000))} min`.padStart(narrow ? 7 : 8);
  if (milliseconds >= 10_000) return `${(milliseconds / 1_000).toFixed(1)} s`.padStart(narrow ? 7 : 8);
  return `${String(Math.round(milliseconds))} ms`.padStart(narrow ? 7 : 8);
}

function phases({ decidedMs, connectedMs, firstByteMs, endedMs }: ShownRecord['timings']): string {
  const steps: readonly (readonly [string, number | null, number | null])[] = [
    ['decide', 0, decidedMs],
    ['connect', decidedMs, connectedMs],
    ['wait', connectedMs, firstByteMs],
    ['transfer', firstByteMs, endedMs],
  ];
  return steps
    .flatMap(([name, from, to]) => (from === null || to === null ? [] : [`${name} ${(to - from).toFixed(1)}`]))
    .join(' ');
}

/** Of requests nothing but ASCII is shown as it is: what an agent wrote neither steers a terminal nor shifts a column. */
function plain(text: string): string {
  return printable(text).replace(/[^\u0020-\u007e]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** What gives way is cut in its middle, for its two ends say most. */
function fitted(parts: readonly Part[], columns: number | null): readonly Part[] {
  if (columns === null) return parts;
  const width = parts.reduce((sum, { text }) => sum + text.length + 2, -2);
  return parts.map((part) => {
    if (part.gives === undefined || width <= columns) return part;
    return { ...part, text: shortened(part.text, Math.max(part.text.length - (width - columns), part.gives)) };
  });
}

function shortened(text: string, length: number): string {
  if (text.length <= length) return text;
  const head = Math.ceil((length - 1) * 0.6);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}
