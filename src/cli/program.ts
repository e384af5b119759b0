import { Command, CommanderError, Option } from 'commander';
import { BottleError, EXIT } from '../kernel/errors.ts';
import { BACKEND_NAMES } from '../schema/plan.ts';
import { cleanup } from './commands/cleanup.ts';
import { doctor } from './commands/doctor.ts';
import { explain } from './commands/explain.ts';
import { scan } from './commands/scan.ts';
import { gateway } from './commands/gateway.ts';
import { listActive, listAvailable, listEnded } from './commands/list.ts';
import { run } from './commands/run.ts';
import { start } from './commands/start.ts';
import { stopBottles } from './commands/stop.ts';
import { UNBUILT_COMMANDS } from './commands/unbuilt.ts';
import type { CliContext } from './context.ts';
import { addCompletion, addManifests, addWork } from './program-more.ts';
import { addRecords } from './program-records.ts';
import { addSupervise } from './program-supervise.ts';
import { bottleOption, collect, example, parseListen, type Done } from './program-parts.ts';
import { version } from './version.ts';

/** REFERENCE 4 as a commander program. Commands return their exit code; what commander refuses is usage (2). */
export function buildProgram(context: CliContext): (argv: readonly string[]) => Promise<number> {
  let exitCode = 0;
  const done = (code: number): void => {
    exitCode = code;
  };
  const program = new Command('bot-bottle')
    .description('Run any coding agent as if it were already compromised, and lose nothing when it is.')
    .version(version(), '-V, --version')
    .option('--debug', 'print stack traces with errors')
    .option('--plain', 'lines instead of lists to move in, and no colour: for screen readers')
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeErr: (text) => {
        context.terminal.say(text.trimEnd());
      },
      writeOut: (text) => {
        context.terminal.result(text.trimEnd());
      },
      // Said once, in our own form, by whoever catches it.
      outputError: () => undefined,
    })
    .addHelpText(
      'after',
      '\nExample:\n  bot-bottle run -- npm test        any command in a bottle with nothing allowed out\n  bot-bottle doctor                 what this machine can do, and what is missing',
    );

  addStart(program, context, done);
  addRun(program, context, done);
  addGateway(program, context, done);
  addExplain(program, context, done);
  addScan(program, context, done);
  addListing(program, context, done);
  addManifests(program, context, done);
  addWork(program, context, done);
  addRecords(program, context, done);
  addSupervise(program, context, done);
  addCompletion(program, context, done);
  addUnbuilt(program);

  return async (argv) => {
    try {
      await program.parseAsync([...argv], { from: 'user' });
      return exitCode;
    } catch (failure) {
      if (!(failure instanceof CommanderError)) throw failure;
      if (failure.exitCode === 0) return 0;
      if (failure.code === 'commander.help') return EXIT.usage;
      throw usageError(failure, program, argv);
    }
  };
}

/** Commander's words as ours: what is wrong, what was meant, and the help that shows it right. */
function usageError(failure: CommanderError, program: Command, argv: readonly string[]): BottleError {
  const message = failure.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/s, (_, meant: string) => `; did you mean ${meant}?`)
    .replace(/ is invalid\. Allowed choices are (.*)\.$/s, ' is none of: $1')
    .replace(/ is invalid\. /, ' is invalid: ')
    .replace(/\.$/, '');
  const command = program.commands.find((candidate) => candidate.name() === argv[0]);
  const hint = command === undefined ? 'bot-bottle --help' : `bot-bottle ${command.name()} --help`;
  return new BottleError('usage', { message, hint });
}

const backendOption = (): Option => new Option('--backend <name>', 'which wall to use').choices(BACKEND_NAMES);
const workspaceOption = (): Option =>
  new Option('--workspace <mode>', 'copy, clone, bind, or none').choices(['copy', 'none', 'clone', 'bind']);
function addStart(program: Command, context: CliContext, done: Done): void {
  program
    .command('start')
    .description('start an agent in a bottle')
    .argument('[agent]', 'an agent of yours: ~/.bot-bottle/agents/<agent>.md')
    .addOption(backendOption())
    .addOption(bottleOption())
    .option('--cwd [dir]', 'work on a copy of this directory')
    .addOption(workspaceOption())
    .option('--headless', 'no terminal; needs --prompt')
    .option('--prompt <text>', 'the task of a headless start')
    .option('--label <text>', 'names the bottle')
    .option('--color <name>', 'colour of the label')
    .option('--dry-run', 'show the plan and start nothing')
    .option('--json', 'the result, or the plan, as JSON')
    .option('--yes', 'ask nothing')
    .addHelpText('after', example('bot-bottle start reviewer --cwd --headless --prompt "Fix the failing test" --json'))
    .action(async (agent: string | undefined, options: Record<string, unknown>) => {
      done(await start(context, agent ?? null, options));
    });
}

function addRun(program: Command, context: CliContext, done: Done): void {
  program
    .command('run')
    .description('run any command as the agent, on a copy of this directory; without --bottle nothing is allowed out')
    .addOption(bottleOption())
    .addOption(backendOption())
    .addOption(workspaceOption())
    .option('--verbose', 'say on stderr what happens')
    .argument('<command...>', 'the command and its arguments, after --')
    .passThroughOptions()
    .addHelpText('after', example('bot-bottle run --bottle acme -- bash'))
    .action(async (command: string[], options: Record<string, unknown>) => {
      done(await run(context, command, options));
    });
}

function addGateway(program: Command, context: CliContext, done: Done): void {
  program
    .command('gateway')
    .description('the egress gateway alone, in the foreground, for CI and other sandboxes')
    .addOption(bottleOption())
    .option('--listen <host:port>', 'where to listen', parseListen, { host: '127.0.0.1', port: 0 })
    .option('--auth', 'a random user and password in the proxy URL; needed off loopback')
    .option('--metrics <host:port>', 'metrics for Prometheus, on loopback', parseListen)
    .option('--log-decisions', 'print each decision record as a line of JSON')
    .option('--json', 'errors as JSON')
    .addHelpText('after', example('bot-bottle gateway --bottle acme --listen 127.0.0.1:8080 --log-decisions'))
    .action(async (options: Record<string, unknown>) => {
      done(await gateway(context, options));
    });
}

function addExplain(program: Command, context: CliContext, done: Done): void {
  program
    .command('explain')
    .description('what the gateway would decide about a request, and why; without any network')
    .addOption(bottleOption())
    .argument('<method>', 'GET, POST, …')
    .argument('<url>', 'https://host/path')
    .addOption(new Option('-H, --header <line>', "a header, 'name: value'; repeatable").argParser(collect).default([]))
    .option('--data <@file>', 'the body, from a file')
    .option('--json', 'the decision with its trace as JSON')
    .addHelpText('after', example('bot-bottle explain --bottle acme GET https://api.github.com/repos/acme/web'))
    .action(async (method: string, url: string, options: Record<string, unknown>) => {
      done(await explain(context, method, url, options));
    });
}

function addScan(program: Command, context: CliContext, done: Done): void {
  program
    .command('scan')
    .description('look for credentials in files; exit 3 when there are any')
    .argument('[path]', 'a file, a folder, or - for stdin; this folder when absent')
    .option('--json', 'as JSON')
    .addHelpText('after', example('git diff main | bot-bottle scan -'))
    .action((target: string | undefined, options: Record<string, unknown>) => {
      done(scan(context, target, options));
    });
}

function addListing(program: Command, context: CliContext, done: Done): void {
  program
    .command('list')
    .description('bottles that run (active) or have ended, or agents and bottles there are (available)')
    .argument('[what]', 'active, available or ended', 'active')
    .option('--all', 'preserved and orphaned bottles too')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle list active --json'))
    .action((what: string, options: { all?: boolean; json?: boolean }) => {
      const json = options.json ?? false;
      if (what === 'available') done(listAvailable(context, { json }));
      else if (what === 'ended') done(listEnded(context, { json }));
      else if (what === 'active') done(listActive(context, { json, all: options.all ?? false }));
      else throw new BottleError('usage', { message: `list what? "${what}"`, hint: 'bot-bottle list active' });
    });
  program
    .command('stop')
    .description('end bottles in order; their work is kept')
    .argument('[slugs...]', 'which; the beginning of each is enough')
    .option('--all', 'every bottle that runs')
    .option('--now', 'no time for the agent to end by itself')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle stop reviewer-k3x9q'))
    .action(async (slugs: string[], options: { all?: boolean; now?: boolean; json?: boolean }) => {
      const { all = false, now = false, json = false } = options;
      done(await stopBottles(context, slugs, { all, now, json }));
    });
  program
    .command('cleanup')
    .description('put away what crashes left; never touches live bottles')
    .option('--yes', 'ask nothing')
    .option('--preserved', 'remove preserved bottles too, with the work in them')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle cleanup --yes'))
    .action(async (options: { yes?: boolean; preserved?: boolean; json?: boolean }) => {
      done(
        await cleanup(context, {
          yes: options.yes ?? false,
          preserved: options.preserved ?? false,
          json: options.json ?? false,
        }),
      );
    });
  program
    .command('doctor')
    .description('what this machine can do, what is missing, and the command that mends it')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle doctor'))
    .action(async (options: { json?: boolean }) => {
      done(await doctor(context, { json: options.json ?? false }));
    });
}

/** REFERENCE 4: until they are built, they say so and exit 2. */
function addUnbuilt(program: Command): void {
  for (const { name, does } of UNBUILT_COMMANDS) {
    program
      .command(name, { hidden: true })
      .description(`${does} (not built yet)`)
      .argument('[arguments...]')
      .allowUnknownOption()
      .action(() => {
        throw new BottleError('feature_missing', {
          message: `bot-bottle ${name} is not built yet`,
          hint: 'bot-bottle --help',
          exitCode: EXIT.usage,
        });
      });
  }
}
