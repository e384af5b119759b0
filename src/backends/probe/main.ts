/**
 * The first program inside the bottle: node and this one file, mounted by us, with an empty environment. It tries the
 * walls from inside, reports, waits for the word to go, and becomes the agent: what was proved is what then runs.
 */
import fs from 'node:fs';
import { inspectWalls } from './inspect.ts';
import { decodeFields, decodeLines, parseCommand, parseQuestions, PROBE_SAYS, type Command } from './frames.ts';
import { findProgram } from './find-program.ts';

const REPORT_FD = 3;
const ORDERS_FD = 4;
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_RUNNABLE = 126;

/** How the launcher and this program talk: over pipes of their own, or by lines over the agent's own streams. */
interface Channel {
  /** Null when the launcher has gone or changed its mind. */
  read(): readonly string[] | null;
  report(json: string): void;
  /** The last word: what comes after it is the agent's. */
  begin(): void;
}

const overPipes: Channel = {
  read: () => {
    const length = readExactly(4);
    const body = length === null ? null : readExactly(length.readUInt32LE());
    return body === null ? null : decodeFields(body);
  },
  report: (json) => {
    fs.writeSync(REPORT_FD, `${json}\n`);
  },
  begin: () => undefined,
};

function readExactly(length: number): Buffer | null {
  const bytes = Buffer.alloc(length);
  for (let filled = 0; filled < length;) {
    const count = fs.readSync(ORDERS_FD, bytes, filled, length - filled, null);
    if (count === 0) return null;
    filled += count;
  }
  return bytes;
}

/** The launcher sends nothing of the agent's before it has heard the last word, so no read takes too much. */
const byLines: Channel = {
  read: () => {
    let text = '';
    const block = Buffer.alloc(65_536);
    while (!/(?:^|\n)[.]\n$/.test(text)) {
      const count = fs.readSync(0, block, 0, block.length, null);
      if (count === 0) return null;
      text += block.toString('latin1', 0, count);
    }
    return decodeLines(text.split('\n').slice(0, -2));
  },
  report: (json) => {
    fs.writeSync(1, `${PROBE_SAYS} report ${json}\n`);
  },
  begin: () => {
    fs.writeSync(1, `${PROBE_SAYS} go\n`);
  },
};

function become(command: Command): void {
  const [name = ''] = command.argv;
  try {
    process.chdir(command.cwd);
  } catch (failure) {
    stopWith(`${command.cwd}: ${messageOf(failure)}`, EXIT_NOT_RUNNABLE);
  }
  const file = findProgram(name, command.env['PATH'] ?? '');
  if (file === null) stopWith(`${name}: no such program in the bottle`, EXIT_NOT_FOUND);
  restoreSignals();
  const [program, argv] = command.ownTerminal ? leaderOf(file, command.argv) : [file, command.argv];
  try {
    process.execve?.(program, [...argv], { ...command.env });
  } catch (failure) {
    stopWith(`${name}: ${messageOf(failure)}`, EXIT_NOT_RUNNABLE);
  }
}

const SETSID = '/usr/bin/setsid';

/**
 * A session can only be begun by the process that is to lead it, and node can't: util-linux's program does, takes the
 * terminal on its standard input for the session's, and becomes the agent.
 */
function leaderOf(file: string, [, ...rest]: readonly string[]): readonly [string, readonly string[]] {
  if (!fs.existsSync(SETSID)) stopWith(`${SETSID} (util-linux) is needed for a terminal`, EXIT_NOT_RUNNABLE);
  return [SETSID, ['setsid', '--ctty', '--', file, ...rest]];
}

/** Node ignores these, and what is ignored stays so over an exec; a handler put on and taken off restores the default. */
function restoreSignals(): void {
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) {
    process.on(signal, () => undefined);
    process.removeAllListeners(signal);
  }
}

function stopWith(message: string, code: number): never {
  fs.writeSync(2, `bot-bottle: ${message}\n`);
  process.exit(code);
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}

const [, , mode] = process.argv;
const channel = mode === undefined ? overPipes : byLines;
// A further command comes into a bottle that was proved, and is looked at from outside alone.
if (mode !== 'entry') {
  const questions = channel.read();
  if (questions === null) process.exit(EXIT_NOT_RUNNABLE);
  channel.report(JSON.stringify(await inspectWalls(parseQuestions(questions))));
}
const command = channel.read();
if (command === null) process.exit(EXIT_NOT_RUNNABLE);
channel.begin();
become(parseCommand(command));
