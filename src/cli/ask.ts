import { createInterface } from 'node:readline/promises';
import { BottleError } from '../kernel/errors.ts';

/** One line from the operator, on stderr's terminal; the fallback for an empty line. A cancelled question is code 130. */
export async function askLine(question: string, fallback: string, signal: AbortSignal): Promise<string> {
  using questions = createInterface({ input: process.stdin, output: process.stderr });
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
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await askLine(`${question} [y/N]`, '', signal));
}

/** 128 + SIGINT, as a shell would see it. */
const EXIT_INTERRUPTED = 130;

function cancelled(): BottleError {
  return new BottleError('cancelled', { message: 'cancelled; nothing was done', exitCode: EXIT_INTERRUPTED });
}
