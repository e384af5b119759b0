import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BottleError } from '../../src/kernel/errors.ts';
import { printable, renderError } from '../../src/kernel/render-error.ts';

const position = { file: 'bottles/acme.md', line: 12, column: 9 };

describe('an error as people read it', () => {
  test.each([
    {
      why: 'place, key, message, hint',
      details: { message: 'unknown key "method"', position, key: 'egress.routes[1]', hint: 'methods: [GET]' },
      text: 'bottles/acme.md:12:9  egress.routes[1]\n  unknown key "method"\n      methods: [GET]',
    },
    { why: 'place alone', details: { message: 'broken', position }, text: 'bottles/acme.md:12:9\n  broken' },
    { why: 'key alone', details: { message: 'broken', key: 'env.A' }, text: 'env.A\n  broken' },
    { why: 'message alone', details: { message: 'broken' }, text: 'broken' },
    { why: 'message and hint', details: { message: 'broken', hint: 'fix it' }, text: 'broken\n      fix it' },
    {
      why: 'several lines',
      details: { message: 'one\ntwo', position, hint: 'a\nb' },
      text: 'bottles/acme.md:12:9\n  one\n  two\n      a\n      b',
    },
  ])('$why', ({ details, text }) => {
    expect(renderError(new BottleError('manifest_invalid', details))).toBe(text);
  });

  test('G-REPO names from a file steer no terminal', () => {
    const hostile = 'x\u001b[2J\u0007\u009b\u202e\u200f\u2028\r';
    const text = renderError(
      new BottleError('manifest_invalid', {
        message: hostile,
        key: hostile,
        hint: hostile,
        position: { ...position, file: hostile },
      }),
    );
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toContain('x\\u{1b}[2J\\u{7}\\u{9b}\\u{202e}\\u{200f}\\u{2028}\\u{d}');
  });

  test('what is left is printable, and ordinary text of any language is untouched', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
    expect(printable('Größe ≤ 4 GiB, 日本語, «ok» 🙂')).toBe('Größe ≤ 4 GiB, 日本語, «ok» 🙂');
  });
});
