import fs from 'node:fs';
import path from 'node:path';
import type { Scope } from '../../kernel/scope.ts';
import { planStage, prepareStage } from '../../platform/staging.ts';
import type { BubblewrapPlan, Places } from './plan.ts';

/** Makes the host side of the bottle: its home and workspace in the right hands, its `/etc`, and root's stage. */
export interface PreparedPlaces {
  readonly places: Places;
  readonly stagePrefix: readonly string[];
}

export function preparePlaces(
  plan: BubblewrapPlan,
  stateDirectory: string,
  runtime: string,
  uid: number | null,
  scope: Scope,
): PreparedPlaces {
  const home = path.join(stateDirectory, 'home');
  const workspace = path.join(stateDirectory, 'workspace');
  const ours = path.join(stateDirectory, 'ours');
  for (const directory of [path.join(home, 'workspace'), workspace]) {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  fs.mkdirSync(ours, { recursive: true, mode: 0o755 });
  if (uid !== null) for (const tree of [home, workspace]) giveTree(tree, uid);
  const etc = path.join(runtime, 'etc');
  writeEtc(etc, plan.etcFiles, scope);

  const { nodeBinary: node, helper, probe } = plan.host;
  const direct: Places = {
    home,
    workspace,
    ours,
    etc,
    node,
    helper,
    probe,
    mounts: plan.bottle.mounts.map((m) => m.path),
  };
  return uid === null
    ? { places: direct, stagePrefix: [] }
    : stagePlaces(direct, path.join(runtime, 'stage-bottle'), scope);
}

function stagePlaces({ mounts, ...single }: Places, directory: string, scope: Scope): PreparedPlaces {
  const staged = [
    ...Object.entries(single).map(([name, source]) => ({ name, source })),
    ...mounts.map((source, index) => ({ name: `mount-${String(index)}`, source })),
  ];
  scope.defer('stage', () => {
    fs.rmSync(directory, { recursive: true, force: true });
  });
  prepareStage(directory, staged);
  const { prefix, pathOf } = planStage(directory, staged);
  return {
    stagePrefix: prefix,
    places: {
      home: pathOf('home'),
      workspace: pathOf('workspace'),
      ours: pathOf('ours'),
      etc: pathOf('etc'),
      node: pathOf('node'),
      helper: pathOf('helper'),
      probe: pathOf('probe'),
      mounts: mounts.map((_, index) => pathOf(`mount-${String(index)}`)),
    },
  };
}

function writeEtc(directory: string, files: Readonly<Record<string, string>>, scope: Scope): void {
  scope.defer('etc', () => {
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
