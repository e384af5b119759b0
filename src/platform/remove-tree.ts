import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

/**
 * Removes a bottle's directories for good, links as links. Only once nothing of the bottle runs. What an agent locked
 * away (`chmod 000`) its owner may not enter; then the system's own `chmod`, which follows no link below the place it is
 * told, unlocks it first.
 */
export function removeTree(directory: string): void {
  try {
    fs.rmSync(directory, { recursive: true, force: true });
  } catch (failure) {
    if (!isLocked(failure)) throw failure;
    execFileSync('/bin/chmod', ['-R', 'u+rwX', '--', directory], { env: {}, stdio: 'ignore' });
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function isLocked(failure: unknown): boolean {
  return failure instanceof Error && 'code' in failure && (failure.code === 'EACCES' || failure.code === 'EPERM');
}
