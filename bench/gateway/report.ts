import { CONTENDERS, type ContenderId, type Measure } from './measures.ts';

/** Median of the rounds, or why there is none. */
export type Cell = { readonly value: number } | { readonly failed: string } | null;

export interface Row {
  readonly measure: Measure;
  readonly cells: ReadonlyMap<ContenderId, Cell>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function valueOf(row: Row, id: ContenderId): number | null {
  const cell = row.cells.get(id) ?? null;
  return cell !== null && 'value' in cell ? cell.value : null;
}

export interface Verdict {
  readonly ratio: number;
  readonly reached: 'aim' | 'must' | 'missed';
}

/** Ratio of ours to the peer, held against the bar. */
export function judge(row: Row, rows: readonly Row[] = [row]): Verdict | null {
  const { bar, better } = row.measure;
  if (bar === undefined) return null;
  const ours = valueOf(row, bar.ours);
  const of = bar.peerMeasure === undefined ? row : rows.find(({ measure }) => measure.id === bar.peerMeasure);
  const peer = of === undefined ? null : valueOf(of, bar.peer);
  if (ours === null || peer === null) return null;
  const ratio = ours / peer;
  const reaches = (limit: number): boolean => (better === 'more' ? ratio >= limit : ratio <= limit);
  return { ratio, reached: reaches(bar.aim) ? 'aim' : reaches(bar.must) ? 'must' : 'missed' };
}

const shown = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(0) : value.toPrecision(2);

function cellText(cell: Cell): string {
  if (cell === null) return '';
  return 'value' in cell ? shown(cell.value) : 'failed';
}

export function asTable(rows: readonly Row[]): string {
  const header = ['', ...CONTENDERS, 'ours / peer', 'bar: must · aim'];
  const body = rows.map((row) => {
    const verdict = judge(row, rows);
    const { bar } = row.measure;
    return [
      `${row.measure.title} (${row.measure.unit})`,
      ...CONTENDERS.map((id) => cellText(row.cells.get(id) ?? null)),
      verdict === null ? '' : `${verdict.ratio.toFixed(2)} ${verdict.reached}`,
      bar === undefined
        ? ''
        : `${String(bar.must)} · ${String(bar.aim)} × ${bar.peer}${bar.peerMeasure === undefined ? '' : `, ${bar.peerMeasure}`}`,
    ];
  });
  const all = [header, ...body];
  const widths = header.map((_, column) => Math.max(...all.map((line) => (line[column] ?? '').length)));
  return all
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const COLOURS: Readonly<Record<ContenderId, string>> = {
  direct: '#8a8f98',
  tunnel: '#b9bec7',
  plain: '#7fb3d5',
  scanned: '#1f77b4',
  mitm: '#e6a15c',
  'mitm-scan': '#c46b1a',
};

const BAR = 12;
const LABEL = 260;
const WIDTH = 860;

/** Bars by measure, each scaled to the largest of its own measure; the figures stand beside them. */
export function asChart(rows: readonly Row[]): string {
  const parts: string[] = [];
  let y = 46;
  for (const row of rows) {
    const values = CONTENDERS.map((id) => [id, valueOf(row, id)] as const).filter(
      (pair): pair is readonly [ContenderId, number] => pair[1] !== null,
    );
    const largest = Math.max(...values.map(([, value]) => value));
    const { title, unit, better } = row.measure;
    parts.push(
      `<text x="8" y="${String(y + BAR)}" class="title">${escape(title)}</text>`,
      `<text x="8" y="${String(y + 2 * BAR + 3)}" class="unit">${escape(unit)}, ${better} is better</text>`,
    );
    for (const [id, value] of values) {
      const width = Math.max(1, (value / largest) * (WIDTH - LABEL - 90));
      parts.push(
        `<rect x="${String(LABEL)}" y="${String(y)}" width="${width.toFixed(1)}" height="${String(BAR - 2)}" fill="${COLOURS[id]}"/>`,
        `<text x="${(LABEL + width + 6).toFixed(1)}" y="${String(y + BAR - 3)}" class="value">${shown(value)}</text>`,
      );
      y += BAR;
    }
    y += Math.max(0, 3 - values.length) * BAR + 14;
  }
  const legend = CONTENDERS.map(
    (id, at) =>
      `<rect x="${String(8 + at * 130)}" y="14" width="12" height="12" fill="${COLOURS[id]}"/><text x="${String(24 + at * 130)}" y="24" class="value">${NAMES[id]}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(y)}" role="img" aria-label="The gateway and its peers, measured in one run">`,
    '<style>text{font-family:system-ui,sans-serif;fill:#222}.title{font-size:12px;font-weight:600}.unit,.value{font-size:10px;fill:#555}</style>',
    `<rect width="${String(WIDTH)}" height="${String(y)}" fill="#fff"/>`,
    ...legend,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

export const NAMES: Readonly<Record<ContenderId, string>> = {
  direct: 'direct TLS',
  tunnel: 'blind tunnel',
  plain: 'ours, scan off',
  scanned: 'ours, scan on',
  mitm: 'mitmproxy',
  'mitm-scan': 'mitmproxy + regexes',
};

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
