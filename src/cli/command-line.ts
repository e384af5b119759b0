import process from 'node:process';
import { BottleError, EXIT } from '../kernel/errors.ts';
import { renderError } from '../kernel/render-error.ts';
import { homeDirectory, operator } from '../platform/operator.ts';
import { createContext } from './create-context.ts';
import { buildProgram } from './program.ts';
import { takeGlobalFlags } from './global-flags.ts';
import { errorAsJson } from './terminal.ts';

/**
 * argv → command → exit code. The only module that reads the process's environment and ends the process; everything
 * below is given what it needs.
 */
const flags = takeGlobalFlags(process.argv.slice(2));

async function main(): Promise<number> {
  const context = createContext({
    environment: process.env,
    cwd: process.cwd(),
    operatorHome: homeDirectory(),
    userName: operator().name,
    stdout: process.stdout,
    stderr: process.stderr,
    plain: flags.plain,
    interactive: process.stdin.isTTY && process.stderr.isTTY,
  });
  const asJson = process.argv.includes('--json');
  try {
    return await buildProgram(context)(flags.argv);
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    if (asJson) context.terminal.result(errorAsJson(failure));
    else context.terminal.say(renderError(failure));
    if (flags.debug) context.terminal.say(failure.stack ?? '');
    return failure.exitCode;
  }
}

main().then(
  (code) => {
    process.exit(code);
  },
  (failure: unknown) => {
    const text = failure instanceof Error ? (flags.debug ? failure.stack : failure.message) : String(failure);
    process.stderr.write(
      `bot-bottle has a fault of its own: ${text ?? 'unknown'}\n  run it again with --debug for the whole story\n`,
    );
    process.exit(EXIT.failure);
  },
);
