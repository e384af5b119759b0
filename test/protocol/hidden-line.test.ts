import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HiddenLine, type Typed } from '../../src/protocol/hidden-line.ts';

const ESC = '\u001b';

function typed(...chunks: readonly Uint8Array[]): Typed {
  const line = new HiddenLine();
  let last: Typed = { kind: 'typing' };
  for (const chunk of chunks) {
    last = line.push(chunk);
    if (last.kind === 'entered' || last.kind === 'cancelled') break;
  }
  return last;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a line that is typed and not shown', () => {
  it.each([
    { why: 'a line', keys: 'abc\r', value: 'abc' },
    { why: 'a line feed, as pasted', keys: 'abc\n', value: 'abc' },
    { why: 'nothing', keys: '\r', value: '' },
    { why: 'backspace takes the last', keys: 'abx\u007fc\r', value: 'abc' },
    { why: 'backspace takes a whole character', keys: 'a😀\u007fb\r', value: 'ab' },
    { why: 'backspace on nothing', keys: '\u007fa\r', value: 'a' },
    { why: 'Ctrl-U takes all', keys: 'abc\u0015d\r', value: 'd' },
    { why: 'an arrow is no text', keys: `a${ESC}[Db\r`, value: 'ab' },
    { why: 'an arrow in application mode', keys: `a${ESC}ODb\r`, value: 'ab' },
    { why: 'a function key with parameters', keys: `a${ESC}[15;2~b\r`, value: 'ab' },
    { why: 'the marks around a paste', keys: `${ESC}[200~abc${ESC}[201~\r`, value: 'abc' },
    { why: 'Alt and a letter', keys: `a${ESC}xb\r`, value: 'ab' },
    { why: 'other control characters', keys: 'a\u0001\u001ab\r', value: 'ab' },
    { why: 'Ctrl-D with something typed', keys: 'ab\u0004c\r', value: 'abc' },
  ])('$why', ({ keys, value }) => {
    expect(typed(bytes(keys))).toEqual({ kind: 'entered', value });
  });

  it.each([
    { why: 'Ctrl-C', keys: 'abc\u0003', kind: 'cancelled' },
    { why: 'Ctrl-C after an escape', keys: `abc${ESC}\u0003`, kind: 'cancelled' },
    { why: 'the end of input', keys: '\u0004', kind: 'cancelled' },
    { why: 'the end of input once all was taken back', keys: 'a\u007f\u0004', kind: 'cancelled' },
    { why: 'Esc', keys: `abc${ESC}`, kind: 'escape' },
    { why: 'Esc twice', keys: `${ESC}${ESC}`, kind: 'escape' },
    { why: 'half of an arrow', keys: `abc${ESC}[`, kind: 'typing' },
  ])('$why: $kind', ({ keys, kind }) => {
    expect(typed(bytes(keys))).toEqual({ kind });
  });

  it('is the same for any split of the bytes', () => {
    const key = fc.constantFrom('a', 'é', '😀', '\u007f', '\u0015', `${ESC}[C`, `${ESC}OP`, `${ESC}[15;2~`, `${ESC}x`);
    fc.assert(
      fc.property(fc.array(key, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 6 }), (keys, cuts) => {
        const all = bytes(`${keys.join('')}\r`);
        const at = [0, ...cuts.map((cut) => cut % all.length).sort((left, right) => left - right), all.length];
        const chunks = at.slice(1).map((end, index) => all.subarray(at[index] ?? 0, end));
        expect(typed(...chunks)).toEqual(typed(all));
      }),
    );
  });
});
