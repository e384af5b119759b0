import { describe, expect, it } from 'vitest';
import { takeGlobalFlags } from '../../src/cli/global-flags.ts';

describe('flags that every command takes', () => {
  it.each([
    { why: 'before the command', argv: ['--plain', 'list'], rest: ['list'], plain: true },
    { why: 'after it', argv: ['list', '--debug', 'active'], rest: ['list', 'active'], debug: true },
    { why: 'both', argv: ['--debug', 'start', '--plain'], rest: ['start'], debug: true, plain: true },
    { why: 'not what follows the dashes', argv: ['start', '--', '--plain'], rest: ['start', '--', '--plain'] },
    { why: 'not an agent’s own', argv: ['run', 'npm', 'test', '--debug'], rest: ['run', 'npm', 'test', '--debug'] },
    { why: 'nor those of exec', argv: ['exec', 'x', 'ls', '--plain'], rest: ['exec', 'x', 'ls', '--plain'] },
    { why: 'before run they are ours', argv: ['--plain', 'run', '--', 'x'], rest: ['run', '--', 'x'], plain: true },
    { why: 'none', argv: [], rest: [] },
  ])('$why', ({ argv, rest, plain = false, debug = false }) => {
    expect(takeGlobalFlags(argv)).toEqual({ argv: rest, plain, debug });
  });
});
