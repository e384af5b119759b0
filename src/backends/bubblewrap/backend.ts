import type { Backend } from '../../ports/backend.ts';
import { applyBubblewrap, type BubblewrapBottle } from './apply.ts';
import { findCgroupPlaces } from './cgroups.ts';
import { gatherHostFacts, probeBubblewrap } from './host-facts.ts';
import { limitSupport, planLimits } from './limits.ts';
import { checkMounts } from './mounts.ts';
import { planBubblewrap, type BubblewrapPlan, type Wall } from './plan.ts';

export interface BubblewrapOptions {
  /** A directory of the bottle's own for what only lives as long as it does; others must be able to pass through. */
  readonly runtimeDirectory: (slug: string) => string;
  /** Where claims on host uids are kept; only used by root. */
  readonly uidLocks?: string;
  /** For tests of the proof alone: leaves one wall out. */
  readonly withoutWall?: Wall;
}

export interface BubblewrapBackend extends Backend<BubblewrapPlan> {
  apply(...parameters: Parameters<Backend<BubblewrapPlan>['apply']>): Promise<BubblewrapBottle>;
}

export function bubblewrapBackend(options: BubblewrapOptions): BubblewrapBackend {
  return {
    capabilities: {
      name: 'bubblewrap',
      wall: 'Linux namespaces, a system call filter, no capabilities, read-only system (bubblewrap)',
      workspaceModes: ['copy', 'none'],
      debug: true,
    },
    probe: () => Promise.resolve(probeBubblewrap()),
    limits: () => Promise.resolve(limitSupport(findCgroupPlaces())),
    plan: (bottle) => {
      checkMounts(bottle.mounts.map(({ path }) => path));
      const limits = planLimits(bottle.slug, bottle.resources, findCgroupPlaces());
      return Promise.resolve(planBubblewrap(bottle, gatherHostFacts(), limits, options.withoutWall ?? null));
    },
    apply: (plan, context) => applyBubblewrap(plan, context, options),
  };
}
