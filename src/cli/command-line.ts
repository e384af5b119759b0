import os from 'node:os';
import process from 'node:process';
import { BottleError, EXIT } from '../kernel/errors.ts';
import { renderError } from '../kernel/render-error.ts';
import { createContext } from './create-context.ts';
import { buildProgram } from './program.ts';
import { errorAsJson } from './terminal.ts';

/**
 * argv → command → exit code. The only module that reads the process's environment and ends the process; everything
 * below is given what it needs.
 */
async function main(): Promise<number> {
  const context = createContext({
    environment: process.env,
    cwd: process.cwd(),
    operatorHome: os.homedir(),
    userName: os.userInfo().username,
    stdout: process.stdout,
    stderr: process.stderr,
    interactive: process.stdin.isTTY && process.stderr.isTTY,
  });
  const asJson = process.argv.includes('--json');
  try {
    return await buildProgram(context)(process.argv.slice(2));
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    if (asJson) context.terminal.result(errorAsJson(failure));
    else context.terminal.say(renderError(failure));
    if (process.argv.includes('--debug')) context.terminal.say(failure.stack ?? '');
    return failure.exitCode;
  }
}

main().then(
  (code) => {
    process.exit(code);
  },
  (failure: unknown) => {
    const text =
      failure instanceof Error ? (process.argv.includes('--debug') ? failure.stack : failure.message) : String(failure);
    process.stderr.write(
      `bot-bottle has a fault of its own: ${text ?? 'unknown'}\n  run it again with --debug for the whole story\n`,
    );
    process.exit(EXIT.failure);
  },
);
