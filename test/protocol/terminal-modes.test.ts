import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TerminalModes } from '../../src/protocol/terminal-modes.ts';

const ESC = '\u001b';
const restoreOf = (...chunks: readonly (string | Uint8Array)[]): string => {
  const modes = new TerminalModes();
  for (const chunk of chunks) modes.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
  return modes.restore();
};

describe('what a program left on in a terminal', () => {
  it.each([
    { why: 'nothing', stream: 'hello\r\n', restore: '' },
    { why: 'the alternate screen', stream: `${ESC}[?1049h`, restore: `${ESC}[?1049l${ESC}[0m` },
    { why: 'on and off again', stream: `${ESC}[?1049hx${ESC}[?1049l`, restore: '' },
    { why: 'several in one', stream: `${ESC}[?1000;1006h`, restore: `${ESC}[?1006l${ESC}[?1000l${ESC}[0m` },
    { why: 'a hidden cursor', stream: `${ESC}[?25l`, restore: `${ESC}[?25h${ESC}[0m` },
    { why: 'a shown cursor', stream: `${ESC}[?25l${ESC}[?25h`, restore: '' },
    { why: 'bracketed paste', stream: `${ESC}[?2004h`, restore: `${ESC}[?2004l${ESC}[0m` },
    { why: 'the keypad', stream: `${ESC}=`, restore: `${ESC}>` },
    {
      why: 'the kitty keyboard, twice, once taken back',
      stream: `${ESC}[>1u${ESC}[>5u${ESC}[<u`,
      restore: `${ESC}[<u`,
    },
    { why: 'a mode that does no harm', stream: `${ESC}[?12h`, restore: '' },
    { why: 'line wrap, which is on by itself', stream: `${ESC}[?7h`, restore: '' },
    { why: 'no sequence at all', stream: '[?1049h', restore: '' },
  ])('$why', ({ stream, restore }) => {
    expect(restoreOf(stream)).toBe(restore);
  });

  it('is the same for any split of the stream', () => {
    const piece = fc.constantFrom(
      `${ESC}[?1049h`,
      `${ESC}[?1049l`,
      `${ESC}[?25l`,
      `${ESC}[?25h`,
      `${ESC}[?1000;1006h`,
      `${ESC}[>1u`,
      `${ESC}[<u`,
      `${ESC}=`,
      `${ESC}>`,
      'text ',
      'ü',
      ESC,
      `${ESC}[31m`,
      `${ESC}]0;title\u0007`,
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(200), { maxLength: 10 }), (pieces, cuts) => {
        const bytes = new TextEncoder().encode(pieces.join(''));
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        expect(restoreOf(...chunks)).toBe(restoreOf(bytes));
      }),
    );
  });

  it('holds back no more than a sequence can be long', () => {
    const modes = new TerminalModes();
    modes.push(new TextEncoder().encode(`${ESC}[?${'1;'.repeat(100_000)}`));
    modes.push(new TextEncoder().encode('h'));
    expect(modes.restore()).toBe('');
  });
});
