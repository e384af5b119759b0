import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findProgram } from '../../src/bundle/host-facts.ts';
import { pollUntil } from '../../src/launch/readiness.ts';
import { World } from './support/world.ts';

/** A real terminal (tmux, on a server of the test's own) with a shell in a bottle. */
const TMUX = findProgram('tmux');

class Terminal implements Disposable {
  readonly #server = `bot-bottle-test-${String(process.pid)}`;

  constructor(world: World, command: string) {
    const env = [`BOT_BOTTLE_HOME=${world.home}`, `HOME=${world.root}`].flatMap((pair) => ['-e', pair]);
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '30', '-c', world.project, ...env, command);
  }

  type(text: string): void {
    this.#tmux('send-keys', ...text.split(' ').flatMap((word, index) => (index === 0 ? [word] : ['Space', word])));
  }

  key(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  sees(pattern: RegExp): Promise<string> {
    return pollUntil(String(pattern), 20_000, () => {
      const screen = this.#tmux('capture-pane', '-p');
      return pattern.test(screen) ? screen : null;
    });
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server');
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync(TMUX ?? 'tmux', ['-L', this.#server, ...args], { encoding: 'utf8' });
  }
}

describe('run in a terminal', () => {
  it('gives the agent the terminal: Ctrl-C reaches its job and not the bottle, and its exit code comes out', async ({
    skip,
  }) => {
    if (TMUX === null) skip('tmux is not installed');
    using world = new World();
    const cli = `${process.execPath} ${path.resolve('dist/cli.js')}`;
    using terminal = new Terminal(world, `${cli} run --workspace none -- bash --norc; echo code=$?; sleep 60`);
    await terminal.sees(/[$#] *$/m);
    terminal.type('sleep 1000');
    terminal.key('Enter');
    await terminal.sees(/sleep 1000\n/);
    terminal.key('C-c');
    await terminal.sees(/\^C\s+\S*[$#]/);
    terminal.type('exit 5');
    terminal.key('Enter');
    expect(await terminal.sees(/code=\d+/)).toContain('code=5');
  });
});
