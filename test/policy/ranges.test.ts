import { describe, expect, it } from 'vitest';
import { isLongRange } from '../../src/policy/ranges.ts';

describe('S13 a range is long enough to find echoes in', () => {
  it.each([
    { value: 'bytes=0-1023', long: true, why: 'just enough' },
    { value: 'bytes=0-1022', long: false, why: 'one byte less' },
    { value: 'bytes=500-', long: true, why: 'from there to the end' },
    { value: 'bytes=-1024', long: true, why: 'the last of it' },
    { value: 'bytes=-7', long: false, why: 'a short end' },
    { value: 'Bytes=0-2047, 4096-8191', long: true, why: 'units in any case, several' },
    { value: 'bytes=0-2047,4-9', long: false, why: 'one of several is short' },
    { value: 'bytes=9-4', long: false, why: 'backwards' },
    { value: 'bytes=', long: false, why: 'none' },
    { value: 'bytes=a-b', long: false, why: 'no numbers' },
    { value: 'bytes=0-1023x', long: false, why: 'something after it' },
    { value: 'lines=0-4000', long: false, why: 'another unit' },
    { value: 'bytes=0-9999999999999999999', long: false, why: 'more digits than can be told apart' },
    {
      value: `bytes=${Array.from({ length: 17 }, (_, at) => `${String(at * 4096)}-${String(at * 4096 + 2047)}`).join()}`,
      long: false,
      why: 'too many',
    },
  ])('$value → $long ($why)', ({ value, long }) => {
    expect(isLongRange(value)).toBe(long);
  });
});
