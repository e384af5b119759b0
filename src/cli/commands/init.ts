import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { MANIFEST_NAME, VARIABLE_NAME } from '../../schema/manifest.ts';
import { starterFiles, type StarterAnswers } from '../../manifest/starter.ts';
import { installRoot } from '../../platform/assets.ts';
import { parseHostSpec } from '../../policy/host.ts';
import { ensureOwnDirectory } from '../../state/paths.ts';
import type { CliContext } from '../context.ts';
import { askLine } from '../ask.ts';
import { InitOptionsSchema, type InitOptions } from '../options.ts';

const SCHEMAS = ['bottle', 'agent', 'settings'] as const;

/** Writes a first bottle and agent; asks a few questions when on a terminal. Never writes over a file. */
export async function init(context: CliContext, raw: Record<string, unknown>): Promise<number> {
  const options = InitOptionsSchema.parse(raw);
  const answers = checked(await gather(context, options));
  const { home } = context.paths;
  const files = starterFiles(answers);
  const taken = files.filter(({ file }) => fs.existsSync(path.join(home, file)));
  const [first] = taken;
  if (first !== undefined) {
    throw new BottleError('file_exists', {
      message: `${path.join(home, first.file)} is there already; nothing was written`,
      hint: `bot-bottle init --name ${answers.name}-2   or   bot-bottle edit ${answers.name}`,
    });
  }
  ensureOwnDirectory(home);
  writeSchemas(home);
  for (const { file, text } of files) {
    fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true, mode: 0o755 });
    fs.writeFileSync(path.join(home, file), text, { flag: 'wx', mode: 0o644 });
  }
  // What was written is read back by the code that will read it at a start.
  const agent = context.manifests().loadAgent(answers.name);
  context.manifests().loadForAgent(agent, [answers.name]);
  report(
    context,
    options,
    answers,
    files.map(({ file }) => path.join(home, file)),
  );
  return 0;
}

function report(
  context: CliContext,
  options: InitOptions,
  { name, tokenVariable }: StarterAnswers,
  written: readonly string[],
): void {
  if (options.json) {
    context.terminal.result(JSON.stringify({ written }));
    return;
  }
  for (const file of written) context.terminal.result(`wrote ${file}`);
  context.terminal.result('');
  context.terminal.result(`bot-bottle info ${name}                     what it allows, line by line`);
  context.terminal.result(`bot-bottle run --bottle ${name} -- bash     look around inside`);
  if (tokenVariable !== null) context.terminal.result(`export ${tokenVariable}=…  &&  bot-bottle start ${name} --cwd`);
}

/** The newest each time: `init` is how an editor's knowledge follows an upgrade. */
function writeSchemas(home: string): void {
  const target = path.join(home, 'schemas');
  fs.mkdirSync(target, { recursive: true, mode: 0o755 });
  for (const name of SCHEMAS) {
    const file = `${name}.schema.json`;
    fs.copyFileSync(path.join(installRoot(), 'schemas', file), path.join(target, file));
  }
}

async function gather(context: CliContext, options: InitOptions): Promise<StarterAnswers> {
  const given: StarterAnswers = {
    name: options.name ?? 'first',
    tokenVariable: options.token ?? null,
    hosts: options.host,
    gitUser: { name: options.gitName ?? null, email: options.gitEmail ?? null },
  };
  if (options.yes || options.json || !context.interactive) return given;
  const ask = (question: string, fallback: string): Promise<string> =>
    askLine(question, fallback, context.stopRequested);
  const name = options.name ?? (await ask('Name of the bottle and the agent', 'first'));
  const token = options.token ?? (await ask('Variable with the token of Claude, empty for none', 'CLAUDE_TOKEN'));
  const hosts =
    options.host.length > 0
      ? options.host
      : (await ask('Hosts it may read from, with spaces between; empty for none', '')).split(/\s+/).filter(Boolean);
  const gitName = options.gitName ?? (await ask('Name for its commits, empty for none', ''));
  const gitEmail = gitName === '' ? '' : (options.gitEmail ?? (await ask('E-mail for its commits', '')));
  return {
    name,
    tokenVariable: token === '' ? null : token,
    hosts,
    gitUser: { name: gitName === '' ? null : gitName, email: gitEmail === '' ? null : gitEmail },
  };
}

function checked(answers: StarterAnswers): StarterAnswers {
  if (!MANIFEST_NAME.test(answers.name)) {
    throw new BottleError('usage', {
      message: `"${answers.name}" can't name a bottle: small letters, digits and dashes, a letter first`,
      hint: 'bot-bottle init --name web-2',
    });
  }
  if (answers.tokenVariable !== null && !VARIABLE_NAME.test(answers.tokenVariable)) {
    throw new BottleError('usage', {
      message: 'the token is named by a variable of your environment; its value is never written down',
      hint: 'bot-bottle init --token CLAUDE_TOKEN',
    });
  }
  for (const host of answers.hosts) {
    const parsed = parseHostSpec(host);
    if (!parsed.ok) {
      throw new BottleError('usage', {
        message: `"${host}": ${parsed.error}`,
        hint: 'bot-bottle init --host api.github.com',
      });
    }
  }
  return answers;
}
