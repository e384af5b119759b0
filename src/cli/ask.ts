import { createInterface } from 'node:readline/promises';
import { BottleError } from '../kernel/errors.ts';
import { printable } from '../kernel/render-error.ts';
import type { ControllingTerminal } from './attach.ts';

/** Where questions are asked; without one, standard input and error. */
export type Asked = Pick<ControllingTerminal, 'input' | 'output'> | null;

/** One line from the operator; the fallback for an empty line. A cancelled question is code 130. */
export async function askLine(
  question: string,
  fallback: string,
  signal: AbortSignal,
  asked: Asked = null,
): Promise<string> {
  using questions = createInterface(
    asked === null ? { input: process.stdin, output: process.stderr } : { ...asked, terminal: true },
  );
  // Ctrl-C at the prompt is taken by readline; it is told on, so that the command ends as one that was interrupted.
  const interrupted = new Promise<never>((_resolve, reject) => {
    questions.once('SIGINT', () => {
      reject(cancelled());
    });
    questions.once('close', () => {
      reject(cancelled());
    });
  });
  const shown = fallback === '' ? `${question}: ` : `${question} [${fallback}]: `;
  const answer = await Promise.race([questions.question(shown, { signal }), interrupted]);
  return answer.trim() === '' ? fallback : answer.trim();
}

/** y or yes; anything else is no. */
export async function confirm(question: string, signal: AbortSignal, asked: Asked = null): Promise<boolean> {
  return /^y(es)?$/i.test(await askLine(`${question} [y/N]`, '', signal, asked));
}

const KEY = { interrupt: '\u0003', end: '\u0004', backspace: '\u007f', erase: '\b', kill: '\u0015' } as const;

/** A value that nobody looking on may see: nothing is shown while it is typed, not even how long it is. */
export async function askHidden(question: string, terminal: ControllingTerminal): Promise<string> {
  const { input, output } = terminal;
  output.write(`${printable(question)}: `);
  // Not the stream's own decoding, which would stay for whoever reads it next.
  const decoder = new TextDecoder();
  input.setRawMode(true);
  input.resume();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let typed = '';
  const onData = (chunk: Uint8Array): void => {
    for (const key of decoder.decode(chunk, { stream: true })) {
      if (key === '\r' || key === '\n') {
        resolve(typed);
        return;
      }
      if (key === KEY.interrupt || (key === KEY.end && typed === '')) {
        reject(cancelled());
        return;
      }
      if (key === KEY.backspace || key === KEY.erase) typed = typed.slice(0, -1);
      else if (key === KEY.kill) typed = '';
      else if (key >= ' ') typed += key;
    }
  };
  const onEnd = (): void => {
    reject(cancelled());
  };
  input.on('data', onData);
  input.once('end', onEnd);
  try {
    return await promise;
  } finally {
    input.off('data', onData);
    input.off('end', onEnd);
    input.pause();
    input.setRawMode(false);
    output.write('\n');
  }
}

/** 128 + SIGINT, as a shell would see it. */
const EXIT_INTERRUPTED = 130;

export function cancelled(): BottleError {
  return new BottleError('cancelled', { message: 'cancelled; nothing was done', exitCode: EXIT_INTERRUPTED });
}
