import fs from 'node:fs';
import path from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import { z } from 'zod';

/** What was skipped and why: vitest's JSON report has no place for the reason. */
export const SkippedSchema = z.array(z.object({ file: z.string(), title: z.string(), why: z.string() }));
export type Skipped = z.infer<typeof SkippedSchema>;

export default class SkipsReporter implements Reporter {
  readonly #file: string;

  constructor(options: { readonly outputFile: string }) {
    this.#file = options.outputFile;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: Skipped = modules.flatMap((module) =>
      [...module.children.allTests('skipped')].map((test) => {
        const result = test.result();
        const why = result.state === 'skipped' ? (result.note ?? '') : '';
        return { file: module.relativeModuleId, title: test.fullName, why };
      }),
    );
    fs.mkdirSync(path.dirname(this.#file), { recursive: true });
    fs.writeFileSync(this.#file, JSON.stringify(skipped));
  }
}
