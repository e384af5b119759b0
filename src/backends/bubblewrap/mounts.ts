import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { INSIDE } from '../../schema/plan.ts';

/** Places that are made by us or hidden on purpose: showing the host's there would take a wall down. */
const CLOSED = ['/proc', '/sys', '/dev', '/etc', '/run', '/var/run', '/boot', INSIDE.home, INSIDE.ours];
/** Whole trees of other people's things; a directory inside them may be shown. */
const TOO_WIDE = ['/', '/root', '/home', '/var', '/tmp', '/mnt', '/srv', '/usr'];

export function checkMounts(mounts: readonly string[]): void {
  for (const mount of mounts) {
    const closed = CLOSED.find(
      (place) => mount === place || mount.startsWith(`${place}/`) || place.startsWith(`${mount}/`),
    );
    if (path.normalize(mount) !== mount || closed !== undefined || TOO_WIDE.includes(mount)) {
      throw new BottleError('workspace_invalid', {
        message: `${mount} can't be shown in a bottle${closed === undefined ? '' : `: ${closed} is the bottle's own`}`,
        key: 'mounts',
        hint: 'name the one directory that is needed, e.g. /opt/toolchain',
      });
    }
    if (!fs.existsSync(mount)) {
      throw new BottleError('workspace_invalid', { message: `${mount} does not exist on this machine`, key: 'mounts' });
    }
  }
}
