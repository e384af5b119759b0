import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findProgram } from '../bundle/host-facts.ts';
import { planStage, prepareStage } from '../platform/staging.ts';
import type { AgentExit } from '../ports/backend.ts';
import type { BottlePaths } from '../state/paths.ts';

/**
 * After the agent's end: was anything done that is not home yet (REFERENCE 4, settle)? The agent's tree is looked at
 * by `find` inside a box of its own, without network and as an unprivileged user, and all that crosses to the host is
 * whether it printed something (SECURITY S1).
 */
export type Settlement =
  { readonly kind: 'unchanged' } | { readonly kind: 'kept'; readonly reason: 'exit' | 'workspace' | 'unknown' };

/** A moment of the state's file system, taken right before the gate opens: later changes carry a later ctime. */
export function stampWorkspace(paths: BottlePaths): void {
  fs.writeFileSync(path.join(paths.root, 'stamp'), '', { mode: 0o600 });
}

export function settle(exit: AgentExit, paths: BottlePaths): Settlement {
  if (exit.exitCode !== 0) return { kind: 'kept', reason: 'exit' };
  const changed = workspaceChanged(paths);
  if (changed === null) return { kind: 'kept', reason: 'unknown' };
  return changed ? { kind: 'kept', reason: 'workspace' } : { kind: 'unchanged' };
}

const LOOK_TIMEOUT_MS = 60_000;

/** Null when it can't be told: then the work is kept. */
function workspaceChanged(paths: BottlePaths): boolean | null {
  const bwrap = findProgram('bwrap');
  const find = findProgram('find');
  if (bwrap === null || find === null) return null;
  const stamp = path.join(paths.root, 'stamp');
  const owner = fs.lstatSync(paths.workspace).uid;
  const uid = owner === process.getuid?.() ? null : owner;
  const looked = spawnLook(bwrap, find, stamp, paths, uid);
  if (looked.status !== 0) return null;
  return looked.stdout.length > 0;
}

function spawnLook(
  bwrap: string,
  find: string,
  stamp: string,
  paths: BottlePaths,
  uid: number | null,
): ReturnType<typeof spawnSync> {
  const staged = [
    { source: paths.workspace, name: 'workspace' },
    { source: stamp, name: 'stamp' },
  ];
  const directory = path.join(paths.runtime, 'stage-look');
  if (uid !== null) prepareStage(directory, staged);
  const stage = uid === null ? null : planStage(directory, staged);
  const drop =
    uid === null ? [] : ['/usr/bin/setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  const shown = (name: string, source: string): string => stage?.pathOf(name) ?? source;
  const argv = [
    ...(stage?.prefix ?? []),
    ...drop,
    bwrap,
    ...[
      '--unshare-all',
      '--disable-userns',
      '--unshare-user',
      '--cap-drop',
      'ALL',
      '--die-with-parent',
      '--new-session',
      '--clearenv',
    ],
    ...[
      '--ro-bind',
      '/usr',
      '/usr',
      '--symlink',
      'usr/bin',
      '/bin',
      '--symlink',
      'usr/lib',
      '/lib',
      '--symlink',
      'usr/lib64',
      '/lib64',
    ],
    ...['--ro-bind', shown('workspace', paths.workspace), '/workspace', '--ro-bind', shown('stamp', stamp), '/stamp'],
    ...['--', find, '/workspace', '-cnewer', '/stamp', '-print', '-quit'],
  ];
  const [command = '', ...rest] = argv;
  return spawnSync(command, rest, {
    env: {},
    timeout: LOOK_TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024,
  });
}
