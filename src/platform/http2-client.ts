import { connect, type ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { LIMITS } from '../kernel/limits.ts';

/** HTTP/2 on a connection that the dialer has made: nothing is connected here. `host` is only what errors say. */
export function startHttp2(socket: Socket, host: string): ClientHttp2Session {
  const session = connect(`https://${host}`, {
    createConnection: () => socket,
    settings: {
      enablePush: false,
      initialWindowSize: LIMITS.http2UpstreamWindowBytes,
      maxHeaderListSize: LIMITS.httpHeadBytes,
    },
    maxHeaderListPairs: LIMITS.httpHeaderCount,
    maxReservedRemoteStreams: 0,
    maxSettings: LIMITS.http2SettingsEntries,
    maxSessionMemory: 2 * LIMITS.http2SessionMiB,
  });
  session.on('connect', () => {
    session.setLocalWindowSize(2 * LIMITS.http2UpstreamWindowBytes);
  });
  return session;
}
