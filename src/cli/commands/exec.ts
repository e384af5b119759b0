import { BottleError } from '../../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../../kernel/promises.ts';
import { askWayIn } from '../../launch/door.ts';
import { findBottle, listBottles } from '../../state/bottles.ts';
import { bottlePaths } from '../../state/paths.ts';
import { attach, openControllingTerminal } from '../attach.ts';
import type { CliContext } from '../context.ts';
import { chooseBackend } from './backend-choice.ts';
import { runningBottle } from './running.ts';

/** Given to the command between TERM and KILL. */
const STOP_GRACE_MS = 8_000;

/** A command in a bottle that runs, behind the agent's walls; streams and exit code are the command's own. */
export async function exec(context: CliContext, id: string, argv: readonly string[]): Promise<number> {
  if (argv.length === 0) throw new BottleError('usage', { message: 'run what?', hint: 'bot-bottle exec --help' });
  const { slug, file } = runningBottle(findBottle(listBottles(context.paths), id));
  const paths = bottlePaths(context.paths, slug);
  const { door, env, cwd } = await askWayIn(slug, paths);
  using terminal = context.interactive && context.outputIsTerminal ? openControllingTerminal() : null;
  await using attachment = terminal === null ? null : await attach(terminal);
  await using command = await chooseBackend(context, file.backend).enter({
    door,
    command: { argv, env, cwd },
    stateDirectory: paths.root,
    stdio: ['inherit', 'inherit', 'inherit'],
    terminal: attachment,
  });
  const stop = (): void => {
    command.stop(STOP_GRACE_MS).catch(ignoreUnlessAwaited);
  };
  const hurry = (): void => {
    command.stop(0).catch(ignoreUnlessAwaited);
  };
  if (context.stopRequested.aborted) stop();
  context.stopRequested.addEventListener('abort', stop, { once: true });
  context.hurryRequested.addEventListener('abort', hurry, { once: true });
  try {
    attachment?.begin();
    return (await command.exited).exitCode;
  } finally {
    context.stopRequested.removeEventListener('abort', stop);
    context.hurryRequested.removeEventListener('abort', hurry);
  }
}
