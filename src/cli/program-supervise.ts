import { Option, type Command } from 'commander';
import { SCOPES } from '../schema/proposal.ts';
import {
  superviseApprove,
  superviseList,
  superviseOnceOrWatch,
  superviseReject,
  superviseShow,
  superviseUndo,
} from './commands/supervise.ts';
import type { CliContext } from './context.ts';
import { example, type Done } from './program-parts.ts';

/** What agents ask, and the answers. */
export function addSupervise(program: Command, context: CliContext, done: Done): void {
  const supervise = program
    .command('supervise')
    .description('what agents ask, and your answers')
    .option('--once', 'show what waits, and end')
    .option('--watch', 'tell each new proposal, until you stop it')
    .option('--exec <command>', 'with --watch: run this for each, with the proposal as JSON on its standard input')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle supervise --watch --exec ./notify.sh'))
    .action(async (options: Record<string, unknown>) => {
      done(await superviseOnceOrWatch(context, options));
    });
  supervise
    .command('list')
    .description('what waits for an answer')
    .option('--all', 'what was answered too')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle supervise list --json'))
    .action(async (options: Record<string, unknown>, command: Command) => {
      done(await superviseList(context, { ...command.optsWithGlobals(), ...options }));
    });
  supervise
    .command('show')
    .description('one proposal, with all that a yes would open')
    .argument('<id>', 'the beginning is enough')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle supervise show 3f9a1c72'))
    .action(async (id: string, options: Record<string, unknown>, command: Command) => {
      done(await superviseShow(context, id, { ...command.optsWithGlobals(), ...options }));
    });
  supervise
    .command('approve')
    .description('allow it; in force when the command ends')
    .argument('<id>', 'the beginning is enough')
    .addOption(
      new Option('--scope <scope>', 'an hour, until the bottle ends, or its next lives too')
        .choices(SCOPES)
        .default('run'),
    )
    .option('--narrow <key>', 'one of the narrower choices that `show` lists: n1')
    .option('--digest <digest>', 'of what you have seen; without it you are shown it and asked')
    .option('--host <host>', 'the host, typed, where the proposal widens far')
    .option('--note <text>', 'what the agent is told', '')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle supervise approve 3f9a1c72 --scope hour'))
    .action(async (id: string, options: Record<string, unknown>, command: Command) => {
      done(await superviseApprove(context, id, { ...command.optsWithGlobals(), ...options }));
    });
  supervise
    .command('reject')
    .description('refuse it')
    .argument('[ids...]', 'the beginning of each is enough')
    .option('--all', 'all that wait')
    .option('--note <text>', 'what the agent is told', '')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle supervise reject 3f9a1c72 --note "use the mirror"'))
    .action(async (ids: string[], options: Record<string, unknown>, command: Command) => {
      done(await superviseReject(context, ids, { ...command.optsWithGlobals(), ...options }));
    });
  supervise
    .command('undo')
    .description('take back what was allowed')
    .argument('<id>', 'the beginning is enough')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle supervise undo 3f9a1c72'))
    .action(async (id: string, options: Record<string, unknown>, command: Command) => {
      done(await superviseUndo(context, id, { ...command.optsWithGlobals(), ...options }));
    });
}
