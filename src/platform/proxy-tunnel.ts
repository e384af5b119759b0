import type { Socket } from 'node:net';
import { err, ok, type Result } from '../kernel/result.ts';
import type { DialFailure } from '../ports/dialer.ts';
import { bracketed } from '../policy/host.ts';

/** A proxy's answer to CONNECT is a few lines; more is no proxy. */
const ANSWER_BYTES = 16 * 1024;
const END_OF_HEAD = '\r\n\r\n';

/** Asks an upstream proxy for a tunnel (RFC 9110, 9.3.6). The socket that comes back carries the tunnel's bytes alone. */
export function openTunnel(
  socket: Socket,
  target: { readonly host: string; readonly port: number },
  authorization: string | null,
  timeoutMs: number,
): Promise<Result<Socket, DialFailure>> {
  const authority = `${bracketed(target.host)}:${String(target.port)}`;
  const auth = authorization === null ? '' : `Proxy-Authorization: ${authorization}\r\n`;
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const finish = (result: Result<Socket, DialFailure>): void => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('error', onGone);
      socket.off('close', onGone);
      socket.pause();
      socket.on('error', () => socket.destroy());
      if (!result.ok) socket.destroy();
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf(END_OF_HEAD);
      if (end === -1) {
        if (answer.length > ANSWER_BYTES) finish(refused('it answers with something else than HTTP'));
        return;
      }
      const [, status] = /^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(answer.toString('latin1')) ?? [];
      if (status?.startsWith('2') !== true) {
        finish(
          refused(status === '407' ? 'it wants another user or password (407)' : `it answers ${status ?? 'no HTTP'}`),
        );
        return;
      }
      // Whoever is behind it may speak first.
      const rest = answer.subarray(end + END_OF_HEAD.length);
      finish(ok(socket));
      if (rest.length > 0) socket.unshift(rest);
    };
    const onGone = (): void => {
      finish(refused('it closed the connection'));
    };
    const timer = setTimeout(() => {
      const detail = 'the upstream proxy did not open a tunnel in time';
      finish(err({ status: 504, reason: 'upstream_timeout', detail }));
    }, timeoutMs);
    socket.on('data', onData);
    socket.on('error', onGone);
    socket.on('close', onGone);
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${auth}\r\n`);
  });
}

function refused(why: string): Result<never, DialFailure> {
  return err({ status: 502, reason: 'upstream_unreachable', detail: `the upstream proxy gave no tunnel: ${why}` });
}
