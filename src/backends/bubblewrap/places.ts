import fs from 'node:fs';
import path from 'node:path';
import type { Scope } from '../../kernel/scope.ts';
import { heldPath } from '../../platform/assets.ts';
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
  const inState = (name: string): string => path.join(stateDirectory, name);
  // Where the workspace is mounted is made with the home; one that is there already may be an agent's (SECURITY S1).
  const names = fs.existsSync(inState('home')) ? ['workspace'] : ['home', 'home/workspace', 'workspace'];
  for (const name of names) fs.mkdirSync(inState(name), { recursive: true, mode: 0o700 });
  if (hostUid !== null) {
    for (const name of ['home', 'workspace']) {
      // A resumed bottle's trees are the agent's already, and are not walked (SECURITY S1).
      if (fs.lstatSync(inState(name)).uid !== hostUid) giveTree(inState(name), hostUid);
    }
  }
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

function makeFiles(directory: string, files: Readonly<Record<string, string>>, scope: Scope): void {
  scope.defer('made files', () => {
    fs.rmSync(directory, { recursive: true, force: true });
  });
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const [name, content] of Object.entries(files)) {
    fs.writeFileSync(path.join(directory, name), content, { mode: 0o644 });
  }
}

/** Before the agent's first instruction: the tree still is the operator's own. Links are given, not followed. */
function giveTree(file: string, uid: number): void {
  fs.lchownSync(file, uid, uid);
  if (!fs.lstatSync(file).isDirectory()) return;
  for (const name of fs.readdirSync(file)) giveTree(path.join(file, name), uid);
}
