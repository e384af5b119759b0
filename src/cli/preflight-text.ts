import { printable } from '../kernel/render-error.ts';
import type { Preflight, PreflightWarning } from '../launch/preflight.ts';
import type { ExplainedLine } from '../manifest/index.ts';
import { paint } from './paint.ts';

/** The preflight as it stands on a terminal: YAML first, what is added to it, then what to think about. */
export function preflightText({ title, manifest, added, warnings }: Preflight, colour: boolean): string {
  const width = Math.min(60, Math.max(0, ...[...manifest, ...added].map(({ text }) => text.length)));
  const line = ({ text, source }: ExplainedLine): string =>
    printable(source === null ? text : `${text.padEnd(width)}  # ${source}`);
  const sections = [
    [paint(printable(title), 'bold', colour)],
    manifest.map((one) => `  ${line(one)}`),
    added.map((one) => `  ${line(one)}`),
    warnings.flatMap((warning) => warningLines(warning, colour)),
  ];
  return sections
    .filter((section) => section.length > 0)
    .map((section) => section.join('\n'))
    .join('\n\n');
}

function warningLines({ level, text, fix }: PreflightWarning, colour: boolean): readonly string[] {
  const mark = level === 'danger' ? '!!' : '! ';
  const [first = '', ...rest] = text.split('\n').map(printable);
  const shown = `  ${mark} ${first}`;
  return [
    level === 'danger' ? paint(shown, 'red', colour) : shown,
    ...rest.map((line) => `     ${line}`),
    ...fix.map((line) => `     ${line}`),
  ];
}
