import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { ControlClient } from '../platform/control-client.ts';
import { CONTROL_SOCKET } from '../schema/control.ts';
import { bottlePaths, type HomePaths } from '../state/paths.ts';

/** The launcher of a live bottle. Only who may read the bottle's runtime directory knows the nonce (SECURITY S6). */
export async function openControl(paths: HomePaths, slug: string): Promise<ControlClient> {
  const { runtime } = bottlePaths(paths, slug);
  const nonceFile = path.join(runtime, 'control.nonce');
  if (!fs.existsSync(nonceFile)) {
    throw new BottleError('bottle_not_found', {
      message: `${slug} is only just starting, or is ending`,
      hint: 'bot-bottle list active',
    });
  }
  return ControlClient.connect(path.join(runtime, CONTROL_SOCKET), fs.readFileSync(nonceFile, 'utf8'));
}
