import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import type { Scope } from '../../kernel/scope.ts';
import { allocateUid } from '../../platform/uid-lock.ts';
import type { ApplyContext } from '../../ports/backend.ts';

/** A host uid of the bottle's own, for as long as the scope lasts (SECURITY S6b). */
export async function holdUid(context: ApplyContext, scope: Scope): Promise<number> {
  const owner = fs.lstatSync(path.join(context.stateDirectory, 'workspace'), { throwIfNoEntry: false })?.uid ?? 0;
  const held = await allocateUid(owner === 0 ? null : owner);
  scope.defer('host uid', held.release);
  // A tree that an agent has worked in keeps its owner: nobody walks it to give it to another.
  if (owner !== 0 && held.uid !== owner) {
    throw new BottleError('resource_unavailable', {
      message: `the bottle's user ${String(owner)} is in use by another bottle`,
      hint: 'bot-bottle list active   and try again when that one has ended',
    });
  }
  context.journal({ step: 'bottle-uid', detail: { uid: held.uid } });
  return held.uid;
}
