import { BottleError } from '../../kernel/errors.ts';
import { resourceComplaints } from '../../policy/resources.ts';
import type { LimitSupport } from '../../schema/limits.ts';
import type { Resources } from '../../schema/plan.ts';

/** The last look before a plan is made, for whoever came here past the command line, which knows the key's place. */
export function refuseWhatCannotBeHeld(resources: Resources, support: LimitSupport): void {
  const [complaint] = resourceComplaints(resources, support);
  if (complaint === undefined) return;
  const { resource, message, hint } = complaint;
  throw new BottleError('resource_unavailable', { message, key: `resources.${resource}`, hint });
}
