import { describe, expect, it } from 'vitest';
import { terminalEnvironment } from '../../src/cli/terminal-environment.ts';

describe('what an agent is told of the terminal it is shown on', () => {
  it.each([
    { why: 'a kind that the system describes', given: { TERM: 'vt100' }, told: { TERM: 'vt100' } },
    { why: 'no kind at all', given: {}, told: { TERM: 'xterm-256color' } },
    { why: 'a kind that nobody described', given: { TERM: 'no-such-kind' }, told: { TERM: 'xterm-256color' } },
    { why: 'a way out of the descriptions', given: { TERM: '../../etc/passwd' }, told: { TERM: 'xterm-256color' } },
    { why: 'an escape', given: { TERM: 'vt100\u001b[2J' }, told: { TERM: 'xterm-256color' } },
    {
      why: 'a depth of colour',
      given: { TERM: 'vt100', COLORTERM: 'truecolor' },
      told: { TERM: 'vt100', COLORTERM: 'truecolor' },
    },
    { why: 'a depth nobody knows', given: { TERM: 'vt100', COLORTERM: 'many' }, told: { TERM: 'vt100' } },
  ])('$why', ({ given, told }) => {
    expect(terminalEnvironment(given)).toEqual(told);
  });
});
