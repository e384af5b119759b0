import fs from 'node:fs';
import { BottleError } from '../kernel/errors.ts';
import type { ProvisionPlan } from './provider.ts';

/** Looks at the host right before the launch: a cache can be emptied between the plan and the start. */
export function verifyProvision(plan: ProvisionPlan): void {
  for (const check of plan.verify) {
    if (!isExecutableFile(check.path)) {
      throw new BottleError('provider_failed', {
        message: `${check.path} is not there any more, or can't be run`,
        hint: 'start again: it is fetched anew',
      });
    }
  }
}

export function isExecutableFile(file: string): boolean {
  const facts = fs.statSync(file, { throwIfNoEntry: false });
  return facts?.isFile() === true && (facts.mode & 0o111) !== 0;
}
