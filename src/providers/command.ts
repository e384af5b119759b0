import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { defineProvider } from './provider.ts';

/**
 * Behind `run -- COMMAND`: the command is the agent, its arguments untouched. It brings no route, no file and no
 * credential; whatever it may reach stands in the bottle's own routes.
 */
export const commandProvider = defineProvider({
  template: 'command',
  settingsSchema: z.strictObject({}),
  provision: (input) => {
    const [program] = input.command;
    if (program === undefined) {
      throw new BottleError('usage', { message: 'no command was given', hint: 'bot-bottle run -- COMMAND [ARG...]' });
    }
    return {
      title: program,
      argv: input.command,
      env: {},
      files: [],
      routes: [],
      mounts: [],
      verify: [],
      warnings: [],
    };
  },
});
