import { describe, expect, it } from 'vitest';
import { World } from './support/world.ts';

interface Row {
  readonly args: readonly string[];
  /** All of stderr. */
  readonly says: string;
  readonly code?: number;
}

const help = (command: string): string => `      bot-bottle ${command} --help\n`;

const ROWS: readonly Row[] = [
  { args: ['nonsense'], says: "unknown command 'nonsense'\n      bot-bottle --help\n" },
  { args: ['strat'], says: "unknown command 'strat'; did you mean start?\n      bot-bottle --help\n" },
  { args: ['--verison'], says: "unknown option '--verison'; did you mean --version?\n      bot-bottle --help\n" },
  { args: ['run'], says: `missing required argument 'command'\n${help('run')}` },
  {
    args: ['run', '--backend', 'castle', '--', 'true'],
    says: `option '--backend <name>' argument 'castle' is none of: bubblewrap, docker, smolmachines, vm\n${help('run')}`,
  },
  {
    args: ['run', '--workspace', 'share', '--', 'true'],
    says: `option '--workspace <mode>' argument 'share' is none of: copy, none, clone, bind\n${help('run')}`,
  },
  {
    args: ['run', '--botle', 'x', '--', 'true'],
    says: `unknown option '--botle'; did you mean --bottle?\n${help('run')}`,
  },
  { args: ['run', '--bottle'], says: `option '--bottle <name>' argument missing\n${help('run')}` },
  {
    args: ['run', '--bottle', 'x', '--', 'true'],
    code: 1,
    says: 'there is no bottle "x"\nthere are no bottles yet\n      bot-bottle list available\n',
  },
  {
    args: ['start', 'a', 'b'],
    says: `too many arguments for 'start'. Expected 1 argument but got 2: a, b\n${help('start')}`,
  },
  { args: ['start', 'a', '--headless'], says: '--headless needs a task\n      --prompt "what to do"\n' },
  {
    args: ['start', 'a', '--prompt', 'x'],
    says: '--prompt is the task of a headless start\n      bot-bottle start AGENT --headless --prompt "what to do"\n',
  },
  { args: ['start', '--headless', '--prompt', 'x'], says: 'which agent?\n      bot-bottle list available\n' },
  {
    args: ['start', 'a', '--headless', '--prompt', 'x'],
    code: 1,
    says: 'there is no agent "a"\nthere are no agents yet\n      bot-bottle list available\n',
  },
  { args: ['gateway'], says: 'whose routes?\n      bot-bottle gateway --bottle NAME\n' },
  {
    args: ['gateway', '--bottle', 'x', '--listen', 'here'],
    says: `option '--listen <host:port>' argument 'here' is invalid: write it as 127.0.0.1:8080\n${help('gateway')}`,
  },
  { args: ['explain', 'GET'], says: `missing required argument 'url'\n${help('explain')}` },
  {
    args: ['explain', 'GET', 'notaurl'],
    says: 'notaurl: a URL begins with http:// or https:// and a host\n      bot-bottle explain GET https://example.com/\n',
  },
  {
    args: ['explain', 'GET', 'https://a.example/', '-H', 'bad'],
    says: "-H 'bad' is not a header\n      -H 'accept: text/html'\n",
  },
  {
    args: ['explain', 'GET', 'https://a.example/', '--data', '@/none'],
    says: "--data @/none can't be read\n      --data @FILE\n",
  },
  { args: ['list', 'nothing'], says: 'list what? "nothing"\n      bot-bottle list active\n' },
  { args: ['stop'], says: 'stop which?\n      bot-bottle list active\n' },
  { args: ['stop', '--all', 'x'], says: 'either --all or names, not both\n      bot-bottle list active\n' },
  { args: ['stop', 'x'], code: 1, says: 'no bottle is called "x"\n      bot-bottle list active --all\n' },
  { args: ['info'], says: `missing required argument 'agent'\n${help('info')}` },
  { args: ['completion', 'tcsh'], says: 'there is no completion for "tcsh"\n      one of: bash, zsh, fish\n' },
  { args: ['deliver', 'x'], code: 1, says: 'no bottle is called "x"\n      bot-bottle list active --all\n' },
  { args: ['logs', 'x', '--since'], says: `option '--since <when>' argument missing\n${help('logs')}` },
  {
    args: ['logs', 'x', '--decision', 'maybe'],
    says: `option '--decision <kind>' argument 'maybe' is invalid: must be one of allow, deny, hold, redact\n${help('logs')}`,
  },
  {
    args: ['cleanup', '--yes', 'now'],
    says: `too many arguments for 'cleanup'. Expected 0 arguments but got 1: now\n${help('cleanup')}`,
  },
  { args: ['doctor', '--jsn'], says: `unknown option '--jsn'; did you mean --json?\n${help('doctor')}` },
  { args: ['edit'], says: 'edit what? There are no bottles and agents yet\n      bot-bottle init\n' },
  {
    args: ['init', '--yes', '--host', 'a b'],
    says: `"a b": a character that no host has\n      bot-bottle init --host api.github.com\n`,
  },
];

describe('a broken command line says what is wrong, what was meant, and how it is right', () => {
  it.each(ROWS)('$args', async ({ args, says, code = 2 }) => {
    using world = new World();
    const result = await world.run(args);
    expect(result).toEqual({ code, signal: null, stdout: '', stderr: says });
    expect(world.slugs()).toEqual([]);
  });

  it('as JSON for programs', async () => {
    using world = new World();
    const { stdout, code } = await world.run(['doctor', '--jsn', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'usage',
        message: "unknown option '--jsn'; did you mean --json?",
        hint: 'bot-bottle doctor --help',
      },
    });
  });
});
