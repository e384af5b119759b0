import type { Backend } from '../../ports/backend.ts';
import { readTextOrNull } from '../../platform/processes.ts';
import { applyBubblewrap, type BubblewrapBottle } from './apply.ts';
import { probeBubblewrap } from './availability.ts';
import { enterBubblewrap } from './enter.ts';
import { findCgroupBases, measuresDisk, supportFrom, type CgroupBases } from './cgroups.ts';
import { gatherHostFacts } from './facts.ts';
import { planBottle, type BubblewrapPlan, type Wall } from './plan.ts';

export interface BubblewrapOptions {
  /** A directory of the bottle's own for what only lives as long as it does; others must be able to pass through. */
  readonly runtimeDirectory: (slug: string) => string;
  /** For tests of the proof alone: leaves one wall out. */
  readonly withoutWall?: Wall;
}

/** What is done, and what a proof compares with: the same, unless a test took a wall away. */
export interface PlannedBottle {
  readonly plan: BubblewrapPlan;
  readonly intended: BubblewrapPlan;
}

export interface BubblewrapBackend extends Backend<PlannedBottle> {
  apply(...parameters: Parameters<Backend<PlannedBottle>['apply']>): Promise<BubblewrapBottle>;
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
    limits: () => Promise.resolve(supportFrom(cgroupBases(), measuresDisk())),
    plan: (bottle) => {
      const facts = gatherHostFacts(cgroupBases());
      const intended = planBottle(bottle, facts);
      const { withoutWall } = options;
      return Promise.resolve({
        intended,
        plan: withoutWall === undefined ? intended : planBottle(bottle, facts, withoutWall),
      });
    },
    apply: (planned, context) => applyBubblewrap(planned, context, options),
    enter: enterBubblewrap,
  };
}

function cgroupBases(): CgroupBases {
  return findCgroupBases(readTextOrNull('/proc/self/cgroup') ?? '');
}
