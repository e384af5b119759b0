import type { Command } from 'commander';
import { BottleError } from '../../kernel/errors.ts';
import { listBottles } from '../../state/bottles.ts';
import type { CliContext } from '../context.ts';

/** Shell completion: a script that asks this program, so that it always knows today's commands and names. */
export function completion(context: CliContext, shell: string): number {
  const script = SCRIPTS[shell];
  if (script === undefined) {
    throw new BottleError('usage', {
      message: `there is no completion for "${shell}"`,
      hint: `one of: ${Object.keys(SCRIPTS).join(', ')}`,
    });
  }
  context.terminal.result(script);
  return 0;
}

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# bot-bottle completion bash >> ~/.bashrc
_bot_bottle() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _bot_bottle bot-bottle`,
  zsh: `#compdef bot-bottle
# bot-bottle completion zsh > "\${fpath[1]}/_bot-bottle"
_bot_bottle() {
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _bot_bottle bot-bottle`,
  fish: `# bot-bottle completion fish > ~/.config/fish/completions/bot-bottle.fish
function __bot_bottle_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c bot-bottle -f -a '(__bot_bottle_complete)'`,
};

/** Commands whose first word is a bottle that is there. */
const TAKES_SLUG = ['resume', 'commit', 'diff', 'deliver', 'logs', 'metrics', 'reload', 'stop', 'exec'];
const TAKES_SLUGS = ['logs', 'metrics', 'stop'];
const TAKES_AGENT = ['start', 'info'];

/** What the last of these words could be, one a line. */
export function complete(context: CliContext, program: Command, words: readonly string[]): number {
  for (const word of candidates(context, program, words)) context.terminal.result(word);
  return 0;
}

function candidates(context: CliContext, program: Command, words: readonly string[]): readonly string[] {
  const [name = '', ...rest] = words;
  const commands = program.commands.filter((command) => !command.name().startsWith('__'));
  if (words.length <= 1) return matching([...commands.map((command) => command.name()), '--help', '--version'], name);
  const command = commands.find((candidate) => candidate.name() === name);
  const last = rest.at(-1) ?? '';
  const before = rest.at(-2);
  if (command === undefined || rest.slice(0, -1).includes('--')) return [];
  if (before === '--bottle') return matching(bottles(context), last);
  const choices = command.options.find(({ long }) => long === before)?.argChoices;
  if (choices !== undefined) return matching(choices, last);
  if (last.startsWith('-')) {
    return matching([...command.options.flatMap(({ long }) => long ?? []), '--help'], last);
  }
  if (rest.length > 1 && !TAKES_SLUGS.includes(name)) return [];
  if (TAKES_SLUG.includes(name)) return matching(slugs(context), last);
  if (TAKES_AGENT.includes(name)) return matching(agents(context), last);
  if (name === 'edit') return matching([...agents(context), ...bottles(context), 'settings'], last);
  if (name === 'list') return matching(['active', 'available'], last);
  if (name === 'completion') return matching(Object.keys(SCRIPTS), last);
  return [];
}

function matching(words: readonly string[], start: string): readonly string[] {
  return [...new Set(words)].filter((word) => word.startsWith(start)).sort();
}

const slugs = ({ paths }: CliContext): readonly string[] => listBottles(paths).map(({ slug }) => slug);
const agents = ({ manifests }: CliContext): readonly string[] =>
  manifests()
    .listAgents()
    .map(({ name }) => name);
const bottles = ({ manifests }: CliContext): readonly string[] =>
  manifests()
    .listBottles()
    .map(({ name }) => name);
