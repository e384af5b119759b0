import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { LIMITS } from '../../kernel/limits.ts';
import { pairsOf } from '../../protocol/http2/fields.ts';
import { translateRequest } from '../../protocol/http2/request.ts';
import type { GatewayCore } from '../core.ts';
import type { Authority } from '../request.ts';
import { Wire, WireError } from '../wire.ts';
import { AgentStream } from './agent-stream.ts';

/** What becomes of one stream: `malformed` says why there is no request on it. */
export type ServeStream = (wire: Wire, malformed: string | null) => Promise<void>;

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;

const OPTIONS = {
  settings: {
    enablePush: false,
    maxConcurrentStreams: LIMITS.http2Streams,
    maxHeaderListSize: LIMITS.httpHeadBytes,
    enableConnectProtocol: true,
  },
  maxHeaderListPairs: LIMITS.httpHeaderCount,
  maxOutstandingPings: LIMITS.http2OutstandingPings,
  maxSettings: LIMITS.http2SettingsEntries,
  maxSessionInvalidFrames: LIMITS.http2InvalidFrames,
  maxSessionRejectedStreams: LIMITS.http2ResetBurst,
  maxSessionMemory: LIMITS.http2SessionMiB,
  streamResetBurst: LIMITS.http2ResetBurst,
  streamResetRate: LIMITS.http2ResetsPerSecond,
} as const;

/** Serves an agent's HTTP/2 connection until it has closed and the last of its streams was served. */
export async function serveHttp2(
  core: GatewayCore,
  socket: TLSSocket,
  authority: Authority | null,
  serve: ServeStream,
): Promise<void> {
  const session = performServerHandshake(socket, OPTIONS);
  const serving = new AgentSession(core, socket, session, serve).ended(authority);
  // The session waits for the event of a client's socket, unless a `tls.Server` made this one; its handshake is over.
  socket.emit('secureConnect');
  await serving;
}

class AgentSession {
  readonly #core: GatewayCore;
  readonly #socket: TLSSocket;
  readonly #session: ServerHttp2Session;
  readonly #serve: ServeStream;
  readonly #streams = new Set<Promise<void>>();
  readonly #ended: Promise<void>;
  #idleTimer: NodeJS.Timeout | null = null;

  constructor(core: GatewayCore, socket: TLSSocket, session: ServerHttp2Session, serve: ServeStream) {
    this.#core = core;
    this.#socket = socket;
    this.#session = session;
    this.#serve = serve;
    this.#ended = new Promise((resolve) => {
      // The session waits for its last write, of which nothing is heard any more when the peer went in mid-write.
      for (const part of [session, socket]) part.once('close', resolve);
    });
    // Over TLS a peer's end is the end of both halves here, as it is for HTTP/1.1 (`Wire`).
    socket.on('end', () => {
      session.destroy();
      socket.destroy();
    });
    session.on('goaway', () => {
      this.#watchIdleness();
    });
    // What the peer broke is answered by the stack itself, with a GOAWAY; nobody here has to hear of it.
    session.on('error', () => undefined);
    session.on('stream', this.#onStream);
    this.#watchIdleness();
  }

  async ended(authority: Authority | null): Promise<void> {
    // A drain, or a policy that refuses the host, closes in order: streams under way go on, new ones are refused.
    const idle = {
      authority,
      asked: () => false,
      destroy: () => {
        this.#session.close();
        this.#watchIdleness();
      },
    };
    this.#core.idle.add(idle);
    await this.#ended;
    this.#core.idle.delete(idle);
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    await Promise.all(this.#streams);
  }

  readonly #onStream = (
    stream: ServerHttp2Stream,
    _headers: unknown,
    _flags: number,
    flat: readonly string[],
  ): void => {
    // Streams that were reset count until all that they set in motion has ended.
    if (this.#streams.size >= 2 * LIMITS.http2Streams) {
      stream.on('error', () => undefined);
      this.#session.destroy(undefined, NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    const serving = this.#serveStream(stream, flat).catch((failure: unknown) => {
      if (!(failure instanceof WireError)) this.#core.onBug(failure);
    });
    this.#streams.add(serving);
    this.#watchIdleness();
    void serving.then(() => {
      this.#streams.delete(serving);
      this.#watchIdleness();
    });
  };

  async #serveStream(stream: ServerHttp2Stream, flat: readonly string[]): Promise<void> {
    const translated = translateRequest(pairsOf(flat), stream.endAfterHeaders);
    const request = translated.ok ? translated.value : null;
    using wire = new Wire(new AgentStream(stream, request), this.#core.meter);
    await this.#serve(wire, translated.ok ? null : translated.error);
  }

  /**
   * A connection without a request on it has as long as one of HTTP/1.1 has, whatever else it sends meanwhile; one that
   * is closing has to say its last word in less.
   */
  #watchIdleness(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    if (this.#streams.size > 0 || this.#socket.destroyed) return;
    const { idleTimeoutMs, discardMs } = this.#core.timeouts;
    const closing = this.#session.closed || this.#session.destroyed;
    this.#idleTimer = setTimeout(
      () => {
        if (closing) this.#socket.destroy();
        else this.#hangUp();
      },
      closing ? discardMs : idleTimeoutMs,
    );
  }

  #hangUp(): void {
    // It can have been destroyed a moment ago, with its `close` still to come.
    if (!this.#session.destroyed) {
      this.#session.goaway(NGHTTP2_NO_ERROR);
      this.#session.destroy();
    }
    this.#watchIdleness();
  }
}
