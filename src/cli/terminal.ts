import type { BottleError } from '../kernel/errors.ts';

/**
 * The one owner of what people and scripts read. stdout carries results only; everything said on the way goes to
 * stderr, so that `--json | jq` always works.
 */
export interface Terminal {
  /** A result line on stdout. */
  readonly result: (text: string) => void;
  /** Something said on the way, on stderr. */
  readonly say: (text: string) => void;
  readonly colour: boolean;
  readonly columns: number;
  /** Lines one after the other: nothing is drawn, moved or coloured, for a screen reader or a terminal that can't. */
  readonly plain: boolean;
  /** The same of stdout, for results that are lines for people; null columns where it is no terminal. */
  readonly output: { readonly colour: boolean; readonly columns: () => number | null };
}

export interface TerminalStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly plain: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export function openTerminal(streams: TerminalStreams): Terminal {
  const { environment } = streams;
  const plain = streams.plain || (environment['BOT_BOTTLE_PLAIN'] ?? '') !== '' || environment['TERM'] === 'dumb';
  return {
    plain,
    result: (text) => {
      streams.stdout.write(`${text}\n`);
    },
    say: (text) => {
      streams.stderr.write(`${text}\n`);
    },
    colour: !plain && wantsColour(environment, streams.stderr),
    columns: streams.stderr.columns > 0 ? streams.stderr.columns : 80,
    output: {
      colour: !plain && wantsColour(environment, streams.stdout),
      columns: () => (streams.stdout.isTTY ? streams.stdout.columns : null),
    },
  };
}

/** https://no-color.org and its counterpart; else colour only on a terminal. */
function wantsColour(environment: TerminalStreams['environment'], stream: NodeJS.WriteStream): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false;
  if ((environment['FORCE_COLOR'] ?? '') !== '') return environment['FORCE_COLOR'] !== '0';
  return stream.isTTY;
}

export function errorAsJson(failure: BottleError): string {
  return JSON.stringify({
    error: {
      code: failure.code,
      message: failure.message,
      ...(failure.key === undefined ? {} : { key: failure.key }),
      ...(failure.position === undefined ? {} : { position: failure.position }),
      ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    },
  });
}

/** Columns padded to their widest cell, the last one left free; for lists that people scan. */
export function table(rows: readonly (readonly string[])[], indent = ' '): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      (
        indent +
        row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('   ')
      ).trimEnd(),
    )
    .join('\n');
}
