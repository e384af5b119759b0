/**
 * One line typed on a terminal in raw mode, of which nothing is shown: what the terminal's own line discipline would do,
 * in any split of the bytes. Sequences of keys that are no text (arrows, function keys, the marks around what is pasted)
 * leave the value alone; Esc by itself is told from the start of one by what follows, or by nothing following.
 */
export type Typed =
  | { readonly kind: 'typing' }
  /** An escape stands at the end: Esc itself, unless more follows at once. */
  | { readonly kind: 'escape' }
  | { readonly kind: 'entered'; readonly value: string }
  | { readonly kind: 'cancelled' };

const KEY = { interrupt: '\u0003', end: '\u0004', backspace: '\u007f', erase: '\b', kill: '\u0015' } as const;
const ESCAPE = '\u001b';

/** Inside a sequence: after Esc, after `Esc [` until its final character, after `Esc O` for one more. */
type Within = 'text' | 'escape' | 'csi' | 'ss3';

export class HiddenLine {
  readonly #characters: string[] = [];
  readonly #decoder = new TextDecoder();
  #within: Within = 'text';

  push(chunk: Uint8Array): Typed {
    for (const character of this.#decoder.decode(chunk, { stream: true })) {
      const typed = this.#within === 'text' ? this.#key(character) : this.#inSequence(character);
      if (typed !== null) return typed;
    }
    return { kind: this.#within === 'escape' ? 'escape' : 'typing' };
  }

  #key(character: string): Typed | null {
    switch (character) {
      case '\r':
      case '\n':
        return { kind: 'entered', value: this.#characters.join('') };
      case KEY.interrupt:
        return { kind: 'cancelled' };
      case KEY.end:
        return this.#characters.length === 0 ? { kind: 'cancelled' } : null;
      case KEY.backspace:
      case KEY.erase:
        this.#characters.pop();
        return null;
      case KEY.kill:
        this.#characters.length = 0;
        return null;
      case ESCAPE:
        this.#within = 'escape';
        return null;
      default:
        if (character >= ' ') this.#characters.push(character);
        return null;
    }
  }

  #inSequence(character: string): Typed | null {
    if (character === KEY.interrupt) return { kind: 'cancelled' };
    switch (this.#within) {
      case 'escape':
        this.#within = character === '[' ? 'csi' : character === 'O' ? 'ss3' : character === ESCAPE ? 'escape' : 'text';
        return null;
      case 'csi':
        if (character >= '@' && character <= '~') this.#within = 'text';
        return null;
      case 'ss3':
      case 'text':
        this.#within = 'text';
        return null;
    }
  }
}
