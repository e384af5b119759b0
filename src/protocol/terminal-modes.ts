/**
 * What a program turned on in a terminal and left on: full-screen programs that are killed leave the screen in a state
 * in which nobody can work. Follows the private modes (DEC STD 070; xterm's control sequences) that a stream sets and
 * resets, in any split of it, and says what puts the terminal right.
 */
export class TerminalModes {
  readonly #on = new Set<number>();
  #cursorHidden = false;
  #keypad = false;
  /** Levels of the kitty keyboard protocol that were pushed. */
  #keyboard = 0;
  #held = '';

  push(chunk: Uint8Array): void {
    // Sequences are ASCII; a byte of anything else only has to be no part of one.
    let text = this.#held;
    for (const byte of chunk) text += String.fromCharCode(byte);
    for (const [, introducer = '', parameters = '', final = ''] of text.matchAll(SEQUENCE)) {
      if (introducer === '>' && final === 'u') this.#keyboard += 1;
      else if (introducer === '<' && final === 'u') this.#keyboard = Math.max(0, this.#keyboard - 1);
      else if (introducer === '?') this.#set(parameters, final);
    }
    for (const [, which] of text.matchAll(KEYPAD)) this.#keypad = which === '=';
    const escape = text.lastIndexOf('\u001b');
    this.#held = escape === -1 || text.length - escape > LONGEST_SEQUENCE ? '' : text.slice(escape);
    if (COMPLETE.test(this.#held)) this.#held = '';
  }

  /** The shortest text that undoes what is still on; empty when all is as it was. */
  restore(): string {
    const modes = [...this.#on].sort((left, right) => right - left).map((mode) => `\u001b[?${String(mode)}l`);
    return [
      '\u001b[<u'.repeat(this.#keyboard),
      ...modes,
      this.#keypad ? '\u001b>' : '',
      this.#cursorHidden ? '\u001b[?25h' : '',
      modes.length > 0 || this.#cursorHidden ? '\u001b[0m' : '',
    ].join('');
  }

  #set(parameters: string, final: string): void {
    for (const mode of parameters.split(';').map(Number)) {
      if (mode === CURSOR) this.#cursorHidden = final === 'l';
      else if (!RESTORED.has(mode)) continue;
      else if (final === 'h') this.#on.add(mode);
      else if (final === 'l') this.#on.delete(mode);
    }
  }
}

const SEQUENCE = /\u001b\[([?<>])([\d;]*)([hlu])/g;
const KEYPAD = /\u001b([=>])/g;
const COMPLETE = /^\u001b(?:[=>]|\[[?<>]?[\d;]*[@-~])/;
const LONGEST_SEQUENCE = 64;
const CURSOR = 25;

/**
 * Application cursor keys, reverse video, mouse reports in their forms, focus, the alternate screens, bracketed paste,
 * synchronised output: all that a program turns on for itself and a shell does not expect.
 */
const RESTORED: ReadonlySet<number> = new Set([
  1, 5, 9, 47, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047, 1049, 2004, 2026, 2031,
]);
