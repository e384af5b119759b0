import { once } from 'node:events';
import { BottleError } from '../kernel/errors.ts';
import { connectToSocket } from '../platform/control-client.ts';
import type { GitService } from '../schema/git.ts';
import { fetchObjects } from './fetch.ts';
import { LinkedUpstream } from './linked-upstream.ts';
import type { Link, Upstream } from './upstream.ts';

/**
 * A repository of the operator's on this machine. The gate never sees it: the launcher opens it, behind a socket, in a
 * box of its own, and all that passes is git's protocol (its counterpart: launch/git-upstreams.ts).
 */
export function localUpstream(url: string, socketPath: string): Upstream {
  const open = async (service: GitService, paused: boolean): Promise<ReturnType<typeof connectToSocket>> => {
    const socket = connectToSocket(socketPath);
    // Read by git, not by us: a byte that we took would be lost to it.
    if (paused) socket.pause();
    socket.on('error', () => undefined);
    try {
      await once(socket, 'connect');
    } catch (failure) {
      throw new BottleError('upstream_failed', { message: `${url} can't be reached: nobody opens it`, cause: failure });
    }
    await new Promise((resolve) => {
      socket.write(`${service}\n`, resolve);
    });
    return socket;
  };
  const link = async (service: GitService): Promise<Link> => {
    const socket = await open(service, false);
    return {
      stdin: socket,
      stdout: socket,
      words: () => '',
      [Symbol.asyncDispose]: () => {
        socket.destroy();
        return Promise.resolve();
      },
    };
  };
  return new LinkedUpstream(url, link, async (directory, refs) => {
    const socket = await open('git-upload-pack', true);
    try {
      const descriptors = [socket, socket];
      await fetchObjects({ url, directory, refs, source: 'fd::3,4', protocol: 'fd', descriptors });
    } finally {
      socket.destroy();
    }
  });
}
