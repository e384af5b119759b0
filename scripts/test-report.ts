import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { SkippedSchema, type Skipped } from '../test/setup/skips-reporter.ts';

/** The part of vitest's JSON report that is read here. */
const VitestReportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
});

export interface Reports {
  readonly passed: number;
  /** Failed tests, and files that failed without one of their tests failing. */
  readonly failed: number;
  readonly skipped: Skipped;
}

/** Why a test may be skipped even in CI: things that are not the machine's to have. Everything else is set up there. */
export const UNAVOIDABLE = [
  /^Claude Code can't be fetched here/,
  /^no python3 among the system’s programs/,
  // Clients that only show that they trust the CA; what a bottle is made of is never among them.
  /^the host has no (?!bwrap|git\b|curl)/,
] as const;

/** `null`: vitest ended before it wrote its reports. */
export function readReports(directory: string): Reports | null {
  const [vitest, skipped] = ['vitest.json', 'skipped.json'].map((name) => path.join(directory, name));
  if (vitest === undefined || skipped === undefined || !fs.existsSync(vitest) || !fs.existsSync(skipped)) return null;
  const report = VitestReportSchema.parse(JSON.parse(fs.readFileSync(vitest, 'utf8')));
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: SkippedSchema.parse(JSON.parse(fs.readFileSync(skipped, 'utf8'))),
  };
}

export interface RunFacts {
  readonly reports: Reports | null;
  readonly vitestPassed: boolean;
  readonly failedChecks: readonly string[];
  readonly inCi: boolean;
}

/** Pure: what `npm test` says at its end, and whether it passed. The last line is always `N passed, N failed`. */
export function judgeRun(facts: RunFacts): { readonly ok: boolean; readonly lines: readonly string[] } {
  const { reports, vitestPassed, failedChecks, inCi } = facts;
  const skipped = reports?.skipped ?? [];
  const refused = inCi ? skipped.filter(({ why }) => !UNAVOIDABLE.some((reason) => reason.test(why))) : [];
  const lines = [
    ...section('skipped', skipped.map(spellSkip)),
    ...section('skipped, which CI does not allow', refused.map(spellSkip)),
    ...section('checks that failed', failedChecks),
    ...(reports === null ? ['vitest wrote no report'] : []),
    `${String(reports?.passed ?? 0)} passed, ${String(reports?.failed ?? 0)} failed`,
  ];
  const clean = reports !== null && reports.failed === 0 && reports.passed > 0;
  return { ok: vitestPassed && clean && failedChecks.length === 0 && refused.length === 0, lines };
}

function section(title: string, items: readonly string[]): readonly string[] {
  return items.length === 0 ? [] : [`${title}:`, ...items.map((item) => `  ${item}`)];
}

function spellSkip({ file, title, why }: Skipped[number]): string {
  return `${file}  ${title}: ${why === '' ? 'no reason given' : why}`;
}
