import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { BottleError, EXIT } from '../kernel/errors.ts';
import { BACKEND_NAMES } from '../schema/plan.ts';
import { cleanup } from './commands/cleanup.ts';
import { deliver } from './commands/deliver.ts';
import { diff } from './commands/diff.ts';
import { doctor } from './commands/doctor.ts';
import { edit } from './commands/edit.ts';
import { explain } from './commands/explain.ts';
import { gateway } from './commands/gateway.ts';
import { info } from './commands/info.ts';
import { init } from './commands/init.ts';
import { listActive, listAvailable } from './commands/list.ts';
import { migrate } from './commands/migrate.ts';
import { resume } from './commands/resume.ts';
import { run } from './commands/run.ts';
import { start } from './commands/start.ts';
import { stopBottle } from './commands/stop.ts';
import { UNBUILT_COMMANDS } from './commands/unbuilt.ts';
import type { CliContext } from './context.ts';
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
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeErr: (text) => {
        context.terminal.say(text.trimEnd());
      },
      writeOut: (text) => {
        context.terminal.result(text.trimEnd());
      },
    })
    .addHelpText(
      'after',
      '\nExample:\n  bot-bottle run -- npm test        any command in a bottle with nothing allowed out\n  bot-bottle doctor                 what this machine can do, and what is missing',
    );

  addStart(program, context, done);
  addRun(program, context, done);
  addGateway(program, context, done);
  addExplain(program, context, done);
  addListing(program, context, done);
  addManifests(program, context, done);
  addWork(program, context, done);
  addUnbuilt(program);

  return async (argv) => {
    try {
      await program.parseAsync([...argv], { from: 'user' });
      return exitCode;
    } catch (failure) {
      if (failure instanceof CommanderError) return failure.exitCode === 0 ? 0 : EXIT.usage;
      throw failure;
    }
  };
}

type Done = (code: number) => void;

const backendOption = (): Option => new Option('--backend <name>', 'which wall to use').choices(BACKEND_NAMES);
const workspaceOption = (): Option =>
  new Option('--workspace <mode>', 'copy, clone, bind, or none').choices(['copy', 'none', 'clone', 'bind']);
const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];
const bottleOption = (): Option =>
  new Option('--bottle <name>', 'a bottle file; repeat to lay several over one another').argParser(collect).default([]);
const example = (text: string): string => `\nExample:\n  ${text}`;

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
    .option('--log-decisions', 'print each decision record as a line of JSON')
    .option('--json', 'errors as JSON')
    .addHelpText('after', example('bot-bottle gateway --bottle acme --listen 127.0.0.1:8080 --log-decisions'))
    .action(async (options: Record<string, unknown>) => {
      done(await gateway(context, options));
    });
}

function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || Number(match?.[3]) > 65_535) throw new InvalidArgumentError('write it as 127.0.0.1:8080');
  return { host, port: Number(match?.[3]) };
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

function addListing(program: Command, context: CliContext, done: Done): void {
  program
    .command('list')
    .description('bottles that run (active), or agents and bottles there are (available)')
    .argument('[what]', 'active or available', 'active')
    .option('--all', 'preserved and orphaned bottles too')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle list active --json'))
    .action((what: string, options: { all?: boolean; json?: boolean }) => {
      if (what !== 'active' && what !== 'available')
        throw new BottleError('usage', { message: `list what? "${what}"`, hint: 'bot-bottle list active' });
      const json = options.json ?? false;
      done(
        what === 'available'
          ? listAvailable(context, { json })
          : listActive(context, { json, all: options.all ?? false }),
      );
    });
  program
    .command('stop')
    .description('end a bottle in order; its work is kept')
    .argument('<slug>', 'which; the beginning is enough')
    .addHelpText('after', example('bot-bottle stop reviewer-k3x9q'))
    .action(async (slug: string) => {
      done(await stopBottle(context, slug));
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

function addWork(program: Command, context: CliContext, done: Done): void {
  program
    .command('diff')
    .description('the work of a bottle that is not home yet')
    .argument('<slug>', 'which; the beginning is enough')
    .option('--runs-on-open', 'only files that tools run unasked')
    .option('--stat', 'names only')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle diff reviewer-k3x9q --stat'))
    .action(async (slug: string, options: Record<string, unknown>) => {
      done(await diff(context, slug, options));
    });
  program
    .command('deliver')
    .description('bring the work of a bottle home: files to its directory, commits as a branch')
    .argument('<slug>', 'which; the beginning is enough')
    .option('--to <dir>', 'another directory than the one it was made of')
    .option('--branch <name>', 'what the branch is called')
    .option('--yes', 'ask nothing')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle deliver reviewer-k3x9q'))
    .action(async (slug: string, options: Record<string, unknown>) => {
      done(await deliver(context, slug, options));
    });
  program
    .command('resume')
    .description('go on with a preserved bottle, its workspace and home as the agent left them')
    .argument('<slug>', 'which; the beginning is enough')
    .option('--headless', 'no terminal; needs --prompt')
    .option('--prompt <text>', 'the task of a headless resume')
    .option('--json', 'the result as JSON')
    .option('--yes', 'ask nothing')
    .addHelpText('after', example('bot-bottle resume reviewer-k3x9q'))
    .action(async (slug: string, options: Record<string, unknown>) => {
      done(await resume(context, slug, options));
    });
}

function addManifests(program: Command, context: CliContext, done: Done): void {
  program
    .command('init')
    .description('write a first bottle and agent, each line explained; asks on a terminal')
    .option('--name <name>', 'what both are called')
    .option('--token <variable>', 'the variable of your environment with the token of Claude')
    .addOption(new Option('--host <host>', 'a host it may read from; repeatable').argParser(collect).default([]))
    .option('--git-name <name>', 'who its commits are by')
    .option('--git-email <email>', 'and their address')
    .option('--yes', 'ask nothing')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle init --name web --token CLAUDE_TOKEN --host api.github.com --yes'))
    .action(async (options: Record<string, unknown>) => {
      done(await init(context, options));
    });
  program
    .command('info')
    .description('the effective manifest of an agent, each value with the file and line it comes from')
    .argument('<agent>', 'an agent of yours')
    .addOption(bottleOption())
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle info reviewer'))
    .action((agent: string, options: Record<string, unknown>) => {
      done(info(context, agent, options));
    });
  program
    .command('edit')
    .description('open a bottle, an agent or the settings in your editor, and check it again')
    .argument('[name]', 'acme, bottles/acme, agents/acme, or settings')
    .addHelpText('after', example('bot-bottle edit bottles/acme'))
    .action(async (name: string | undefined) => {
      done(await edit(context, name ?? null));
    });
  program
    .command('migrate')
    .description('convert an old bot-bottle.json and old keys, showing what would change first')
    .option('--yes', 'ask nothing')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle migrate'))
    .action(async (options: Record<string, unknown>) => {
      done(await migrate(context, options));
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
