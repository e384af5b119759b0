import { BugError } from '../../kernel/errors.ts';

/**
 * What the launcher tells the probe, over a pipe: frames of a 32-bit length and strings that end in a zero byte. Program
 * arguments and environment values can hold every other byte, so nothing needs quoting, and the probe needs no parser.
 */
export function encodeFrame(fields: readonly string[]): Buffer {
  const body = encodeFields(fields);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

function encodeFields(fields: readonly string[]): Buffer {
  if (fields.some((field) => field.includes('\0'))) throw new BugError('a field holds a zero byte');
  return Buffer.from(fields.map((field) => `${field}\0`).join(''), 'utf8');
}

/** The longest line that a terminal passes on whole is 4,095 bytes (termios, canonical mode). */
const LINE_CHARACTERS = 3_000;
export const END_OF_LINES = '.';

/**
 * The same frame for where the launcher has nothing but the agent's own streams, of which one may be a terminal: lines of
 * base64, and a dot at the end.
 */
export function encodeLines(fields: readonly string[]): string {
  const text = encodeFields(fields).toString('base64');
  const lines = text.match(new RegExp(`.{1,${String(LINE_CHARACTERS)}}`, 'g')) ?? [];
  return [...lines, END_OF_LINES, ''].join('\n');
}

export function decodeLines(lines: readonly string[]): readonly string[] {
  return decodeFields(Buffer.from(lines.join(''), 'base64'));
}

/** How lines of the probe begin where others, a terminal's echo for one, share its output. */
export const PROBE_SAYS = 'bot-bottle-probe:';

export function decodeFields(body: Buffer): readonly string[] {
  return body.toString('utf8').split('\0').slice(0, -1);
}

/** The questions: where to knock, and what must not be seen. */
export interface Questions {
  readonly nonce: string;
  /** `tcp ADDRESS PORT`, `udp ADDRESS PORT`, `unix NAME`: judges of the launcher, none may be reached. */
  readonly judges: readonly string[];
  readonly absent: readonly string[];
}

export function questionFields({ nonce, judges, absent }: Questions): readonly string[] {
  return [nonce, String(judges.length), ...judges, ...absent];
}

export function parseQuestions([nonce = '', count = '0', ...rest]: readonly string[]): Questions {
  return { nonce, judges: rest.slice(0, Number(count)), absent: rest.slice(Number(count)) };
}

export interface Command {
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The agent is to lead a session whose terminal is on its standard streams. */
  readonly ownTerminal: boolean;
}

export function commandFields({ cwd, argv, env, ownTerminal }: Command): readonly string[] {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [cwd, ownTerminal ? 'terminal' : '', String(argv.length), ...argv, ...variables];
}

export function parseCommand([cwd = '/', terminal = '', count = '0', ...rest]: readonly string[]): Command {
  const variables = rest.slice(Number(count)).map((text): [string, string] => {
    const equals = text.indexOf('=');
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
  return {
    cwd,
    argv: rest.slice(0, Number(count)),
    env: Object.fromEntries(variables),
    ownTerminal: terminal === 'terminal',
  };
}
