import { expect, it } from 'vitest';
import { findingLines, plainLine, summaryLine, upstreamLines } from '../../../src/policy/gitgate/findings-text.ts';

it('says where each finding is, and what to do', () => {
  const lines = findingLines([
    { commit: '9f2c1aa0'.padEnd(40, '0'), place: 'config/dev.env:4', rule: 'github-pat' },
    { commit: null, place: 'ref name', rule: 'aws-access-token' },
  ]);
  expect(lines).toEqual([
    '',
    '  refused  9f2c1aa config/dev.env:4   github-pat   (redacted)',
    '  refused          ref name           aws-access-token   (redacted)',
    '',
    'Nothing was sent to the upstream. Remove it from every commit (git rebase -i 9f2c1aa~), then push again.',
  ]);
  expect(summaryLine({ commits: 3, objects: 1, seconds: 0.234 })).toBe(
    'bot-bottle scanned 3 commits, 1 object in 0.2 s',
  );
});

it('shows a screenful and counts the rest', () => {
  const many = Array.from({ length: 25 }, (_, index) => ({ commit: null, place: `f:${index}`, rule: 'r' }));
  expect(findingLines(many)).toContain('  and 5 more');
});

it('never lets a path or an upstream steer the terminal', () => {
  const lines = findingLines([{ commit: null, place: 'a\u001b[2J\u202eb', rule: 'r' }]);
  expect(lines.join('')).not.toMatch(/[\u001b\u202e]/);
  expect(plainLine('x'.repeat(1000))).toHaveLength(500);
  expect(upstreamLines('one\rtwo\r\n\u001b]0;x\u0007three\n\n\n')).toEqual(['one', 'two', '\ufffd]0;x\ufffdthree']);
});
