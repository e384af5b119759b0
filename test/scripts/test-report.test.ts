import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeRun, readReports, type RunFacts } from '../../scripts/test-report.ts';

const BUBBLEWRAP = { file: 'test/a.test.ts', title: 'a bottle', why: 'bubblewrap is missing' };
const NO_CLI = { file: 'test/b.test.ts', title: 'the CLI', why: "Claude Code can't be fetched here: offline" };
const GREEN: RunFacts = {
  reports: { passed: 3, failed: 0, skipped: [] },
  vitestPassed: true,
  failedChecks: [],
  inCi: true,
};

describe('the verdict of npm test', () => {
  const rows: readonly { readonly why: string; readonly facts: Partial<RunFacts>; readonly ok: boolean }[] = [
    { why: 'all passed', facts: {}, ok: true },
    { why: 'a test failed', facts: { reports: { passed: 3, failed: 1, skipped: [] } }, ok: false },
    { why: 'vitest failed outside of tests', facts: { vitestPassed: false }, ok: false },
    { why: 'vitest died', facts: { reports: null, vitestPassed: false }, ok: false },
    { why: 'nothing ran', facts: { reports: { passed: 0, failed: 0, skipped: [] } }, ok: false },
    { why: 'a check failed', facts: { failedChecks: ['lint'] }, ok: false },
    {
      why: 'CI skipped what it can set up',
      facts: { reports: { passed: 3, failed: 0, skipped: [BUBBLEWRAP] } },
      ok: false,
    },
    {
      why: 'CI skipped without a reason',
      facts: { reports: { passed: 3, failed: 0, skipped: [{ ...BUBBLEWRAP, why: '' }] } },
      ok: false,
    },
    {
      why: 'CI skipped what it can not help',
      facts: { reports: { passed: 3, failed: 0, skipped: [NO_CLI] } },
      ok: true,
    },
    {
      why: 'a person skipped it',
      facts: { inCi: false, reports: { passed: 3, failed: 0, skipped: [BUBBLEWRAP] } },
      ok: true,
    },
  ];

  it.each(rows)('$why', ({ facts, ok }) => {
    expect(judgeRun({ ...GREEN, ...facts }).ok).toBe(ok);
  });

  it('ends with the counts, after what was skipped and why', () => {
    const { lines } = judgeRun({ ...GREEN, inCi: false, reports: { passed: 3, failed: 2, skipped: [BUBBLEWRAP] } });
    expect(lines).toEqual(['skipped:', '  test/a.test.ts  a bottle: bubblewrap is missing', '3 passed, 2 failed']);
  });
});

describe("vitest's reports", () => {
  it('count a file that broke without a failing test', () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-report-'));
    try {
      expect(readReports(directory)).toBeNull();
      const vitest = {
        numPassedTests: 5,
        numFailedTests: 1,
        testResults: [
          { status: 'failed', assertionResults: [{ status: 'failed' }] },
          { status: 'failed', assertionResults: [] },
          { status: 'passed', assertionResults: [{ status: 'passed' }] },
        ],
      };
      fs.writeFileSync(path.join(directory, 'vitest.json'), JSON.stringify(vitest));
      fs.writeFileSync(path.join(directory, 'skipped.json'), JSON.stringify([BUBBLEWRAP]));
      expect(readReports(directory)).toEqual({ passed: 5, failed: 2, skipped: [BUBBLEWRAP] });
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});
