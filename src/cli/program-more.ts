import { Option, type Command } from 'commander';
import { DECISIONS, REASONS } from '../schema/decision.ts';
import { complete, completion } from './commands/completion.ts';
import { deliver } from './commands/deliver.ts';
import { diff } from './commands/diff.ts';
import { exec } from './commands/exec.ts';
import { edit } from './commands/edit.ts';
import { info } from './commands/info.ts';
import { init } from './commands/init.ts';
import { logs } from './commands/logs.ts';
import { metrics } from './commands/metrics.ts';
import { migrate } from './commands/migrate.ts';
import { reload } from './commands/reload.ts';
import { resume } from './commands/resume.ts';
import type { CliContext } from './context.ts';
import { bottleOption, collect, collectOf, example, parseCount, parseListen, type Done } from './program-parts.ts';

/** Commands about manifests, about work, and for shells. */
export function addWork(program: Command, context: CliContext, done: Done): void {
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
  addLogs(program, context, done);
  program
    .command('metrics')
    .description('what the gateways of running bottles count and measure, for Prometheus')
    .argument('[slugs...]', 'which; the beginning of each is enough; without one all that run')
    .option('--listen <host:port>', 'tell it on loopback, until interrupted', parseListen)
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle metrics --listen 127.0.0.1:9464'))
    .action(async (slugs: string[], options: Record<string, unknown>) => {
      done(await metrics(context, slugs, options));
    });
  program
    .command('exec')
    .description('run a command in a bottle that runs, behind the same walls as its agent')
    .argument('<slug>', 'which; the beginning is enough')
    .argument('<command...>', 'the command and its arguments, after --')
    .passThroughOptions()
    .addHelpText('after', example('bot-bottle exec reviewer-k3x9q -- git status'))
    .action(async (slug: string, [first = '', ...rest]: string[]) => {
      // After the slug everything is the command's, the two dashes with it.
      done(await exec(context, slug, first === '--' ? rest : [first, ...rest]));
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
  program
    .command('reload')
    .description('let a running bottle follow its manifest as it is now: what may leave, nothing else')
    .argument('<slug>', 'which; the beginning is enough')
    .addOption(bottleOption())
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle reload reviewer-k3x9q'))
    .action(async (slug: string, options: Record<string, unknown>) => {
      done(await reload(context, slug, options));
    });
}

function addLogs(program: Command, context: CliContext, done: Done): void {
  program
    .command('logs')
    .description('what was asked of the gateway, how it decided, and what the services say, by time')
    .argument('[slugs...]', 'which; the beginning of each is enough; without one all that run')
    .option('-f, --follow', 'go on until they end; without a slug until interrupted')
    .option('-n, --lines <count>', 'of what there is only the last', parseCount)
    .option('--decisions', 'only requests')
    .option('--services', 'only what the services say')
    .addOption(several('--decision <kind>', 'only requests decided so', collectOf(DECISIONS)))
    .addOption(several('--reason <reason>', 'only requests decided for this', collectOf(REASONS)))
    .addOption(several('--host <host>', 'only requests to this host; .example.com for all below it'))
    .addOption(several('--method <method>', 'only requests of this method'))
    .addOption(several('--status <status>', 'only requests answered so: 403, 5xx'))
    .option('--since <when>', 'only the last 30s, 10m, 2h, 1d, or from a time on: 2026-11-20T22:35Z')
    .option('--timings', 'where the time of each request went')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', example('bot-bottle logs reviewer-k3x9q --follow --decision deny'))
    .action(async (slugs: string[], options: Record<string, unknown>) => {
      done(await logs(context, slugs, options));
    });
}

const several = (flags: string, description: string, parser = collect): Option =>
  new Option(flags, `${description}; repeatable`).argParser(parser).default([]);

export function addCompletion(program: Command, context: CliContext, done: Done): void {
  program
    .command('completion')
    .description('shell completion: bash, zsh or fish')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', example('bot-bottle completion bash >> ~/.bashrc'))
    .action((shell: string) => {
      done(completion(context, shell));
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action((words: string[]) => {
      done(complete(context, program, words));
    });
}

export function addManifests(program: Command, context: CliContext, done: Done): void {
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
