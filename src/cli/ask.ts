import { createInterface, type Key } from 'node:readline';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';
import { printable } from '../kernel/render-error.ts';
import { HiddenLine } from '../protocol/hidden-line.ts';
import type { ControllingTerminal } from './attach.ts';

/** Where questions are asked; without one, standard input and error. */
export type Asked = Pick<ControllingTerminal, 'input' | 'output'> | null;

/** Esc is the start of many keys: it is itself when nothing has followed for this long. */
const ESCAPE_MS = 50;

/** One line from the operator; the fallback for an empty line. A cancelled question is code 130. */
export async function askLine(
  question: string,
  fallback: string,
  signal: AbortSignal,
  asked: Asked = null,
): Promise<string> {
  if (signal.aborted) throw cancelled(signal);
  const input = asked?.input ?? process.stdin;
  const output = asked?.output ?? process.stderr;
  const questions = createInterface({
    input,
    output,
    escapeCodeTimeout: ESCAPE_MS,
    ...(asked === null ? {} : { terminal: true }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const leave = (): void => {
    reject(cancelled(signal));
  };
  const onKey = (_text: string | undefined, key: Key): void => {
    if (key.name === 'escape') leave();
  };
  input.on('keypress', onKey);
  signal.addEventListener('abort', leave, { once: true });
  // Ctrl-C at the prompt is taken by readline; it is told on, so that the command ends as one that was interrupted.
  questions.once('SIGINT', leave);
  questions.once('close', leave);
  const shown = fallback === '' ? `${question}: ` : `${question} [${fallback}]: `;
  questions.question(shown, resolve);
  try {
    const answer = await promise.catch((failure: unknown) => {
      output.write('\n');
      throw failure;
    });
    return answer.trim() === '' ? fallback : answer.trim();
  } finally {
    input.off('keypress', onKey);
    signal.removeEventListener('abort', leave);
    questions.close();
  }
}

/** y or yes; anything else is no. */
export async function confirm(question: string, signal: AbortSignal, asked: Asked = null): Promise<boolean> {
  return /^y(es)?$/i.test(await askLine(`${question} [y/N]`, '', signal, asked));
}

/** A value that nobody looking on may see: nothing is shown while it is typed, not even how long it is. */
export async function askHidden(
  question: string,
  terminal: Pick<ControllingTerminal, 'input' | 'output'>,
  signal: AbortSignal,
): Promise<string> {
  if (signal.aborted) throw cancelled(signal);
  const { input, output } = terminal;
  output.write(`${printable(question)}: `);
  const line = new HiddenLine();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const leave = (): void => {
    reject(cancelled(signal));
  };
  let chunks = 0;
  const onData = (chunk: Uint8Array): void => {
    const number = (chunks += 1);
    const typed = line.push(chunk);
    if (typed.kind === 'entered') resolve(typed.value);
    else if (typed.kind === 'cancelled') leave();
    else if (typed.kind === 'escape')
      sleep(ESCAPE_MS)
        .then(() => {
          if (number === chunks) leave();
        })
        .catch(ignoreUnlessAwaited);
  };
  input.setRawMode(true);
  input.resume();
  input.on('data', onData);
  input.once('end', leave);
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', leave);
    input.off('data', onData);
    input.off('end', leave);
    input.pause();
    input.setRawMode(false);
    output.write('\n');
  }
}

/** What fails because the operator stopped it, or because a tool heard the same Ctrl-C, is told as that. */
export async function orCancelled<Value>(
  { stopRequested }: { readonly stopRequested: AbortSignal },
  what: string,
  run: () => Promise<Value>,
): Promise<Value> {
  try {
    return await run();
  } catch (failure) {
    // A signal that came while something blocked is heard at the next turn.
    await setImmediate();
    const undone = failure instanceof BottleError && failure.code !== 'cleanup_incomplete';
    throw undone && stopRequested.aborted ? cancelled(stopRequested, what) : failure;
  }
}

/** 128 + SIGINT and 128 + SIGTERM, as a shell would see them. */
const EXIT = { interrupted: 130, stopped: 143 } as const;

/** The operator left a question, or stopped the command that asked it. */
export function cancelled(signal?: AbortSignal, what = 'nothing was done'): BottleError {
  const stopped = signal?.aborted === true && signal.reason !== 'SIGINT';
  return new BottleError('cancelled', {
    message: `${stopped ? 'stopped' : 'cancelled'}; ${what}`,
    exitCode: stopped ? EXIT.stopped : EXIT.interrupted,
  });
}
