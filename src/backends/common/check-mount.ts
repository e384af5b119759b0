import { BottleError } from '../../kernel/errors.ts';
import { INSIDE } from '../../schema/plan.ts';

/** Places that a mount of the operator's must neither cover nor uncover. */
const TAKEN = ['/dev', '/etc', '/proc', '/run', '/sys', '/var/run', INSIDE.home, INSIDE.ours];
/** The bottle's own as a whole; something of the operator's may be shown below it. */
const TAKEN_AS_A_WHOLE = ['/tmp', '/var/tmp'];

/** Where something of the operator's is to be shown: nowhere that is the bottle's own. */
export function checkMount(path: string): string {
  const clean = path.replace(/\/+$/, '');
  const clash =
    TAKEN.find((taken) => within(clean, taken) || within(taken, clean)) ??
    TAKEN_AS_A_WHOLE.find((taken) => within(taken, clean));
  if (clash === undefined && !clean.split('/').includes('..')) return clean;
  throw new BottleError('config_invalid', {
    message: `${path} can't be mounted: ${clash ?? 'it'} is the bottle's own`,
    key: 'mounts',
    hint: 'mount the toolchain’s own directory, e.g. /opt/toolchain',
  });
}

function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
