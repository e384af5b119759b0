import type { Socket } from 'node:net';
import { err, ok, type Result } from '../kernel/result.ts';
import type { DialFailure } from '../ports/dialer.ts';

const PHASES = {
  connect: 'accept a connection',
  secureConnect: 'finish its TLS handshake',
} as const;

/** A socket once it is connected, or secured, or why it never will be: each phase has a deadline of its own. */
export function settled(
  socket: Socket,
  success: keyof typeof PHASES,
  timeoutMs: number,
  describe: (code: string) => DialFailure,
): Promise<Result<Socket, DialFailure>> {
  return new Promise((resolve) => {
    const finish = (result: Result<Socket, DialFailure>): void => {
      clearTimeout(timer);
      socket.off(success, onSuccess);
      socket.off('error', onError);
      socket.off('close', onClose);
      if (!result.ok) {
        // A reset that arrives after we gave up has no other listener.
        socket.on('error', () => undefined);
        socket.destroy();
      }
      resolve(result);
    };
    const onSuccess = (): void => {
      finish(ok(socket));
    };
    const onError = (failure: Error): void => {
      finish(err(describe(codeOf(failure))));
    };
    const onClose = (): void => {
      finish(err(describe('ECONNRESET')));
    };
    const timer = setTimeout(() => {
      const detail = `the upstream did not ${PHASES[success]} in time`;
      finish(err({ status: 504, reason: 'upstream_timeout', detail }));
    }, timeoutMs);
    socket.on(success, onSuccess);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}

function codeOf(failure: Error): string {
  return 'code' in failure && typeof failure.code === 'string' ? failure.code : failure.name;
}
