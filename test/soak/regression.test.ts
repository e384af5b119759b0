import { describe, expect, it } from 'vitest';
import { slopeOf, type Sample } from './regression.ts';

const MB = 1e6;
const series = (count: number, bytesAt: (second: number) => number): readonly Sample[] =>
  Array.from({ length: count }, (_, second) => ({ atMs: 5_000 + second * 1_000, bytes: bytesAt(second) }));
const saw = (second: number): number => (second % 7) * 2 * MB;

describe('the slope of memory', () => {
  it.each([
    { why: 'a flat line', samples: series(100, () => 100 * MB), grows: false },
    { why: 'a saw, as a collector draws it', samples: series(100, (second) => 100 * MB + saw(second)), grows: false },
    { why: 'one step within the noise', samples: series(100, (second) => 100 * MB + (second > 50 ? 2 * MB : 0)), grows: false },
    { why: 'a leak of 0.2 MB a second', samples: series(100, (second) => 100 * MB + 0.2 * MB * second), grows: true },
    { why: 'the same leak under a saw', samples: series(400, (second) => 100 * MB + 0.2 * MB * second + saw(second)), grows: true },
    { why: 'no samples', samples: [], grows: false },
  ])('$why', ({ samples, grows }) => {
    const { grownBytes, boundBytes } = slopeOf(samples);
    expect(grownBytes > boundBytes).toBe(grows);
  }); // prettier-ignore

  it('is that of the line', () => {
    const slope = slopeOf(series(61, (second) => 50 * MB + 3 * second));
    expect(slope.bytesPerSecond).toBeCloseTo(3);
    expect(slope.grownBytes).toBeCloseTo(180);
  });
});
