import fs from 'node:fs';
import path from 'node:path';
import { shellElf } from './shell-elf.ts';
import { Terminal } from './terminal.ts';
import { World } from './world.ts';

export const CLI = `${process.execPath} ${path.resolve('dist/cli.js')}`;

/** An agent whose program is a shell script of the test's: what matters is the way to it and back. */
export function shellWorld(script: string): World {
  const world = new World();
  fs.writeFileSync(path.join(world.root, 'claude'), shellElf(), { mode: 0o755 });
  fs.writeFileSync(path.join(world.project, 'agent.sh'), `${script}\n`);
  const provider = `agent_provider: {template: claude, settings: {cli: host}}`;
  world.bottle('base', `${provider}\nenv: {TZ: UTC}`);
  world.bottle('acme', `extends: base\ndescription: the shop\negress: {routes: [{host: a.example}]}`);
  world.bottle('extra', 'env: {EXTRA: "yes"}');
  world.agent('rev', 'bottle: acme', 'Review it.');
  world.agent('free', 'description: works anywhere');
  return world;
}

/** `before` and `after` hold the terminal's modes as the operator's shell had them and has them again. */
export function startIn(world: World, args: string, around = (command: string): string => command): Terminal {
  return commandIn(world, around(`${CLI} start ${args} --cwd`));
}

export function commandIn(world: World, command: string): Terminal {
  const modes = (name: string): string => `stty -a > ${path.join(world.root, name)}`;
  // tmux gives its own PATH to what it starts; and some shells end with Ctrl-C although the command did not.
  const script = `trap : INT; export PATH=${world.root}:/usr/bin:/bin; ${modes('before')}; ${command}; code=$?; ${modes('after')}; echo code=$code; sleep 60`;
  return new Terminal(world, script);
}

/** What the operator's shell finds changed in its terminal, but for its size; nothing is what there should be. */
export function modesChanged(world: World, terminal: Terminal): readonly string[] {
  const read = (name: string): string =>
    fs.readFileSync(path.join(world.root, name), 'utf8').replace(/rows \d+; columns \d+/, 'a size');
  const { alternate, cursor, mouse } = terminal.modes();
  return [
    ...(read('after') === read('before') ? [] : [`stty -a: ${read('before')} became ${read('after')}`]),
    ...(alternate === '0' ? [] : ['the alternate screen is left on']),
    ...(cursor === '1' ? [] : ['the cursor is hidden']),
    ...(mouse === '0' ? [] : ['the mouse is left on']),
  ];
}
