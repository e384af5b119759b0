import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogLines } from '../../src/bundle/log-lines.ts';

function cut(chunks: readonly string[], limitBytes = 8): readonly string[] {
  const lines = new LogLines(limitBytes);
  return [...chunks.flatMap((chunk) => lines.push(Buffer.from(chunk))), ...lines.end()];
}

describe('what a service writes, as log lines', () => {
  it.each([
    { why: 'whole lines', chunks: ['a\nb\n'], lines: ['a', 'b'] },
    { why: 'a line in pieces', chunks: ['a', 'b', 'c\nd'], lines: ['abc', 'd'] },
    { why: 'an empty line', chunks: ['\n\n'], lines: ['', ''] },
    { why: 'exactly the bound', chunks: ['12345678\n'], lines: ['12345678'] },
    { why: 'over it, the next line unharmed', chunks: ['123456789a\nb\n'], lines: ['12345678… (2 more bytes)', 'b'] },
    {
      why: 'far over it, in pieces',
      chunks: ['1234567', '89', 'abc', '\nb'],
      lines: ['12345678… (4 more bytes)', 'b'],
    },
    { why: 'a cut last line', chunks: ['123456789'], lines: ['12345678… (1 more bytes)'] },
    { why: 'control characters', chunks: ['a\x1b[2J\tb\r\n\x9b'], lines: ['a\ufffd[2J\tb\ufffd', '\ufffd'] },
  ])('$why', ({ chunks, lines }) => {
    expect(cut(chunks)).toEqual(lines);
  });

  it('any split of the bytes gives the same lines', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.array(fc.nat(60)), (noise, cuts) => {
        const text = noise.replaceAll('x', '\n');
        const bytes = Buffer.from(text);
        const at = [...new Set([0, ...cuts.filter((n) => n < bytes.length), bytes.length])].sort((a, b) => a - b);
        const lines = new LogLines(8);
        const split = at.flatMap((from, index) => lines.push(bytes.subarray(from, at[index + 1] ?? from)));
        expect([...split, ...lines.end()]).toEqual(cut([text]));
      }),
    );
  });
});
