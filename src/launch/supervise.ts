import fs from 'node:fs';
import path from 'node:path';
import { boxProcess, type BoxRequest } from '../bundle/box.ts';
import type { ServicePlan } from '../bundle/broker.ts';
import { BOXED } from '../bundle/sandbox.ts';
import { heldPath } from '../platform/assets.ts';
import type { SuperviseServiceDocument } from '../schema/supervise-service.ts';
import type { BottleBundleParts } from './bundle.ts';

/** Where the other services have the record there is nothing; its one listener follows. */
const LISTENER_FD = 6;

/** The supervise service of a bottle that may ask: without network, without a secret, with its own directory only. */
export async function superviseService(
  { options, paths, listeners, scope }: BottleBundleParts,
  common: Pick<BoxRequest, 'allocateUid' | 'stageRoot' | 'stateDirectory'>,
): Promise<readonly ServicePlan[]> {
  const listener = listeners.find(({ role }) => role === 'supervise');
  if (listener === undefined) return [];
  fs.mkdirSync(paths.asked, { recursive: true, mode: 0o700 });
  // Its reader may be a user of its own, and is shown nothing else of ours.
  fs.mkdirSync(paths.answers, { recursive: true, mode: 0o755 });
  const box = await boxProcess(
    {
      ...common,
      kind: 'supervise',
      script: heldPath(paths.program, 'supervise.js'),
      control: null,
      spill: paths.asked,
      shown: paths.answers,
      descriptors: 2,
    },
    scope,
  );
  giveFiles(paths.asked);
  const nothing = fs.openSync('/dev/null', 'r');
  scope.defer('nothing', () => {
    fs.closeSync(nothing);
  });
  const document: SuperviseServiceDocument = {
    slug: options.plan.gateway.slug,
    listenerFd: LISTENER_FD,
    askedDirectory: box.spillInside ?? paths.asked,
    answersDirectory: box.boxed ? BOXED.shown : paths.answers,
  };
  return [
    { ...box, name: 'supervise', late: true, descriptors: [nothing, listener.fd], document: JSON.stringify(document) },
  ];
}

/** A resumed bottle's service may be another user than the one that made them. */
function giveFiles(directory: string): void {
  const { uid, gid } = fs.statSync(directory);
  for (const name of fs.readdirSync(directory)) {
    const file = path.join(directory, name);
    if (fs.lstatSync(file).uid !== uid) fs.lchownSync(file, uid, gid);
  }
}
