import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editDistance, nearest } from '../../src/manifest/edit-distance.ts';

describe('the distance of words', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['method', 'methods', 1],
    ['skils', 'skills', 1],
    ['routse', 'routes', 1],
    ['egress', 'ingress', 2],
    ['kitten', 'sitting', 3],
    ['abcdef', 'badcfe', 3],
  ])('%j and %j: %d', (left, right, slips) => {
    expect(editDistance(left, right)).toBe(slips);
  });

  test('is symmetric, zero only for the same, and no more than the longer word', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (left, right) => {
        const slips = editDistance(left, right);
        expect(slips).toBe(editDistance(right, left));
        expect(slips === 0).toBe(left === right);
        expect(slips).toBeLessThanOrEqual(Math.max(left.length, right.length));
      }),
    );
  });

  test.each([
    { word: 'env', among: ['env', 'egress'], meant: 'env' },
    { word: 'evn', among: ['env', 'egress'], meant: 'env' },
    { word: 'end', among: ['env'], meant: 'env' },
    { word: 'tools', among: ['skills', 'bottle'], meant: null },
    { word: 'GitGate', among: ['git-gate'], meant: 'git-gate' },
    { word: 'recources', among: ['resources', 'routes'], meant: 'resources' },
    { word: 'x', among: [], meant: null },
    { word: 'a'.repeat(100_000), among: ['env'], meant: null },
  ])('$meant is meant by a misspelling', ({ word, among, meant }) => {
    expect(nearest(word, among)).toBe(meant);
  });
});
