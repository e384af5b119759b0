import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BottleError } from '../../kernel/errors.ts';
import { heldPath } from '../../platform/assets.ts';
import { MARK } from '../../platform/processes.ts';
import type { ApplyContext, BottleListener } from '../../ports/backend.ts';
import type { ListenerRole } from '../../schema/plan.ts';
import { collectListeners, type ListenerHandle } from '../common/listeners.ts';

/** The bundle's listeners, bound inside a container's network namespace and held by us. */
export interface HeldListeners extends Disposable {
  readonly listeners: readonly BottleListener[];
}

const NSENTER = '/usr/bin/nsenter';

/** Only root may enter a namespace that the engine, who is root, has made. */
export async function bindInside(
  hostPid: number,
  { stateDirectory, programDirectory }: Pick<ApplyContext, 'stateDirectory' | 'programDirectory'>,
  roles: readonly ListenerRole[],
): Promise<HeldListeners> {
  const child = spawn(
    NSENTER,
    [
      `--net=/proc/${String(hostPid)}/ns/net`,
      '--',
      process.execPath,
      heldPath(programDirectory, 'netns-helper.js'),
      roles.join(','),
    ],
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: { [MARK]: stateDirectory }, cwd: '/' },
  );
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => (words = `${words}${chunk.toString('utf8')}`.slice(-2_000)));
  const handles = new Map<string, ListenerHandle>();
  const ended = once(child, 'exit').then(([code]): never => {
    throw new BottleError('launch_failed', {
      message: `the listeners can't be made in the container (exit ${String(code)}): ${words.trim()}`,
    });
  });
  ended.catch(() => undefined);
  const listeners = await Promise.race([collectListeners(child, handles, roles), ended]);
  return {
    listeners,
    [Symbol.dispose]: () => {
      for (const handle of handles.values()) handle.close();
      handles.clear();
      if (child.connected) child.disconnect();
    },
  };
}
