import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../../../src/bundle/host-facts.ts';
import type { World } from './world.ts';

export const TMUX = findProgram('tmux');

let servers = 0;

/** A real terminal: tmux on a server of the test's own. */
export class Terminal implements Disposable {
  readonly #server = `bot-bottle-test-${String(process.pid)}-${String((servers += 1))}`;

  #gone = false;

  constructor(
    world: World,
    command: string,
    env: Readonly<Record<string, string>> = {},
    { columns, rows }: { readonly columns: number; readonly rows: number } = { columns: 100, rows: 30 },
  ) {
    const all = { BOT_BOTTLE_HOME: world.home, HOME: world.root, ...env };
    const pairs = Object.entries(all).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(columns),
      '-y',
      String(rows),
      '-c',
      world.project,
      ...pairs,
      command,
    );
  }

  type(text: string): void {
    this.#tmux('send-keys', '-l', text);
  }

  key(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  enter(text: string): void {
    this.type(text);
    this.key('Enter');
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p');
  }

  /** With what has scrolled away. */
  history(): string {
    return this.#tmux('capture-pane', '-p', '-S', '-500');
  }

  /** What programs have left turned on, as tmux knows it. */
  modes(): { readonly alternate: string; readonly cursor: string; readonly mouse: string } {
    const format = '#{alternate_on} #{cursor_flag} #{mouse_any_flag}';
    const [alternate = '', cursor = '', mouse = ''] = this.#tmux('display-message', '-p', format).trim().split(' ');
    return { alternate, cursor, mouse };
  }

  /** The screen once it shows the pattern; else an error that shows the screen. */
  async sees(pattern: RegExp, withinMs = 15_000): Promise<string> {
    const end = performance.now() + withinMs;
    for (;;) {
      const screen = this.screen();
      if (pattern.test(screen)) return screen;
      if (performance.now() > end) throw new Error(`${String(pattern)} is not on the screen:\n${screen.trimEnd()}`);
      await sleep(30);
    }
  }

  /** The window is closed with all that runs in it. */
  hangUp(): void {
    const there = !this.#gone;
    this.#gone = true;
    if (there) this.#tmux('kill-server');
  }

  [Symbol.dispose](): void {
    this.hangUp();
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync(TMUX ?? 'tmux', ['-L', this.#server, ...args], { encoding: 'utf8' });
  }
}
