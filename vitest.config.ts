import path from 'node:path';
import { defineConfig } from 'vitest/config';
import SkipsReporter from './test/setup/skips-reporter.ts';

/** `npm test` names a directory here and reads both reports from it; a run by hand writes none. */
const reports = process.env['BOT_BOTTLE_TEST_REPORTS'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/build.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Skipping is said in a test, with its reason; a forgotten `.only` must not hide the others.
    allowOnly: false,
    reporters:
      reports === undefined
        ? ['default']
        : [
            'default',
            ['json', { outputFile: path.join(reports, 'vitest.json') }],
            new SkipsReporter({ outputFile: path.join(reports, 'skipped.json') }),
          ],
  },
});
