import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { answering, startOrigin } from '../egress/support/origin.ts';
import { Asking, HOST, worldWith } from './support/asking.ts';
import { Terminal, TMUX } from './support/terminal.ts';

const COMMAND = `${process.execPath} ${path.resolve('dist/cli.js')} supervise; echo code=$?; sleep 60`;

describe.skipIf(TMUX === null)('the inbox on a terminal of 80 by 24', () => {
  it('S33 S34 shows what a yes would open, allows, takes back and rejects by single keys, and leaves the terminal as it was', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    await using agent = new Asking(world);
    using terminal = new Terminal(world, COMMAND, { NO_COLOR: '1' }, { columns: 80, rows: 24 });
    await terminal.sees(/nothing waits/, 40_000);
    const reason = '\u001b[2Jcleared \u202e and '.padEnd(600, 'long ');
    const asking = agent.call('allow', { host: HOST, matches: [{ methods: ['GET', 'PUT'] }], reason });
    const shown = await terminal.sees(/1 waiting/);
    expect(shown).toMatch(/▸ [0-9a-f]{8} run-/);
    expect(shown).toContain(`GET, PUT  ${HOST}/*`);
    expect(shown).toContain('\\u{1b}[2Jcleared \\u{202e}');
    expect(shown).toMatch(/n1 reading only/);
    expect(shown).toMatch(/a allow {2}1-9 narrower/);
    for (const line of shown.split('\n')) expect(line.length).toBeLessThanOrEqual(80);

    terminal.type('1');
    await terminal.sees(/in force/);
    expect(await asking).toMatchObject({ status: 'approved', granted: { matches: [{ methods: ['GET', 'HEAD'] }] } });
    expect(await agent.request(`https://${HOST}/`)).toBe('200 200');
    // The list has heard of it: what a key means depends on that.
    await terminal.sees(/▸ \w+ run-\w+ +allowed/);
    terminal.type('u');
    await terminal.sees(/taken back/);
    expect(await agent.request(`https://${HOST}/`)).toBe('000 403');

    const wide = agent.call('allow', { host: '*.example.com', reason: 'all' });
    await terminal.sees(/every request to \*\.example\.com/);
    terminal.type('a');
    await terminal.sees(/Type \*\.example\.com/);
    terminal.enter('example.com');
    await terminal.sees(/not the host/);
    terminal.type('r');
    await terminal.sees(/What the agent is told/);
    terminal.enter('too wide');
    await terminal.sees(/rejected/);
    expect(await wide).toMatchObject({ status: 'rejected', message: expect.stringContaining('too wide') });
    terminal.type('q');
    await terminal.sees(/code=0/);
    await pollUntil('the plain screen', 5_000, () => (terminal.modes().alternate === '0' ? true : null));
    expect(terminal.modes().cursor).toBe('1');
  });
});
