import type { ChildProcess } from 'node:child_process';
import { z } from 'zod';
import { BottleError } from '../../kernel/errors.ts';
import type { BottleListener } from '../../ports/backend.ts';
import { LISTENER_ROLES, type ListenerRole } from '../../schema/plan.ts';

const HandOverSchema = z.object({ role: z.enum(LISTENER_ROLES) });

export interface ListenerHandle {
  readonly fd: number;
  close(): void;
}

/** Bare handles: nobody in the launcher accepts or receives on them. */
export async function collectListeners(
  child: ChildProcess,
  handles: Map<string, ListenerHandle>,
  roles: readonly ListenerRole[],
): Promise<readonly BottleListener[]> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  child.on('message', (message: unknown, handle: unknown) => {
    const said = HandOverSchema.safeParse(message);
    if (!said.success || !isListenerHandle(handle)) {
      reject(new BottleError('launch_failed', { message: 'the listeners were not handed over as agreed' }));
      return;
    }
    handles.set(said.data.role, handle);
    if (handles.size === roles.length) resolve(undefined);
  });
  await promise;
  return roles.flatMap((role) => {
    const handle = handles.get(role);
    return handle === undefined ? [] : [{ role, fd: handle.fd }];
  });
}

function isListenerHandle(value: unknown): value is ListenerHandle {
  return (
    typeof value === 'object' &&
    value !== null &&
    'fd' in value &&
    typeof value.fd === 'number' &&
    value.fd >= 0 &&
    'close' in value &&
    typeof value.close === 'function'
  );
}
