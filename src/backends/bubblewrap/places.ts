import fs from 'node:fs';
import path from 'node:path';
import type { Scope } from '../../kernel/scope.ts';
import { heldPath } from '../../platform/assets.ts';
import { makeFiles, prepareTrees } from '../common/trees.ts';
import { planStage, prepareStage } from '../../platform/staging.ts';
import { needProgram } from './facts.ts';
import { stagedPaths, type Placement } from './invocation.ts';
import type { BubblewrapPlan } from './plan.ts';

export interface PlaceRequest {
  readonly stateDirectory: string;
  readonly programDirectory: string;
  /** Others must be able to pass through it when root starts the bottle. */
  readonly runtime: string;
  readonly hostUid: number | null;
  readonly joins: readonly string[];
  readonly terminal: boolean;
}

/** Makes the host side of the bottle: home and workspace in the right hands, its made files, and root's stage. */
export function preparePlaces(plan: BubblewrapPlan, request: PlaceRequest, scope: Scope): Placement {
  const { stateDirectory, runtime, hostUid, joins, terminal } = request;
  prepareTrees(stateDirectory, hostUid);
  const madeDirectory = path.join(runtime, 'made');
  makeFiles(madeDirectory, { ...plan.etc, empty: '' }, scope);
  const place: Omit<Placement, 'stage'> = {
    stateDirectory,
    madeDirectory,
    node: fs.realpathSync(process.execPath),
    probe: heldPath(request.programDirectory, 'probe.js'),
    helper: heldPath(request.programDirectory, 'netns-helper.js'),
    hostUid,
    setpriv: needProgram('setpriv'),
    joins,
    terminal,
  };
  if (hostUid === null) return { ...place, stage: null };
  const directory = path.join(runtime, 'stage-bottle');
  const staged = stagedPaths(plan, place);
  scope.defer('stage', () => {
    fs.rmSync(directory, { recursive: true, force: true });
  });
  prepareStage(directory, staged);
  return { ...place, stage: planStage(directory, staged) };
}
