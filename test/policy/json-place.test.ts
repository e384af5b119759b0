import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findJsonString, parsePointer } from '../../src/policy/json-place.ts';

const find = (text: string, pointer: string) => findJsonString(text, parsePointer(pointer) ?? []);

describe('S9 the string that a JSON pointer names', () => {
  test.each([
    { text: '{"a":"x"}', pointer: '/a', slice: '"x"', why: 'plain' },
    { text: ' { "b" : [ 1 , { "a" : "x" } ] } ', pointer: '/b/1/a', slice: '"x"', why: 'through a list, with space' },
    { text: '{"a/b":{"~":"x"}}', pointer: '/a~1b/~0', slice: '"x"', why: 'escaped tokens' },
    { text: '{"\\u0061":"x"}', pointer: '/a', slice: '"x"', why: 'a key in escapes' },
    { text: '{"a":"\\u0078\\n"}', pointer: '/a', slice: '"\\u0078\\n"', why: 'a value in escapes' },
  ])('$why', ({ text, pointer, slice }) => {
    const found = find(text, pointer);
    expect(found.ok && found.value !== null && text.slice(found.value.start, found.value.end)).toBe(slice);
  });

  test.each([
    { text: '{"a":1}', pointer: '/a', why: 'a number' },
    { text: '{"a":{"b":"x"}}', pointer: '/b', why: 'deeper than named' },
    { text: '"x"', pointer: '/a', why: 'no object' },
    { text: '{"a":["x"]}', pointer: '/a/1', why: 'past the end of a list' },
    { text: '{"A":"x"}', pointer: '/a', why: 'another letter case' },
  ])('finds nothing in $why', ({ text, pointer }) => {
    expect(find(text, pointer)).toEqual({ ok: true, value: null });
  });

  test.each([
    { text: '{"a":"x","a":"y"}', why: 'a key twice: parsers differ in which one counts' },
    { text: '{"a":"x","\\u0061":"y"}', why: 'a key twice, once in escapes' },
    { text: '{"a":"x",}', why: 'a comma too many' },
    { text: "{'a':'x'}", why: 'single quotes' },
    { text: '{"a":"x"} {"a":"y"}', why: 'two documents' },
    { text: '{"a":"x"', why: 'an end that is missing' },
    { text: '{"a":NaN}', why: 'a literal of JavaScript alone' },
    { text: '{"a":01}', why: 'a leading zero' },
    { text: '{"a":"\u0001"}', why: 'a control character' },
    { text: '[', why: 'nothing' },
    { text: '['.repeat(200), why: 'depth' },
  ])('is no clear JSON: $why', ({ text }) => {
    expect(find(text, '/a').ok).toBe(false);
  });

  test('agrees with JSON.parse about every text that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.string(), (rest, key, value) => {
        const text = JSON.stringify({ ...rest, [key]: value }, null, 1);
        const found = find(text, `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
        expect(found.ok && found.value?.value).toBe(value);
      }),
    );
  });

  test.each(['', 'a', '/a~', '/~2'])('%j is no pointer', (pointer) => {
    expect(parsePointer(pointer)).toBeNull();
  });
});
