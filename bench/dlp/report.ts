import { median } from '../gateway/report.ts';

export { median };

export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Side by side, ours and others. */
  readonly values: readonly { readonly name: string; readonly value: number }[];
  /** What is held against the bar. */
  readonly ours: number;
  readonly bar?: { readonly must: number; readonly aim: number };
}

type Reached = 'aim' | 'must' | 'missed';

function reached({ bar, better, ours }: Figure): Reached | null {
  if (bar === undefined) return null;
  const reaches = (limit: number): boolean => (better === 'more' ? ours >= limit : ours <= limit);
  return reaches(bar.aim) ? 'aim' : reaches(bar.must) ? 'must' : 'missed';
}

export const isMissed = (figure: Figure): boolean => reached(figure) === 'missed';

const shown = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(0) : value.toPrecision(2);

export function asTable(figures: readonly Figure[]): string {
  return figures
    .map((figure) => {
      const { title, unit, values, bar } = figure;
      const cells = values.map(({ name, value }) => `${name} ${shown(value)}`).join('   ');
      const verdict = reached(figure);
      const held = bar === undefined ? '' : `   must ${String(bar.must)} · aim ${String(bar.aim)}: ${verdict ?? ''}`;
      return `${title} (${unit})\n    ${cells}${held}`;
    })
    .join('\n');
}

const COLOURS = ['#8a8f98', '#7fb3d5', '#1f77b4', '#e6a15c', '#c46b1a', '#b9bec7'];
const BAR = 12;
const LABEL = 300;
const NAME = 150;
const WIDTH = 900;

/** Bars by figure, each scaled to the largest of its own; a line marks what must be reached. */
export function asChart(figures: readonly Figure[]): string {
  const parts: string[] = [];
  let y = 12;
  for (const figure of figures) {
    const { title, unit, better, values, bar } = figure;
    const largest = Math.max(bar?.must ?? 0, ...values.map(({ value }) => value)) || 1;
    const scaled = (value: number): number => Math.max(1, (value / largest) * (WIDTH - LABEL - NAME - 70));
    parts.push(
      `<text x="8" y="${String(y + BAR)}" class="title">${escape(title)}</text>`,
      `<text x="8" y="${String(y + 2 * BAR + 3)}" class="unit">${escape(`${unit}, ${better} is better`)}</text>`,
    );
    const top = y;
    for (const [at, { name, value }] of values.entries()) {
      const x = LABEL + NAME;
      parts.push(
        `<text x="${String(x - 6)}" y="${String(y + BAR - 3)}" class="value" text-anchor="end">${escape(name)}</text>`,
        `<rect x="${String(x)}" y="${String(y)}" width="${scaled(value).toFixed(1)}" height="${String(BAR - 2)}" fill="${COLOURS[at % COLOURS.length] ?? ''}"/>`,
        `<text x="${(x + scaled(value) + 6).toFixed(1)}" y="${String(y + BAR - 3)}" class="value">${shown(value)}</text>`,
      );
      y += BAR;
    }
    if (bar !== undefined) {
      const x = (LABEL + NAME + scaled(bar.must)).toFixed(1);
      parts.push(`<line x1="${x}" x2="${x}" y1="${String(top - 2)}" y2="${String(y)}" class="bar"/>`);
    }
    y += Math.max(0, 3 - values.length) * BAR + 14;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(y)}" role="img" aria-label="What scanning costs, next to a byte loop and secretlint; red lines are what must be reached">`,
    '<style>text{font-family:system-ui,sans-serif;fill:#222}.title{font-size:12px;font-weight:600}.unit,.value{font-size:10px;fill:#555}.bar{stroke:#c0392b;stroke-width:1.5}</style>',
    `<rect width="${String(WIDTH)}" height="${String(y)}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
